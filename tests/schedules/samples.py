"""Programs that the tests of schedules start from, and how they are run and compared."""

from __future__ import annotations

import numpy as np

import mlc
import mlc.te as te
from mlc import script as T
from mlc.ir.interpret import interpret
from mlc.ir.program import Program
from mlc.ir.structural import assert_structural_equal
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, create_program


def matmul(m: int = 6, n: int = 8, k: int = 4) -> Program:
    """C = A @ B."""
    a = te.placeholder((m, k), name="A")
    b = te.placeholder((k, n), name="B")
    r = te.reduce_axis(k, "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return create_program("mm", [Nest((c,), c.op)], [a, b], [c])


def matmul_relu(m: int = 6, n: int = 8, k: int = 4) -> Program:
    """Y = A @ B, C = max(Y, 0), one nest after the other."""
    a = te.placeholder((m, k), name="A")
    b = te.placeholder((k, n), name="B")
    r = te.reduce_axis(k, "k")
    y = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="Y")
    c = te.compute((m, n), lambda i, j: te.max(y[i, j], 0.0), name="C")
    return create_program("mm_relu", [Nest((y,), y.op), Nest((c,), c.op)], [a, b], [c])


def doubled(m: int = 7, n: int = 5) -> Program:
    """B = A + A."""
    a = te.placeholder((m, n), name="A")
    b = te.compute((m, n), lambda i, j: a[i, j] + a[i, j], name="B")
    return create_program("doubled", [Nest((b,), b.op)], [a], [b])


def run(program: Program, seed: int = 0) -> list[np.ndarray]:
    """The outputs for some whole numbers, so that no order of summing makes a difference."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-4, 5, b.shape).astype(b.dtype.numpy) for b in program.params]
    for array in arrays[len(arrays) - program.outputs :]:
        array[...] = 99
    interpret(program, *arrays)
    return arrays[len(arrays) - program.outputs :]


def assert_same_results(after: Program, before: Program) -> None:
    """Both programs compute the same."""
    for got, want in zip(run(after), run(before), strict=True):
        np.testing.assert_array_equal(got, want)


def assert_round_trips(schedule: Schedule) -> None:
    """The source and the JSON of a schedule both lead to its program again."""
    scope: dict = {"mlc": mlc}
    exec(schedule.source(), scope)
    function = next(v for v in scope.values() if hasattr(v, "with_options"))
    assert_structural_equal(function(schedule.original), schedule.program)
    again = Schedule.from_json(schedule.original, schedule.to_json())
    assert_structural_equal(again.program, schedule.program)
    assert again.source() == schedule.source()


@T.program
def two_stages(A: T.Buffer((8, 6)), B: T.Buffer((8, 6)), C: T.Buffer((8, 6))):
    """B = A + 1 and C = B * 2 in one pair of loops."""
    for i, j in T.grid(8, 6):
        with T.block("B"):
            vi, vj = T.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] + 1.0
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = B[vi, vj] * 2.0


@T.program
def running_sum(A: T.Buffer((9,)), B: T.Buffer((9,))):
    """B[i] = A[0] + ... + A[i], each from the one before."""
    for i in T.serial(9):
        with T.block("B"):
            vi = T.axis.spatial(9, i)
            B[vi] = A[vi] + T.select(vi > 0, B[vi - 1], 0.0)


@T.program
def staged(A: T.Buffer((8, 4)), C: T.Buffer((8, 4))):
    """Each row is copied to a buffer that all rows share, and doubled from there."""
    row = T.alloc((4,), "float32")
    for i in T.serial(8):
        for j in T.serial(4):
            row[j] = A[i, j]
        for j in T.serial(4):
            C[i, j] = row[j] * 2.0


@T.program
def shifted_read(A: T.Buffer((9,)), B: T.Buffer((9,)), C: T.Buffer((8,))):
    """B = A + 1, then C[i] = B[i + 1]: what is read comes one iteration later."""
    for i in T.serial(9):
        with T.block("B"):
            vi = T.axis.spatial(9, i)
            B[vi] = A[vi] + 1.0
    for i in T.serial(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = B[vi + 1]


@T.program
def reads_later(A: T.Buffer((8,)), B: T.Buffer((9,)), C: T.Buffer((8,))):
    """The second loop reads what the first writes one iteration later."""
    for i in T.serial(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi + 1] = A[vi] + 1.0
    for i in T.serial(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = B[8 - vi]


@T.program
def in_place(A: T.Buffer((9,))):
    """A = A + 1."""
    for i in T.serial(9):
        with T.block("A"):
            vi = T.axis.spatial(9, i)
            A[vi] = A[vi] + 1.0


@T.program
def reversed_in_place(A: T.Buffer((9,))):
    """Each element is computed from its mirror image, which may have been overwritten."""
    for i in T.serial(9):
        with T.block("A"):
            vi = T.axis.spatial(9, i)
            A[vi] = A[8 - vi] * 2.0


@T.program
def large_reversed(A: T.Buffer((1 << 20,))):
    """As reversed_in_place, over more elements than a trial takes on."""
    for i in T.serial((1 << 20) - 1):
        with T.block("A"):
            vi = T.axis.spatial((1 << 20) - 1, i)
            A[vi] = A[(1 << 20) - 1 - vi] * 2.0


@T.program
def roomy(A: T.Buffer((8,)), C: T.Buffer((7,))):
    """B, which is local, has one element more than is used."""
    B = T.alloc((8,), "float32")
    for i in T.serial(7):
        with T.block("B"):
            vi = T.axis.spatial(7, i)
            B[vi] = A[vi] + 1.0
    for i in T.serial(7):
        with T.block("C"):
            vi = T.axis.spatial(7, i)
            C[vi] = B[vi] * 2.0


@T.program
def roomy_output(A: T.Buffer((8,)), C: T.Buffer((8,)), B: T.Buffer((7,))):
    """C has one element more than the first block is meant to write."""
    for i in T.serial(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = 0.0
    for i in T.serial(7):
        with T.block("B"):
            vi = T.axis.spatial(7, i)
            C[vi] = A[vi] + 1.0
    for i in T.serial(7):
        with T.block("D"):
            vi = T.axis.spatial(7, i)
            B[vi] = C[vi + 1]


@T.program
def diagonal(A: T.Buffer((6, 6)), B: T.Buffer((7, 7))):
    """Each element needs the one up and to the right."""
    for i, j in T.grid(6, 6):
        with T.block("B"):
            vi, vj = T.remap("SS", [i, j])
            B[vi + 1, vj] = B[vi, vj + 1] + A[vi, vj]


@T.program
def private_row(A: T.Buffer((8, 4)), C: T.Buffer((8, 4))):
    """Each row has a buffer of its own."""
    for i in T.serial(8):
        row = T.alloc((4,), "float32")
        for j in T.serial(4):
            with T.block("copy"):
                vj = T.axis.spatial(4, j)
                row[vj] = 1.0
        for j in T.serial(4):
            with T.block("add"):
                vi, vj = T.remap("SS", [i, j])
                C[vi, vj] = row[vj] + A[vi, vj]


@T.program
def two_local(A: T.Buffer((7,)), C: T.Buffer((7,))):
    """B = A + 1, which is local, and C = B * 2."""
    B = T.alloc((7,), "float32")
    for i in T.serial(7):
        with T.block("B"):
            vi = T.axis.spatial(7, i)
            B[vi] = A[vi] + 1.0
    for i in T.serial(7):
        with T.block("C"):
            vi = T.axis.spatial(7, i)
            C[vi] = B[vi] * 2.0


@T.program
def large_roomy(A: T.Buffer((1 << 20,)), C: T.Buffer(((1 << 20) - 7,))):
    """As roomy, over more elements than a trial takes on."""
    B = T.alloc((1 << 20,), "float32")
    for i in T.serial((1 << 20) - 7):
        with T.block("B"):
            vi = T.axis.spatial((1 << 20) - 7, i)
            B[vi] = A[vi] + 1.0
    for i in T.serial((1 << 20) - 7):
        with T.block("C"):
            vi = T.axis.spatial((1 << 20) - 7, i)
            C[vi] = B[vi] * 2.0


@T.program
def roomy_sum(A: T.Buffer((8,)), C: T.Buffer((1,))):
    """The sum of the first seven elements, by way of a local one."""
    B = T.alloc((1,), "float32")
    for i in T.serial(7):
        with T.block("B"):
            vi = T.axis.reduce(7, i)
            with T.init():
                B[0] = 0.0
            B[0] += A[vi]
    C[0] = B[0]
