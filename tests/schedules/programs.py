"""Programs that the tests of schedules start from, and how they are run and compared."""

from __future__ import annotations

import numpy as np

import mlc
import mlc.te as te
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
