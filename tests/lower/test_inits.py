"""Where the init of a reduction runs once blocks are gone."""

from __future__ import annotations

import pytest

from mlc import script as T
from mlc.ir.program import Program
from mlc.lower.bind_blocks import bind_blocks
from mlc.schedules.legality import Same, same_meaning
from mlc.schedules.schedule import Schedule
from mlc.testing import check_schedule


@T.program
def updated_before(X: T.Buffer((1,))):
    """Another block updates the element first; the init throws that away."""
    for _o in T.serial(1):
        with T.block("B1"):
            v = T.axis.reduce(1, _o)
            X[0] += T.float32(v) + 1.0
        with T.block("B2"):
            v = T.axis.reduce(1, _o)
            with T.init():
                X[0] = 0.0
            X[0] += T.float32(v) + 1.0


@T.program
def read_before(A: T.Buffer((4,)), Y: T.Buffer((4,)), X: T.Buffer((1,))):
    """Another block reads what was there before the init."""
    for i in T.serial(4):
        with T.block("Y"):
            vi = T.axis.spatial(4, i)
            Y[vi] = X[0] + 1.0
        with T.block("X"):
            vi = T.axis.reduce(4, i)
            with T.init():
                X[0] = 0.0
            X[0] += A[vi]


@T.program
def reads_its_own(A: T.Buffer((4, 3)), X: T.Buffer((3,))):
    """Each point reads the sums of others, which begin later."""
    for k, i in T.grid(4, 3):
        with T.block("X"):
            vk, vi = T.remap("RS", [k, i])
            with T.init():
                X[vi] = 0.0
            X[vi] += X[2 - vi] + A[vk, vi]


@T.program
def begun_anew(A: T.Buffer((4,)), X: T.Buffer((1,))):
    """The loop j feeds no axis: each of its iterations begins anew."""
    for i, _j in T.grid(4, 2):
        with T.block("X"):
            vi = T.axis.reduce(4, i)
            with T.init():
                X[0] = 0.0
            X[0] += A[vi]


@T.program
def counted_in_one(A: T.Buffer((5,)), X: T.Buffer((1,))):
    """A loop counts the reduction three times over."""
    for i in T.serial(15):
        with T.block("X"):
            vi = T.axis.reduce(5, i % 5)
            with T.init():
                X[0] = 0.0
            X[0] += A[vi]


@T.program
def over_nothing(A: T.Buffer((5,)), X: T.Buffer((3,))):
    """A reduction over nothing leaves its init, in memory that is there."""
    for _o in T.serial(2):
        U = T.alloc((3,), "float32")
        for n, i in T.grid(0, 3):
            with T.block("X"):
                vn = T.axis.reduce(1, n)
                vi = T.axis.spatial(3, i)
                with T.init():
                    X[vi] = 0.0
                X[vi] += A[vn]
            with T.block("U"):
                vi = T.axis.spatial(3, i)
                U[vi] = 1.0


@T.program
def done_twice(A: T.Buffer((3,)), X: T.Buffer((3,))):
    """The middle point is done twice, and begins anew each time."""
    for n in T.serial(1):
        for q, r in T.grid(2, 2):
            with T.block("X"):
                vn = T.axis.reduce(1, n)
                vq = T.axis.spatial(3, T.min(q * 2, 1) + r)
                with T.init():
                    X[vq] = 0.0
                X[vq] += A[vn]


@T.program
def fused_with_another(A: T.Buffer((3,)), X: T.Buffer((2,))):
    """The loop lm comes to each point three times, and begins anew each time."""
    for k, lm in T.grid(2, 6):
        with T.block("X"):
            vk = T.axis.reduce(2, k)
            vm = T.axis.spatial(2, lm % 2)
            with T.init():
                X[vm] = 0.0
            X[vm] += A[vk]


@T.program
def tiles_that_overlap(A: T.Buffer((8, 5)), X: T.Buffer((8,))):
    """Tiles share elements, the last one is guarded: what they share begins anew in each."""
    for k, i0, i1 in T.grid(5, 4, 4):
        with T.block("X"):
            vi = T.axis.spatial(8, i0 * 2 + i1)
            vk = T.axis.reduce(5, k)
            T.where(i0 * 2 + i1 < 8)
            with T.init():
                X[vi] = 0.0
            X[vi] += A[vi, vk]


@T.program
def tiles_of_a_few(A: T.Buffer((32, 5)), X: T.Buffer((32,))):
    """Tiles that overlap, in fewer iterations than there are elements."""
    for k, i0, i1 in T.grid(5, 3, 4):
        with T.block("X"):
            vi = T.axis.spatial(32, i0 * 2 + i1, part=True)
            vk = T.axis.reduce(5, k)
            with T.init():
                X[vi] = 0.0
            X[vi] += A[vi, vk]


@T.program
def memory_of_one_iteration(A: T.Buffer((4, 3)), X: T.Buffer((4,))):
    """What the init writes is made anew in each iteration of the loop that reduces."""
    for k in T.serial(4):
        U = T.alloc((3,), "float32")
        for i in T.serial(3):
            with T.block("U"):
                vk, vi = T.remap("RS", [k, i])
                with T.init():
                    U[vi] = 0.0
                U[vi] += A[vk, vi]
        with T.block("X"):
            vk = T.axis.spatial(4, k)
            with T.when(vk == 0):
                X[vk] = U[0] + U[2]


@T.program
def memory_that_nobody_reads(A: T.Buffer((4, 3)), X: T.Buffer((4,))):
    """The init has nowhere to write before the loop."""
    for k in T.serial(4):
        U = T.alloc((3,), "float32")
        for i in T.serial(3):
            with T.block("U"):
                vk, vi = T.remap("RS", [k, i])
                with T.init():
                    U[vi] = 0.0
                U[vi] += A[vk, vi]
        with T.block("X"):
            vk = T.axis.spatial(4, k)
            X[vk] = 1.0


@T.program
def begins_from_its_neighbour(A: T.Buffer((4, 3)), X: T.Buffer((4,))):
    """Each element begins from one that has its first term already."""
    for k, i in T.grid(4, 3):
        with T.block("X"):
            vk, vi = T.remap("RS", [k, i])
            with T.init():
                X[vi + 1] = X[vi]
            X[vi + 1] += A[vk, vi]


PROGRAMS = [
    updated_before,
    read_before,
    reads_its_own,
    begun_anew,
    counted_in_one,
    over_nothing,
    done_twice,
    fused_with_another,
    tiles_that_overlap,
    tiles_of_a_few,
    memory_of_one_iteration,
    memory_that_nobody_reads,
    begins_from_its_neighbour,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_an_init_runs_where_its_block_says(program: Program) -> None:
    assert same_meaning(program, bind_blocks(program)) == Same()
    check_schedule(program, Schedule(program), ways=("lowered", "llvm", "numpy"))


def test_an_init_still_leaves_its_loop_where_nothing_stands_in_the_way() -> None:
    @T.program
    def plain(A: T.Buffer((4, 3)), X: T.Buffer((3,))):
        for k, i in T.grid(4, 3):
            with T.block("X"):
                vk, vi = T.remap("RS", [k, i])
                with T.init():
                    X[vi] = 0.0
                X[vi] += A[vk, vi]

    first, second = bind_blocks(plain).body.stmts  # type: ignore[union-attr]
    assert first.extent == 3 and second.extent == 4
