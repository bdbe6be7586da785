"""Nests of independent points, and nests that nothing better is known for."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.compile_device import program_device_module
from mlc.ir.program import LoopKind
from mlc.schedules.defaults.gpu import default_gpu_schedule
from mlc.schedules.schedule import Schedule

from .judge import SMALL, extents, judged, scopes, threads


def added(*shape: int, dtype: str = "float32"):
    a, b = te.placeholder(shape, dtype, "A"), te.placeholder(shape[-1:], dtype, "b")
    out = te.compute(shape, lambda *i: a[i] + b[i[-1]], name="C")
    return te.create_program([a, b, out], "added")


@pytest.mark.parametrize("shape", [(1,), (7,), (128,), (64, 64), (5, 33), (3, 5, 7), (1, 1, 256)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
def test_points_of_any_shape(shape, dtype):
    judged(added(*shape, dtype=dtype))


def test_neighbours_are_taken_at_once():
    s = judged(added(64, 64))
    assert threads(s) == [("blockIdx.x", 32), ("threadIdx.x", 32)]
    assert extents(s, LoopKind.VECTORIZED) == [4]


def test_wide_elements_are_taken_in_pairs():
    assert extents(judged(added(64, 64, dtype="float64")), LoopKind.VECTORIZED) == [2]


def test_odd_rows_are_taken_one_by_one():
    s = judged(added(31, 33))
    assert extents(s, LoopKind.VECTORIZED) == []
    assert threads(s) == [("blockIdx.x", 32), ("threadIdx.x", 32)]


def test_what_kernels_hand_each_other_is_global():
    a = te.placeholder((33, 7), "float32", "A")
    k = te.reduce_axis(7, "k")
    total = te.compute((33,), lambda i: te.sum(a[i, k], axis=k), name="total")
    out = te.compute((33, 7), lambda i, j: a[i, j] / total[i], name="out")
    program = te.create_program([a, out], "norm")
    s = judged(program, SMALL)
    assert set(scopes(s).values()) <= {"global", "shared", "local"}
    assert threads(s)


def test_a_loop_that_depends_on_itself_stays_serial():
    @T.program
    def running(A: T.Buffer((40, 6)), B: T.Buffer((40, 6))):
        for i, j in T.grid(6, 39):
            with T.block("B"):
                vi, vj = T.remap("SS", [i, j])
                B[vj + 1, vi] = A[vj, vi] + B[vj, vi]

    s = judged(running, SMALL)
    assert extents(s, LoopKind.SERIAL) == [39]
    assert [name for name, _ in threads(s)] == ["blockIdx.x", "threadIdx.x"]


def test_loops_on_the_threads_of_a_processor_are_judged_anew():
    @T.program
    def twice(A: T.Buffer((40,)), B: T.Buffer((40,))):
        for i in T.parallel(40):
            with T.block("B"):
                vi = T.axis.spatial(40, i)
                B[vi] = A[vi] * 2.0

    assert [name for name, _ in threads(judged(twice))] == ["blockIdx.x", "threadIdx.x"]


def test_programs_with_threads_of_their_own_are_left_alone():
    @T.program
    def twice(A: T.Buffer((40,)), B: T.Buffer((40,))):
        for i in T.thread_binding(40, "threadIdx.x"):
            with T.block("B"):
                vi = T.axis.spatial(40, i)
                B[vi] = A[vi] * 2.0

    assert default_gpu_schedule(twice).program is twice


def test_loops_that_never_run_are_no_reason_to_fail():
    assert threads(default_gpu_schedule(added(0, 4))) == []


def padded(rows: int, columns: int, axis: int):
    a = te.placeholder((rows, columns), "float32", "A")
    extent = (rows, columns)[axis]

    def element(*places):
        inside = (places[axis] >= 1) & (places[axis] < extent + 1)
        there = [place - (n == axis) for n, place in enumerate(places)]
        return te.select(inside, a[tuple(there)], te.const(0, "float32"))

    shape = (rows + 2, columns) if axis == 0 else (rows, columns + 4)
    return te.create_program([a, te.compute(shape, element, name="out")], "padded")


def test_what_a_guard_keeps_from_being_read_is_read_one_by_one():
    assert extents(judged(padded(6, 64, 1)), LoopKind.VECTORIZED) == []
    # All lanes of a row are inside, or none is.
    assert extents(judged(padded(6, 64, 0)), LoopKind.VECTORIZED) == [4]


@pytest.mark.parametrize("axis", [0, 1])
def test_lanes_by_hand_read_nothing_that_a_guard_forbids(axis):
    program = padded(6, 64, axis)
    s = Schedule(program)
    i, j = s.loops("out")
    thread, lane = s.split(j, [None, 4])
    s.bind(i, "blockIdx.x")
    s.bind(thread, "threadIdx.x")
    s.vectorize(lane)
    text = mlc.build(s, target="cuda").lower().cuda
    assert ("float4 *>(&A" in text) == (axis == 0)
    if axis == 0:
        assert "float4{};" in text  # under a condition
    a = np.arange(6.0 * 64, dtype=np.float32).reshape(6, 64)
    out = np.empty((8, 64) if axis == 0 else (6, 68), np.float32)
    mlc.build(s, target="cuda-emulated")(a, out)
    np.testing.assert_array_equal(
        out, np.pad(a, ((1, 1), (0, 0)) if axis == 0 else ((0, 0), (1, 3)))
    )


@pytest.mark.parametrize("shape", [(64, 64), (33, 7), (5,)])
def test_nests_over_the_same_elements_are_one_kernel(shape):
    a = te.placeholder(shape, "float32", "A")
    twice = te.compute(shape, lambda *i: a[i] * 2, name="twice")
    more = te.compute(shape, lambda *i: twice[i] + 1, name="more")
    both = te.compute(shape, lambda *i: twice[i] * more[i], name="both")
    s = judged(te.create_program([a, more, both], "chain"))
    assert [name for name, _ in threads(s)] == ["blockIdx.x", "threadIdx.x"]
    assert scopes(s) == {"twice": "local"}


def test_nests_that_need_neighbours_are_kernels_of_their_own():
    a = te.placeholder((40,), "float32", "A")
    twice = te.compute((40,), lambda i: a[i] * 2, name="twice")
    turned = te.compute((40,), lambda i: twice[39 - i], name="turned")
    s = judged(te.create_program([a, turned], "chain"))
    assert [name for name, _ in threads(s)].count("blockIdx.x") == 2
    assert scopes(s) == {"twice": "global"}


@pytest.mark.parametrize(("dtype", "count"), [("float32", 2), ("float64", 2), ("int32", 4)])
def test_parts_side_by_side_are_made_by_one_thread(dtype, count):
    """As those of complex numbers are: each lane has its own formula, and one store has all."""
    a, b = (te.placeholder((70,), dtype, name) for name in "ab")

    def part(i, j):
        return te.select(j < 1, a[i] - b[i], a[i] * b[i])

    joined = te.compute((70, count), part, name="joined")
    s = judged(te.create_program([a, b, joined], "joined"), SMALL)
    text = program_device_module(s.program).source
    kind = {"float32": "float2", "float64": "double2", "int32": "int4"}[dtype]
    assert f"*reinterpret_cast<{kind} *>(&joined[" in text and "?" not in text[text.index("{") :]


def test_parts_that_are_read_along_the_lanes_are_not():
    """What is read past the end of one part would be beside the array."""
    a, b = (te.placeholder((70, 2), "float32", name) for name in "ab")
    joined = te.compute(
        (70, 4), lambda i, j: te.select(j < 2, a[i, j % 2], b[i, te.max(j - 2, 0)]), name="joined"
    )
    s = judged(te.create_program([a, b, joined], "joined"), SMALL)
    assert "s.vectorize" not in s.source()
