"""tensorize: what matches an intrinsic, where its operands lie, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc import ScheduleError
from mlc import script as T
from mlc.ir.forms import check_blocks
from mlc.ir.program import Evaluate, Program, Region, walk
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import find_block
from tests.schedules.programs import same_results


@mlc.intrinsic
def tz_mma(A: T.Buffer((4, 3)), B: T.Buffer((3, 4)), C: T.Buffer((4, 4))):
    for i, j, k in T.grid(4, 4, 3):
        C[i, j] += A[i, k] * B[k, j]


@mlc.intrinsic
def tz_zero(C: T.Buffer((4, 4))):
    for i, j in T.grid(4, 4):
        C[i, j] = 0.0


@mlc.intrinsic
def tz_whole(A: T.Buffer((4, 12)), B: T.Buffer((12, 4)), C: T.Buffer((4, 4))):
    for i, j, k in T.grid(4, 4, 12):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


@mlc.intrinsic
def tz_in_accumulator(A: T.Buffer((4, 4)), C: T.Buffer((4, 4), scope="global.tz_acc")):
    for i, j in T.grid(4, 4):
        C[i, j] = A[i, j]


@mlc.intrinsic
def tz_double4(x: T.Buffer((4,)), y: T.Buffer((4,))):
    for i in T.serial(4):
        y[i] = x[i] * 2.0


@T.program
def mm(A: T.Buffer((8, 12)), B: T.Buffer((12, 8)), C: T.Buffer((8, 8))):
    for i, j, k in T.grid(8, 8, 12):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


def tiled(
    program: Program = mm, factors: tuple[int, int, int] = (4, 4, 3)
) -> tuple[Schedule, list]:
    s = mlc.Schedule(program)
    pairs = [s.split(v, [None, f]) for v, f in zip(s.loops("C"), factors, strict=True)]
    outer, inner = [p[0] for p in pairs], [p[1] for p in pairs]
    s.reorder(*outer, *inner)
    return s, [*outer, *inner]


def call_in(program: Program, name: str) -> Evaluate:
    (found,) = [n for n in walk(find_block(program, name)) if isinstance(n, Evaluate)]
    return found


def refused(make: Callable[[], object], *parts: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        make()
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_a_tiled_product() -> None:
    s, loops = tiled()
    outer = s.blockize(loops[3])
    zero = s.decompose_reduction(outer, loops[2])
    assert s.tensorize(outer, "tz_mma") == outer
    s.tensorize(zero, "tz_zero")

    @T.program
    def expected(A: T.Buffer((8, 12)), B: T.Buffer((12, 8)), C: T.Buffer((8, 8))):
        for i, j in T.grid(2, 2):
            with T.block("C_o_init"):
                vi, vj = T.remap("SS", [i, j])
                T.reads()
                T.writes(C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4])
                tz_zero(C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4])
            for k in T.serial(4):
                with T.block("C_o"):
                    vi, vj, vk = T.remap("SSR", [i, j, k])
                    T.reads(
                        A[vi * 4 : vi * 4 + 4, vk * 3 : vk * 3 + 3],
                        B[vk * 3 : vk * 3 + 3, vj * 4 : vj * 4 + 4],
                        C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4],
                    )
                    T.writes(C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4])
                    tz_mma(
                        A[vi * 4 : vi * 4 + 4, vk * 3 : vk * 3 + 3],
                        B[vk * 3 : vk * 3 + 3, vj * 4 : vj * 4 + 4],
                        C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4],
                    )

    mlc.assert_structural_equal(s.program, expected)
    check_blocks(s.program)
    same_results(mm, s.program)


def test_a_loop_is_made_a_block_first() -> None:
    s, loops = tiled()
    s.decompose_reduction("C", loops[2])
    name = s.tensorize(loops[3], "tz_mma")
    assert name.endswith("_o")
    same_results(mm, s.program)


def test_a_meaning_with_an_init_takes_the_init_along() -> None:
    s, loops = tiled(factors=(4, 4, 12))
    s.tensorize(loops[3], "tz_whole")
    same_results(mm, s.program)


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.permutations(range(3)), st.integers(0, 2))
def test_layouts_and_orders(swapped: bool, nest: list[int], where: int) -> None:
    """Operands anywhere in larger buffers, loops in any order, factors in either order."""
    unit = [slice(None), slice(None)]
    unit.insert(where, 1)

    def program() -> Program:
        shape = [8, 12]
        shape.insert(where, 2)

        @T.program
        def packed(A: T.Buffer(tuple(shape)), B: T.Buffer((12, 8)), C: T.Buffer((8, 8))):
            for i, j in T.grid(8, 8):
                with T.block("start"):
                    vi, vj = T.remap("SS", [i, j])
                    C[vi, vj] = 1.0
            for i, j, k in T.grid(8, 8, 12):
                with T.block("C"):
                    vi, vj, vk = T.remap("SSR", [i, j, k])
                    at = [vi, vk]
                    at.insert(where, 1)
                    a, b = A[tuple(at)], B[vk, vj]
                    C[vi, vj] += b * a if swapped else a * b

        return packed

    before = program()
    s, loops = tiled(before)
    s.reorder(*[loops[3 + n] for n in nest])
    s.tensorize(loops[3 + nest[0]], "tz_mma")
    region = call_in(s.program, "C_o").args[0]
    assert isinstance(region, Region)
    assert region.extents[where] == 1
    same_results(before, s.program)


def test_refuses_an_init_inside() -> None:
    s, loops = tiled()
    expected = "block 'C' initialises what it reduces, while tz_mma only accumulates"
    refused(
        lambda: s.tensorize(loops[3], "tz_mma"), expected, "decompose_reduction('C', k_0) first"
    )
    outer = s.blockize(loops[3])
    refused(lambda: s.tensorize(outer, "tz_mma"), "decompose_reduction('C_o', k_0) first")


def test_refuses_other_extents_and_names() -> None:
    s, loops = tiled(factors=(4, 8, 3))
    s.decompose_reduction("C", loops[2])
    refused(
        lambda: s.tensorize(loops[3], "tz_mma"),
        "tz_mma runs over loops (i: 4, j: 4, k: 3), the block over (i_1: 4, j_1: 8, k_1: 3)",
    )
    refused(lambda: s.tensorize(loops[3], "tz_nothing"), "there is no intrinsic 'tz_nothing'")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ["AB", "transposed"])
@pytest.mark.parametrize("combine", ["sum", "max"])
@pytest.mark.parametrize("value", ["a * b", "a + b", "a * a"])
def test_refuses_what_differs(dtype: str, layout: str, combine: str, value: str) -> None:
    @T.program
    def other(
        A: T.Buffer((8, 12), dtype), B: T.Buffer((8, 12) if layout != "AB" else (12, 8), dtype),
        C: T.Buffer((8, 8), dtype),
    ):  # fmt: skip
        for i, j, k in T.grid(8, 8, 12):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                a, b = A[vi, vk], (B[vk, vj] if layout == "AB" else B[vj, vk])
                new = {"a * b": a * b, "a + b": a + b, "a * a": a * a}[value]
                if combine == "sum":
                    C[vi, vj] += new
                else:
                    C[vi, vj] = T.max(C[vi, vj], new)

    s, loops = tiled(other)
    if (dtype, layout, combine, value) == ("float32", "AB", "sum", "a * b"):
        s.tensorize(loops[3], "tz_mma")
        return
    refused(lambda: s.tensorize(loops[3], "tz_mma"), "does not compute what tz_mma means")


def test_the_sentence_names_expected_and_found() -> None:
    @T.program
    def transposed(A: T.Buffer((8, 12)), B: T.Buffer((8, 12)), C: T.Buffer((8, 8))):
        for i, j, k in T.grid(8, 8, 12):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                C[vi, vj] += A[vi, vk] * B[vj, vk]

    s, loops = tiled(transposed)
    refused(
        lambda: s.tensorize(loops[3], "tz_mma"),
        "B has the dimensions of operand B in another order (layout (1, 0) instead of (0, 1)); "
        "transform_layout or cache_read it into the order of tz_mma",
        "expected C[i, j] += A[i, k] * B[k, j]",
        "found    C[vi_o * 4 + i_1, vj_o * 4 + j_1] += A[",
    )


def test_refuses_an_operand_in_the_wrong_memory() -> None:
    @T.program
    def copy(A: T.Buffer((8, 8)), C: T.Buffer((8, 8))):
        for i, j in T.grid(8, 8):
            with T.block("C"):
                vi, vj = T.remap("SS", [i, j])
                C[vi, vj] = A[vi, vj]

    s = mlc.Schedule(copy)
    i, j = s.loops("C")
    i0, i1 = s.split(i, [None, 4])
    j0, j1 = s.split(j, [None, 4])
    s.reorder(i0, j0, i1, j1)
    refused(
        lambda: s.tensorize(i1, "tz_in_accumulator"),
        "operand C of tz_in_accumulator lives in global.tz_acc, but C lives in global; cache_read "
        "or cache_write it with the scope 'global.tz_acc' first",
    )
    s.cache_write("C", 0, "global.tz_acc")
    s.tensorize(i1, "tz_in_accumulator")
    same_results(copy, s.program)


def test_refuses_a_region_that_leaves_its_buffer() -> None:
    """The loops touch every second row only; the operand would be all of them."""

    @mlc.intrinsic
    def tz_rows(x: T.Buffer((7, 4)), y: T.Buffer((4, 4))):
        for i, j in T.grid(4, 4):
            y[i, j] = x[i * 2, j]

    @T.program
    def rows(x: T.Buffer((15, 4)), y: T.Buffer((8, 4))):
        for i0, i1, j in T.grid(2, 4, 4):
            with T.block("y"):
                vi = T.axis.spatial(8, i0 * 4 + i1)
                vj = T.axis.spatial(4, j)
                y[vi, vj] = x[vi * 2, vj]

    s = mlc.Schedule(rows)
    s.tensorize(s.loops("y")[1], "tz_rows")
    same_results(rows, s.program)

    @T.program
    def last_rows(x: T.Buffer((14, 4)), y: T.Buffer((8, 4))):
        for i0, i1, j in T.grid(2, 4, 4):
            with T.block("y"):
                vi = T.axis.spatial(8, i0 * 4 + i1)
                vj = T.axis.spatial(4, j)
                y[vi, vj] = x[T.min(vi * 2, 13), vj]

    s = mlc.Schedule(last_rows)
    refused(lambda: s.tensorize(s.loops("y")[1], "tz_rows"), "does not compute what tz_rows means")


def test_refuses_operands_that_overlap() -> None:
    @T.program
    def shift(x: T.Buffer((12,))):
        for i in T.serial(4):
            with T.block("x"):
                v = T.axis.spatial(4, i)
                x[v + 8] = x[v] * 2.0

    s = mlc.Schedule(shift)
    refused(
        lambda: s.tensorize(s.loops("x")[0], "tz_double4"),
        "operands y and x of tz_double4 would both lie in x, and what is written must not overlap",
    )


def test_refuses_an_order_that_matters() -> None:
    """A loop that writes one element again and again keeps its place."""

    @mlc.intrinsic
    def tz_last(x: T.Buffer((4, 4)), y: T.Buffer((4,))):
        for i, j in T.grid(4, 4):
            y[i] = x[i, j]

    from mlc.ir.expr import Axis, Var
    from mlc.ir.program import Block, Buffer, For, Iter, Store

    x = Buffer("x", (4, 4), mlc.dtypes.float32)
    y = Buffer("y", (4,), mlc.dtypes.float32)
    p, q, one = Var("p"), Var("q"), Var("one")
    body = For(p, 4, For(q, 4, Store(y, (q,), x[q, p])))
    s = mlc.Schedule(
        Program("p", (x, y), For(one, 1, Block("y", (Iter(Axis("v", 1), one),), body)))
    )
    refused(lambda: s.tensorize("y", "tz_last"), "does not compute what tz_last means")


def test_results_are_those_of_native_code() -> None:
    s, loops = tiled()
    outer = s.blockize(loops[3])
    zero = s.decompose_reduction(outer, loops[2])
    s.tensorize(outer, "tz_mma")
    s.tensorize(zero, "tz_zero")
    a = np.arange(96, dtype="float32").reshape(8, 12)
    b = np.arange(96, dtype="float32").reshape(12, 8) % 7
    for target in ("cpu", "interpret", "numpy"):
        c = np.full((8, 8), 9, "float32")
        mlc.build(s.program, target=target)(a, b, c)
        np.testing.assert_array_equal(c, a @ b)
