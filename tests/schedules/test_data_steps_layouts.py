"""Where buffers lie and how blocks count: set_scope, storage_align, and the layouts."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc.te as te
from mlc.errors import ScheduleError
from mlc.ir.expr import Const, Expr, Var, const
from mlc.ir.program import Allocate, Block, Buffer, Program, Scope, Store, blocks_of, seq, walk
from mlc.ir.rewrite import substitute
from mlc.ir.simplify import simplify
from mlc.schedules.index_map import IndexMap, index_map, parsed
from mlc.schedules.schedule import Schedule
from mlc.schedules.steps.transform_block_layout import TransformBlockLayout
from mlc.schedules.steps.transform_layout import TransformLayout

from .data_step_programs import (
    PROGRAMS,
    assert_same,
    buffers,
    matmul,
    matmul_relu,
    nest,
    program_of,
    stencil,
    transposition,
)


def allocated(program: Program) -> dict[str, Buffer]:
    return {b.name: b for n in walk(program.body) if isinstance(n, Allocate) for b in n.buffers}


# ---- set_scope and storage_align


def test_set_scope_of_a_block_and_of_a_buffer() -> None:
    before = stencil()
    s = Schedule(before)
    s.set_scope("B", "shared")
    assert allocated(s.program)["B"].scope is Scope.SHARED
    s.set_scope(allocated(s.program)["B"], "global.tile")
    assert allocated(s.program)["B"].scope is Scope("global.tile")
    assert_same(before, s.program)


def test_set_scope_refuses_parameters() -> None:
    s = Schedule(stencil())
    with pytest.raises(ScheduleError, match=r"A is a parameter of 'f'.*use s.cache_read or"):
        s.set_scope(s.program.params[0], "local")
    with pytest.raises(ScheduleError, match="'no memory' names no memory"):
        s.set_scope("B", "no memory")


def test_storage_align_changes_the_strides() -> None:
    before = transposition()
    s = Schedule(before)
    s.storage_align("T", 0, axis=0, factor=32, offset=1)
    assert allocated(s.program)["T"].strides == (33, 1)
    assert_same(before, s.program)
    s.storage_align("T", 0, axis=0, factor=1)
    assert allocated(s.program)["T"].strides == (33, 1)


def test_storage_align_moves_the_axes_outside_along() -> None:
    x = te.placeholder((2, 3, 4), name="X")
    t = te.compute((2, 3, 4), lambda i, j, k: x[i, j, k], name="T")
    y = te.compute((2, 3, 4), lambda i, j, k: t[i, j, k] + 1.0, name="Y")
    before = program_of(t, y, inputs=[x])
    s = Schedule(before)
    s.storage_align("T", 0, axis=1, factor=8)
    assert allocated(s.program)["T"].strides == (24, 8, 1)
    s.storage_align("T", 0, axis=0, factor=32)
    assert allocated(s.program)["T"].strides == (32, 8, 1)
    assert_same(before, s.program)
    with pytest.raises(ScheduleError, match="axis 0 of T is aligned already and would move"):
        s.storage_align("T", 0, axis=1, factor=16)


def test_storage_align_says_what_does_not_fit() -> None:
    s = Schedule(transposition())
    with pytest.raises(ScheduleError, match="has axes 0 to 1; there is no axis 2"):
        s.storage_align("T", 0, 2, 8)
    with pytest.raises(ScheduleError, match="0 <= offset < factor, got offset 8, factor 8"):
        s.storage_align("T", 0, 0, 8, 8)
    with pytest.raises(ScheduleError, match="Y is a parameter"):
        s.storage_align("Y", 0, 0, 8)


# ---- index maps


@pytest.mark.parametrize(
    "text",
    [
        "lambda i, j: (i // 16, j, i % 16)",
        "lambda i: (i,)",
        "lambda a, b: (b, a * 3 + 1)",
        "lambda i, j: (-i + 7, (i + j) % 4)",
    ],
)
def test_maps_print_as_they_are_written(text: str) -> None:
    assert parsed(text).text == text
    again = index_map(eval(text), len(parsed(text).params))
    assert again.text == text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("__import__('os')", "written as a lambda"),
        ("lambda i: __import__('os')", 'has "__import__'),
        ("lambda i: (i.real,)", "has 'i.real'"),
        ("lambda i: (j,)", "has 'j'"),
        ("lambda i: (i ** 2,)", r"has 'i \*\* 2'"),
        ("lambda i: (True,)", "has 'True'"),
        ("lambda i:", "written as a lambda"),
        ("lambda *i: (i,)", "written as a lambda"),
        ("lambda i, j: (i,)", "must take an index for each axis, which are 1, and takes 2"),
    ],
)
def test_texts_are_read_and_never_run(text: str, match: str) -> None:
    with pytest.raises(ScheduleError, match=match):
        index_map(text, 1)


def test_functions_that_are_no_maps() -> None:
    with pytest.raises(ScheduleError, match="an index map is made of sums"):
        index_map(lambda i: (te.select(i > 1, i, 0),), 1)
    with pytest.raises(ScheduleError, match="which are 1, and takes 2"):
        index_map(lambda i, j: (i, j), 1)
    assert index_map(lambda *i: tuple(reversed(i)), 2).text == "lambda i0, i1: (i1, i0)"


@st.composite
def maps(draw: st.DrawFn) -> tuple[IndexMap, tuple[int, ...]]:
    """A change of digits of two indices: split, permuted, joined again."""
    extents = (draw(st.integers(1, 12)), draw(st.integers(1, 9)))
    i, j = Var("i"), Var("j")
    digits: list[tuple[Expr, int]] = []
    for var, extent in ((i, extents[0]), (j, extents[1])):
        factor = draw(st.integers(1, 5))
        if factor > 1:
            digits += [(var // factor, -(-extent // factor)), (var % factor, factor)]
        else:
            digits.append((var, extent))
    digits = list(draw(st.permutations(digits)))
    if draw(st.booleans()) and len(digits) > 1:
        (a, _), (b, n), *rest = digits
        digits = [(a * n + b, 0), *rest]
    return IndexMap((i, j), tuple(e for e, _ in digits)), extents


@settings(max_examples=80, deadline=None, derandomize=True)
@given(maps())
def test_inverses_lead_back(drawn: tuple[IndexMap, tuple[int, ...]]) -> None:
    mapping, extents = drawn
    assert parsed(mapping.text).text == mapping.text
    assert mapping.collision(extents) is None
    images = [Var(f"o{n}") for n in range(len(mapping.results))]
    back = mapping.inverse(extents, images)
    assert back is not None
    for point in np.ndindex(*extents):
        at = mapping([const(n) for n in point])
        found = [simplify(substitute(b, dict(zip(images, at, strict=True)))) for b in back]
        assert all(isinstance(f, Const) for f in found)
        assert tuple(f.value for f in found) == point  # type: ignore[attr-defined]


def test_collisions_are_found() -> None:
    mapping = parsed("lambda i, j: (i + j,)")
    assert mapping.inverse((3, 4), mapping.results) is None
    assert mapping.collision((3, 4)) == ((0, 1), (1, 0))


# ---- transform_layout


def test_a_buffer_in_blocks() -> None:
    before = matmul_relu()
    s = Schedule(before)
    made = s.transform_layout("Y", "Y", lambda i, j: (i // 2, j // 4, i % 2, j % 4))
    assert made is None
    assert allocated(s.program)["Y"].shape == (3, 2, 2, 4)
    assert "Y[vi // 2, vj // 4, vi % 2, vj % 4] += A[vi, vk] * B[vk, vj]" in s.program.script()
    assert_same(before, s.program)
    assert "s.transform_layout(None, 'Y', lambda i, j: (i // 2, j // 4, i % 2, j % 4))" in str(s)


def test_padding_is_filled() -> None:
    before = matmul_relu()
    s = Schedule(before)
    with pytest.raises(ScheduleError, match=r"makes 64 elements of 48: give pad_value"):
        s.transform_layout("Y", "Y", lambda i, j: (i // 4, j, i % 4))
    assert s.transform_layout("Y", 0, lambda i, j: (i // 4, j, i % 4), pad_value=0.0) == "Y_pad"
    assert "T.where(~(ax0 * 4 + ax2 < 6))" in s.program.script()
    assert_same(before, s.program)


def test_maps_that_join_two_elements_are_refused() -> None:
    s = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match=r"not injective: Y\[0, 1\] and Y\[1, 0\] would be one"):
        s.transform_layout("Y", "Y", lambda i, j: (i + j,), pad_value=0.0)
    with pytest.raises(ScheduleError, match=r"goes from -5"):
        s.transform_layout("Y", "Y", lambda i, j: (-i, j))
    with pytest.raises(ScheduleError, match=r"pad_value=0.5 is no"):
        t = Schedule(integers())
        t.transform_layout("T", "T", lambda i: (i // 4, i % 4), pad_value=0.5)


def integers() -> Program:
    x = te.placeholder((6,), "int32", name="X")
    t = te.compute((6,), lambda i: x[i], name="T")
    y = te.compute((6,), lambda i: t[5 - i], name="Y")
    return program_of(t, y, inputs=[x])


def test_an_odd_map_that_is_injective_is_taken() -> None:
    before = integers()
    s = Schedule(before)
    s.transform_layout(None, "T", "lambda i: (i * 2 + 1,)", pad_value=7)
    assert allocated(s.program)["T"].shape == (12,)
    assert_same(before, s.program)


def test_layouts_of_parameters_are_refused() -> None:
    s = Schedule(matmul())
    with pytest.raises(
        ScheduleError, match=r"A is a parameter .* use s.cache_read or s.cache_write"
    ):
        s.transform_layout("C", "A", lambda i, j: (j, i))
    name = s.cache_read("C", "A", "global")
    s.transform_layout(name, "A_global", lambda i, j: (j, i))
    assert allocated(s.program)["A_global"].shape == (4, 5)
    assert_same(matmul(), s.program)


# ---- transform_block_layout


def test_a_block_in_one_loop() -> None:
    before = transposition()
    s = Schedule(before)
    (loop,) = s.transform_block_layout("T", lambda i, j: (i * 4 + j,))
    assert s.loops("T") == (loop,)
    assert "T_1[vi_j // 4, vi_j % 4] = X[vi_j % 4, vi_j // 4]" in s.program.script()
    assert_same(before, s.program)


def test_a_reduction_in_tiles() -> None:
    before = matmul(m=6)
    s = Schedule(before)
    loops = s.transform_block_layout("C", lambda i, j, k: (i // 2, k // 2, j, i % 2, k % 2))
    assert [a.axis.is_reduce for a in s.block("C").iters] == [False, True, False, False, True]
    assert len(loops) == 5
    assert_same(before, s.program)
    with pytest.raises(ScheduleError, match="makes 8 points of 6; choose factors that divide"):
        Schedule(stencil_of(6)).transform_block_layout("C", lambda i: (i // 4, i % 4))


def stencil_of(n: int) -> Program:
    a = te.placeholder((n + 1,), name="A")
    return program_of(te.compute((n,), lambda i: a[i] + a[i + 1], name="C"), inputs=[a])


def test_blocks_whose_points_depend_on_each_other_keep_their_order() -> None:
    (a,) = buffers(("A", (9, 9)))
    body = nest("A", (8, 8), lambda i, j: Store(a, (i + 1, j), a[i, j + 1] * 2.0))
    before = Program("f", (a,), body)
    s = Schedule(before)
    with pytest.raises(ScheduleError) as caught:
        s.transform_block_layout("A", lambda i, j: (j, i))
    assert "would run in another order, and they depend on each other: i0=" in str(caught.value)
    assert "choose a map that keeps the order" in str(caught.value)
    s.transform_block_layout("A", lambda i, j: (i // 2, i % 2, j))
    assert_same(before, s.program, defined=False)


def test_axes_are_spatial_or_reduced() -> None:
    s = Schedule(matmul())
    with pytest.raises(ScheduleError, match="joins spatial and reduce axes of block 'C'"):
        s.transform_block_layout("C", lambda i, j, k: (i, j * 4 + k))
    with pytest.raises(ScheduleError, match=r"the points \(0, 1, 0\) and \(1, 0, 0\) of block 'C'"):
        s.transform_block_layout("C", lambda i, j, k: (i + j, k))
    s.split(s.loops("C")[0], [None, 5])
    with pytest.raises(ScheduleError, match="are not just one for each of its axes"):
        s.transform_block_layout("C", lambda i, j, k: (j, i, k))


REASONS = ("parameter", "just one for each", "aligned already", "not shown", "factors that divide")


@pytest.mark.parametrize("name", PROGRAMS)
def test_layouts_keep_the_meaning(name: str) -> None:
    rng = random.Random(name)

    def mapping(arity: int) -> str:
        names = [f"i{n}" for n in range(arity)]
        parts: list[str] = []
        for one in names:
            factor = rng.choice([1, 2, 3, 4])
            parts += [one] if factor == 1 else [f"{one} // {factor}", f"{one} % {factor}"]
        rng.shuffle(parts)
        return f"lambda {', '.join(names)}: ({', '.join(parts)},)"

    taken = 0
    for _ in range(10):
        before = PROGRAMS[name]()
        s = Schedule(before)
        for _ in range(3):
            block: Block = rng.choice(blocks_of(s.program.body))
            try:
                match rng.choice(["layout", "block", "cache", "align"]):
                    case "cache":
                        s.cache_write(block, 0, "local")
                    case "align":
                        s.storage_align(block, 0, 0, 8, 3)
                    case "block":
                        s.transform_block_layout(block, mapping(len(block.iters)))
                    case _:
                        key = rng.choice(list(allocated(s.program)) or [s.program.params[0].name])
                        count = next(
                            b.ndim
                            for b in (*s.program.params, *allocated(s.program).values())
                            if b.name == key
                        )
                        s.transform_layout(None, key, mapping(count), pad_value=0)
                taken += 1
            except ScheduleError as refused:
                assert any(
                    why in str(refused)
                    for why in (
                        "parameter",
                        "just one for",
                        "aligned already",
                        "not shown",
                        "that divide",
                    )
                ), refused
        # A cache of a padded buffer copies padding that nothing reads, written or not.
        assert_same(before, s.program, defined=False)
    assert taken > 6


def test_steps_on_one_of_two_buffers_of_one_name() -> None:
    a, b = buffers(("A", (4,)), ("B", (4,)))
    t, u = buffers(("T", (4,)), ("T", (4,)))
    one = Allocate(
        (t,),
        seq(
            nest("t", (4,), lambda i: Store(t, (i,), a[i])),
            nest("c", (4,), lambda i: Store(b, (i,), t[i])),
        ),
    )
    two = Allocate(
        (u,),
        seq(
            nest("u", (4,), lambda i: Store(u, (i,), b[i])),
            nest("d", (4,), lambda i: Store(b, (i,), u[i] + a[i])),
        ),
    )
    before = Program("f", (a, b), seq(one, two))
    s = Schedule(before)
    s.set_scope("u", "shared")
    scopes = [x.scope for n in walk(s.program.body) if isinstance(n, Allocate) for x in n.buffers]
    assert scopes == [Scope.GLOBAL, Scope.SHARED]
    s.set_scope("T#1", "local")
    assert_same(before, s.program)


def test_what_is_refused_can_be_taken_unsafe() -> None:
    (a,) = buffers(("A", (9, 9)))
    body = nest("A", (8, 8), lambda i, j: Store(a, (i + 1, j), a[i, j + 1] * 2.0))
    s = Schedule(Program("f", (a,), body))
    s.take(TransformBlockLayout("A", "lambda i, j: (j, i)"), unsafe=True)
    t = Schedule(matmul_relu())
    t.take(TransformLayout("Y", "lambda i, j: (i + j,)", 0.0), unsafe=True)
    assert [len(x.program.attrs["unsafe"]) for x in (s, t)] == [1, 1]
    for before, after in ((Program("f", (a,), body), s.program), (matmul_relu(), t.program)):
        with pytest.raises(AssertionError):
            assert_same(before, after, defined=False)
