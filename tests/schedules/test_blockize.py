"""blockize: what it makes of a loop nest, and where it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import mlc
from mlc import ScheduleError
from mlc import script as T
from mlc.ir.program import Block, Program
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import find_block
from tests.schedules.programs import same_results


@T.program
def mm(A: T.Buffer((8, 12)), B: T.Buffer((12, 8)), C: T.Buffer((8, 8))):
    for i, j, k in T.grid(8, 8, 12):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


def tiled(program: Program = mm) -> tuple[Schedule, list[object]]:
    s = mlc.Schedule(program)
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, 4])
    j0, j1 = s.split(j, [None, 4])
    k0, k1 = s.split(k, [None, 3])
    s.reorder(i0, j0, k0, i1, j1, k1)
    return s, [i0, j0, k0, i1, j1, k1]


def test_the_init_goes_to_the_outer_block() -> None:
    s, loops = tiled()
    assert s.blockize(loops[3]) == "C_o"

    @T.program
    def expected(A: T.Buffer((8, 12)), B: T.Buffer((12, 8)), C: T.Buffer((8, 8))):
        for i0, j0, k0 in T.grid(2, 2, 4):
            with T.block("C_o"):
                vio, vjo, vko = T.remap("SSR", [i0, j0, k0])
                with T.init():
                    for i1, j1 in T.grid(4, 4):
                        with T.block("C_init"):
                            vi = T.axis.spatial(8, vio * 4 + i1)
                            vj = T.axis.spatial(8, vjo * 4 + j1)
                            C[vi, vj] = 0.0
                for i1, j1, k1 in T.grid(4, 4, 3):
                    with T.block("C"):
                        vi = T.axis.spatial(8, vio * 4 + i1)
                        vj = T.axis.spatial(8, vjo * 4 + j1)
                        vk = T.axis.reduce(12, vko * 3 + k1)
                        C[vi, vj] += A[vi, vk] * B[vk, vj]

    mlc.assert_structural_equal(s.program, expected)
    same_results(mm, s.program)


@pytest.mark.parametrize("at", range(6))
def test_every_loop_can_be_the_border(at: int) -> None:
    s, loops = tiled()
    s.blockize(loops[at])
    same_results(mm, s.program)


def test_the_init_stays_where_the_whole_reduction_is_inside() -> None:
    s = mlc.Schedule(mm)
    _, j, _ = s.loops("C")
    s.blockize(j)
    inner = find_block(s.program, "C")
    assert inner.init is not None
    assert find_block(s.program, "C_o").init is None
    same_results(mm, s.program)


def test_a_blockized_block_can_be_blockized() -> None:
    s, loops = tiled()
    inner = s.blockize(loops[3])
    outer = s.blockize(loops[1])
    assert (inner, outer) == ("C_o", "C_o_o")
    assert isinstance(find_block(s.program, "C_o_o").body, type(s.program.body))
    same_results(mm, s.program)


def test_inner_blocks_take_no_part_in_outer_names() -> None:
    s, loops = tiled()
    s.blockize(loops[3])
    names = [b.name for b in s.blocks("*")]
    assert len(names) == len(set(names)) == 3
    assert all(isinstance(find_block(s.program, n), Block) for n in names)


def refused(make: Callable[[], object], *parts: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        make()
    for part in parts:
        assert part in str(caught.value)


def test_refuses_a_predicate_that_cuts() -> None:
    s = mlc.Schedule(mm)
    i, _, _ = s.loops("C")
    _, i1 = s.split(i, [None, 3])
    refused(
        lambda: s.blockize(i1),
        "the condition i_0 * 3 + i_1 < 8 of block 'C' cuts through the new block: it holds for "
        "some values of i_1 only; split by a factor that divides the extent",
    )


def test_a_predicate_of_outer_loops_goes_to_the_outer_block() -> None:
    @T.program
    def guarded(x: T.Buffer((8,)), y: T.Buffer((8,))):
        for i, j in T.grid(3, 4):
            with T.block("y"):
                v = T.axis.spatial(8, i * 4 + j)
                T.where(i < 2)
                y[v] = x[v] * 2.0

    s = mlc.Schedule(guarded)
    _, j = s.loops("y")
    s.blockize(j)
    assert find_block(s.program, "y_o").predicate is not None
    assert find_block(s.program, "y").predicate is None
    same_results(guarded, s.program)


def test_refuses_what_does_not_part() -> None:
    s = mlc.Schedule(mm)
    i, j, _ = s.loops("C")
    fused = s.fuse(i, j)
    _, f1 = s.split(fused, [None, 4])
    refused(lambda: s.blockize(f1), "axis vi of block 'C' is bound to", "is no sum of loops")
    s.undo()
    s.undo()
    i0, i1 = s.split(i, [4, 2])
    s.reorder(i1, i0)
    refused(
        lambda: s.blockize(i0),
        "is not outer * size + inner over whole tiles: the inner loops span 7 points, which does "
        "not divide 1",
    )


def test_refuses_two_blocks() -> None:
    @T.program
    def two(x: T.Buffer((8,)), y: T.Buffer((8,)), z: T.Buffer((8,))):
        for i in T.serial(8):
            with T.block("y"):
                v = T.axis.spatial(8, i)
                y[v] = x[v] * 2.0
            with T.block("z"):
                v = T.axis.spatial(8, i)
                z[v] = y[v] + 1.0

    s = mlc.Schedule(two)
    (i,) = s.loops("y")
    refused(lambda: s.blockize(i), "loop i does not hold one block in perfectly nested loops")


def test_refuses_an_init_that_would_overtake_a_read() -> None:
    from mlc.dtypes import float32
    from mlc.ir.combiner import reducer
    from mlc.ir.expr import Axis, Var, const
    from mlc.ir.program import Accumulate, Buffer, For, Iter, Store

    x, y = Buffer("x", (4, 4), float32), Buffer("y", (4,), float32)
    i, k = Var("i"), Var("k")
    vi, vk = Axis("vi", 4), Axis("vk", 4, True)
    start = Store(y, (vi,), const(0.0, float32))
    update = Accumulate(reducer("sum", float32), (y,), (vi,), (x[vi, vk] + y[vk],))
    block = Block("y", (Iter(vi, i), Iter(vk, k)), update, start)
    s = mlc.Schedule(Program("p", (x, y), For(k, 4, For(i, 4, block))))
    refused(lambda: s.blockize(i), "block 'y' reads y[vk] of the buffer that its init sets")
