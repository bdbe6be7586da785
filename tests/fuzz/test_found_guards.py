"""What random sequences have found around blocks that run for some iterations only."""

from __future__ import annotations

import pytest

import mlc.testing
from mlc import script as T
from mlc.errors import BoundsError, ScheduleError
from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.testing.intrinsics import NAMES

assert "testing_double4" in NAMES


def test_a_block_that_never_runs_is_legal_inside_another() -> None:
    """Its points would clash; those that the guard of the outer block leaves do not."""

    @T.program
    def never(A: T.Buffer((4,)), X: T.Buffer((4,))):
        for i, j in T.grid(4, 4):
            with T.block("X"):
                v0, v1 = T.remap("SS", [i, j])
                T.where(i < i)
                X[0] = A[v0] + T.float32(v1)

    s = Schedule(never)
    s.blockize(s.loops("X")[1])
    mlc.testing.check_schedule(never, s)


@pytest.mark.unproven
def test_a_guard_around_does_not_hide_a_clash() -> None:
    with pytest.raises(ScheduleError, match=r"j=0 and j=1 both write X\[0\]"):

        @T.program
        def clashing(A: T.Buffer((4,)), X: T.Buffer((4,))):
            for i in T.serial(4):
                with T.block("outer"):
                    v0 = T.remap("S", [i])
                    T.where(i < 2)
                    for j in T.serial(4):
                        with T.block("X"):
                            w0, w1 = T.axis.spatial(4, v0), T.axis.spatial(4, j)
                            X[w0] = A[w1]


def counted(step: int, late: int, least: int) -> Program:
    """A sum whose points are ``late`` iterations behind its loops."""

    @T.program
    def summed(A: T.Buffer((12,)), X: T.Buffer((1,))):
        for k, l in T.grid(4, 3):
            with T.block("X"):
                place = k * 3 + l if step == 3 else k + l * step
                vk = T.axis.reduce(12, place - late)
                T.where(place >= least)
                with T.init():
                    X[0] = 0.0
                X[0] += A[vk]

    return summed


@pytest.mark.unproven
def test_an_init_may_begin_where_a_guard_lets_the_block_begin() -> None:
    mlc.testing.check_schedule(counted(3, 2, 2), lambda s: s)
    with pytest.raises(ScheduleError, match="bound to k \\+ l \\* 4 - 2, does not begin there"):
        counted(4, 2, 2)  # k=2, l=0 is its first point, and k=0, l=1 its third, but runs before


def test_compute_at_minds_what_the_loops_that_are_left_write() -> None:
    @T.program(outputs=2)
    def left(A: T.Buffer((3,)), X: T.Buffer((3,)), Y: T.Buffer((3,))):
        for i in T.serial(3):
            with T.block("X"):
                vi = T.axis.spatial(3, i)
                X[vi] = A[vi]
            with T.block("Y"):
                vi = T.axis.spatial(3, i)
                Y[vi] = X[2 - vi]

    s = Schedule(left)
    s.reindex("Y", "Y")
    with pytest.raises(ScheduleError, match=r"i=0 of block 'Y' reads X\[2\], i=2 of") as e:
        s.compute_at("Y", s.loops("Y_reindex")[0])
    assert "whose later iterations write X after it has read it" in str(e.value)


def test_a_guard_that_ties_axes_together_keeps_indices_inside() -> None:
    @T.program
    def summed(A: T.Buffer((4,)), X: T.Buffer((1,))):
        for k0, k1 in T.grid(2, 2):
            with T.block("X"):
                vk = T.axis.reduce(4, k0 * 2 + k1)
                with T.init():
                    X[0] = 0.0
                X[0] += A[vk]

    s = Schedule(summed)
    k0, k1 = s.loops("X")
    s.split(k0, [None, 3])
    s.rfactor(k1)
    mlc.testing.check_schedule(summed, s)


@pytest.mark.unproven
@pytest.mark.parametrize("least, most", [(-1, 4), (3, 5)])
def test_a_guard_that_is_too_wide_does_not(least: int, most: int) -> None:
    message = r"index v0 \* 3 \+ v1 leaves axis 0 of A, which has 4 elements: at v0=1, v1=1 it is 4"
    with pytest.raises(BoundsError, match=message):

        @T.program
        def wide(A: T.Buffer((4,)), X: T.Buffer((2, 3))):
            for i, j in T.grid(2, 3):
                with T.block("X"):
                    v0, v1 = T.remap("SS", [i, j])
                    T.where((i * 3 + j > least) & (i * 3 + j <= most))
                    X[v0, v1] = A[v0 * 3 + v1]


def test_what_is_not_proven_to_be_a_block_must_fit_the_intrinsic_too() -> None:
    @T.program
    def anew(A: T.Buffer((4,)), X: T.Buffer((1,))):
        for i, _k in T.grid(4, 4):
            with T.block("X"):
                vi = T.axis.reduce(4, i)
                with T.init():
                    X[0] = 0.0
                X[0] += A[vi]

    s = Schedule(anew)
    with pytest.raises(ScheduleError, match="initialises what it reduces, while testing_double4"):
        s.tensorize(s.loops("X")[1], "testing_double4")


def test_a_part_of_a_reduction_is_not_done_again() -> None:
    @T.program(outputs=2)
    def partial(A: T.Buffer((3, 4)), X: T.Buffer((3, 4)), Y: T.Buffer((4,))):
        for i in T.serial(3):
            for j in T.serial(4):
                with T.block("Y"):
                    vi, vj = T.remap("RS", [i, j])
                    with T.init():
                        Y[vj] = 0.0
                    Y[vj] += A[vi, vj]
            for k in T.serial(4):
                with T.block("X"):
                    vi, vk = T.remap("SS", [i, k])
                    X[vi, vk] = Y[3 - vk] + Y[vk]

    s = Schedule(partial)
    with pytest.raises(ScheduleError, match="'Y' would combine again what it has combined already"):
        s.compute_at("Y", s.loops("X")[1])


@pytest.mark.unproven
def test_a_reduction_inside_does_not_begin_anew_along_a_reduce_axis() -> None:
    with pytest.raises(ScheduleError, match="v0 is no reduce axis of block 'outer': v0=0 and v0=1"):

        @T.program
        def anew(A: T.Buffer((4, 2)), X: T.Buffer((1,))):
            for i in T.serial(4):
                with T.block("outer"):
                    v0 = T.remap("R", [i])
                    for k in T.serial(2):
                        with T.block("X"):
                            w0, vk = T.axis.spatial(4, v0), T.axis.reduce(2, k)
                            with T.init():
                                X[0] = 0.0
                            X[0] += A[w0, vk]


def test_blockize_says_that_loops_that_count_down_span_points_too() -> None:
    @T.program
    def turned(A: T.Buffer((4,)), X: T.Buffer((4,))):
        for i in T.serial(4):
            with T.block("X"):
                vi = T.axis.spatial(4, 3 - i)
                X[vi] = A[vi]

    s = Schedule(turned)
    _, i_1 = s.split(s.loops("X")[0], [None, 2])
    with pytest.raises(
        ScheduleError, match="over whole tiles: the inner loops span 2 points; split"
    ):
        s.blockize(i_1)


def test_a_block_that_never_runs_is_made_none() -> None:
    """Its axes are bound beyond their range, which nothing says inside of the new block."""

    @T.program
    def cut(Y: T.Buffer((4,)), X: T.Buffer((4, 4))):
        for j, k in T.grid(5, 4):
            with T.block("X"):
                vj, vk = T.axis.spatial(4, j), T.axis.spatial(4, k)
                T.where(j < 4)
                X[vj, vk] = Y[vk]

    s = Schedule(cut)
    s.loop_partition(s.loops("X")[0], [3, 4])
    with pytest.raises(ScheduleError, match=r"'X_2' is bound to .*: the block never runs"):
        s.blockize(s.loops("X_2")[1])
    s.blockize(s.loops("X_1")[1])
    mlc.testing.check_schedule(cut, s)


def test_iterations_around_both_blocks_do_not_help_to_cover() -> None:
    """``X`` writes its row 3 - i in each i; row 0 reads nothing that an iteration of j makes."""

    @T.program
    def rows(Y: T.Buffer((4,)), X: T.Buffer((4,))):
        for i in T.serial(4):
            T1 = T.alloc((4,), "float32")
            for j in T.serial(4):
                with T.block("T1"):
                    vj = T.remap("S", [j])
                    T1[vj] = Y[vj]
            with T.block("X"):
                vi = T.axis.spatial(4, 3 - i)
                X[vi] = T.select(vi > 0, T1[vi - 1], 1.0)

    s = Schedule(rows)
    with pytest.raises(ScheduleError, match="iterations of j may not cover the domain of block"):
        s.reverse_compute_at("X", s.loops("T1")[1])
