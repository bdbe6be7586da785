"""Loops without iterations: nothing of them runs but inits of reductions, which steps must keep."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
import mlc.testing
from mlc import script as T
from mlc.ir.program import For, walk
from mlc.schedules.idle_loops import writes_run


@T.program
def product(A: T.Buffer((6, 0)), B: T.Buffer((0, 8)), C: T.Buffer((6, 8)), D: T.Buffer((6, 8))):
    """D = max(A @ B, 1), and A @ B is 0."""
    for i, j, k in T.grid(6, 8, 0):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]
    for i, j in T.grid(6, 8):
        with T.block("D"):
            vi, vj = T.remap("SS", [i, j])
            D[vi, vj] = T.max(C[vi, vj], 1.0)


def built(s: mlc.Schedule) -> None:
    """The schedule keeps what the program means in every way there is, and so it is when built."""
    mlc.testing.check_schedule(s.original, s)
    c, d = np.full((2, 6, 8), 7, np.float32)
    mlc.build(s)(np.empty((6, 0), np.float32), np.empty((0, 8), np.float32), c, d)
    np.testing.assert_array_equal(c, 0)
    np.testing.assert_array_equal(d, 1)


def test_the_schedule_of_a_product_holds_where_it_sums_nothing() -> None:
    s = mlc.Schedule(product)
    i, j, k = s.loops("C")
    j0, j1 = s.split(j, [None, 4])
    k0, k1 = s.split(k, [None, 2])
    s.reorder(i, j0, k0, k1, j1)
    s.reverse_compute_at("D", j0)
    s.vectorize(j1)
    s.unroll(k1)
    s.decompose_reduction("C", k0)
    s.parallel(i)
    built(s)
    assert [f.extent for f in walk(s.program.body) if isinstance(f, For)][:4] == [6, 2, 4, 0]


def test_reductions_over_nothing_are_factored() -> None:
    s = mlc.Schedule(product)
    _, _, k = s.loops("C")
    k0, _ = s.split(k, [2, None])
    parts = s.rfactor(k0)
    assert s.loops(parts)
    s.parallel(s.loops("C")[0])
    built(s)


def test_init_and_loops_it_is_in_must_stay_apart() -> None:
    s = mlc.Schedule(product)
    _, j, k = s.loops("C")
    with pytest.raises(mlc.ScheduleError) as caught:
        s.fuse(j, k)
    text = str(caught.value)
    assert text.startswith(
        "fuse refused: a reduction over nothing must leave its init, and C[0, 0] would be C[0, 0] "
        "instead of 0.0; take the step on loops that have iterations"
    ), text
    assert s.program is product
    with pytest.raises(mlc.ScheduleError, match=r"k has no iterations, and factors \(2, 3\)"):
        s.split(k, [2, 3])
    s.reorder(k, j)
    with pytest.raises(mlc.ScheduleError, match="must leave its init"):
        s.decompose_reduction("C", j)  # which stands inside k
    built(s)


@T.program
def columns(A: T.Buffer((4,)), B: T.Buffer((1,))):
    """Every i sets B[0]."""
    for _i, k in T.grid(4, 0):
        with T.block("B"):
            vk = T.axis.reduce(1, k)
            with T.init():
                B[0] = 0.0
            B[0] += A[vk]


def test_inits_of_reductions_over_nothing_race() -> None:
    s = mlc.Schedule(columns)
    i, k = s.loops("B")
    with pytest.raises(mlc.ScheduleError) as caught:
        s.parallel(i)
    assert str(caught.value).startswith(
        "parallel refused: iterations of loop i are not independent: i=0 and i=1 both write B[0]"
    ) or "_i=0 and _i=1 both write B[0]" in str(caught.value)
    assert caught.value.refusal is not None
    s.parallel(k)  # of which nothing runs
    mlc.testing.check_schedule(columns, s)


def test_loops_inside_of_one_without_iterations_are_independent() -> None:
    @T.program(outputs=1)
    def inside(A: T.Buffer((4, 3)), B: T.Buffer((4, 3))):
        for k, j, l in T.grid(0, 4, 3):
            with T.block("B"):
                _vk, vj, vl = T.axis.reduce(1, k), T.axis.spatial(4, j), T.axis.spatial(3, l)
                with T.init():
                    B[vj, vl] = 0.0
                B[vj, vl] += A[vj, vl]

    s = mlc.Schedule(inside)
    _, j, l = s.loops("B")
    s.reorder(l, j)  # the init leaves the loop k, and so these
    s.parallel(l)
    mlc.testing.check_schedule(inside, s)


def test_a_block_that_never_runs_does_not_begin_to() -> None:
    @T.program
    def nothing(A: T.Buffer((4,)), X: T.Buffer((4,)), Y: T.Buffer((4,))):
        for _q in T.serial(0):
            for i in T.serial(4):
                with T.block("X"):
                    vi = T.axis.spatial(4, i)
                    X[vi] = A[vi]
        for i in T.serial(4):
            with T.block("Y"):
                vi = T.axis.spatial(4, i)
                Y[vi] = X[vi]

    s = mlc.Schedule(nothing)
    with pytest.raises(mlc.ScheduleError, match=r"Y\[0\] would be Y\[0\] instead of X\[0\]"):
        s.reverse_compute_at("Y", s.loops("X")[1])
    with pytest.raises(mlc.ScheduleError, match=r"loop _?q around block .X. feeds none"):
        s.compute_at("X", s.loops("Y")[0])


def test_a_block_in_loops_of_no_iterations_stays_in_such() -> None:
    """Data decide where Y is read, so that only the loops tell."""

    @T.program(outputs=1)
    def late(I: T.Buffer((4,), "int64"), X: T.Buffer((4,)), Z: T.Buffer((1,))):
        Y = T.alloc((4,))
        for i in T.serial(4):
            with T.block("Y"):
                vi = T.axis.spatial(4, i)
                Y[vi] = X[vi] + 1.0
        for l, m in T.grid(0, 2):
            with T.block("Z"):
                v = T.axis.reduce(1, l * 2 + m)
                with T.init():
                    Z[0] = -1.0
                Z[0] = T.max(Z[0], Y[v] + X[I[v] % 4])

    s = mlc.Schedule(late)
    s.reverse_compute_at("Z", s.loops("Y")[0])
    assert [f.extent for f in walk(s.program.body) if isinstance(f, For)] == [4, 0]
    mlc.testing.check_schedule(late, s)


def test_no_init_where_a_loop_inside_a_block_has_no_iterations() -> None:
    """It would be that of the first iteration, and there is none."""

    @T.program
    def nested(B: T.Buffer((6,)), X: T.Buffer((4,))):
        for i, k, l in T.grid(4, 6, 0):
            with T.block("outer"):
                wi, wk, wl = T.axis.spatial(4, i), T.axis.reduce(6, k), T.axis.spatial(1, l)
                for _m in T.serial(1):
                    with T.block("X"):
                        vi, vk = T.axis.spatial(4, wi), T.axis.reduce(6, wk + wl)
                        with T.init():
                            X[vi] = 0.0
                        X[vi] += B[vk]

    mlc.testing.check_schedule(nested, mlc.Schedule(nested))


def sums(n: int):
    @T.program
    def sums(A: T.Buffer((n, 0)), B: T.Buffer((n,))):
        for i, k in T.grid(n, 0):
            with T.block("B"):
                vi, vk = T.remap("SR", [i, k])
                with T.init():
                    B[vi] = 0.0
                B[vi] += A[vi, vk]

    return sums


def test_too_large_to_run_symbolically() -> None:
    """Then every buffer must still be written as often."""
    large = sums(1_000_000)
    s = mlc.Schedule(large)
    i, k = s.loops("B")
    i0, i1 = s.split(i, [None, 48])
    s.reorder(i0, k, i1)
    s.decompose_reduction("B", k)
    s.parallel(i0)
    assert writes_run(s.program)["B"] == writes_run(large)["B"] == 1_000_000
    s = mlc.Schedule(large)
    with pytest.raises(mlc.NotProvenError, match="B would be written 0 times instead of 1000000"):
        s.fuse(*s.loops("B"))
