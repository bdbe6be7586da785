"""The boxes of elements that blocks touch under their loops."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc.te as te
from mlc.ir.expr import Const, Expr, Var, const, select
from mlc.ir.program import Program, Region
from mlc.ir.rewrite import substitute
from mlc.ir.simplify import simplify
from mlc.schedules.regions import (
    block_reads,
    block_writes,
    buffers_read,
    region_in,
    region_under,
    span_of,
)
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import find_loop
from mlc.te.program import Nest, create_program


def matmul(n: int = 32) -> Program:
    a, b = te.placeholder((n, n), name="A"), te.placeholder((n, n), name="B")
    r = te.reduce_axis(n, "k")
    c = te.compute((n, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return create_program("mm", [Nest((c,), c.op)], [a, b], [c])


def text(region: Region | None) -> str:
    if region is None:
        return "nothing"
    parts = [f"{s!r}+{n}" for s, n in zip(region.starts, region.extents, strict=True)]
    return f"{region.buffer.name}[{', '.join(parts)}]"


def test_boxes_of_a_tiled_product() -> None:
    s = Schedule(matmul())
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, 5])
    j0, j1 = s.split(j, [None, 8])
    s.reorder(i0, j0, k, i1, j1)
    p = s.program
    a, b, c = p.params
    assert text(region_under(p, None, "C", a)) == "A[0+32, 0+32]"
    assert text(region_under(p, i0, "C", a)) == "A[i_0 * 5+5, 0+32]"
    assert text(region_under(p, k, "C", b)) == "B[k+1, j_0 * 8+8]"
    assert text(region_under(p, k, "C", c, "write")) == "C[i_0 * 5+5, j_0 * 8+8]"
    assert region_under(p, k, "C", c, "read") is None
    assert text(region_in(find_loop(p, i1).body, a)) == "A[i_0 * 5 + i_1+1, k+1]"


def test_a_stencil_reads_one_box_of_all_its_points() -> None:
    x = te.placeholder((34,), name="x")
    y = te.compute((32,), lambda i: x[i] + x[i + 2] + x[i + 1], name="y")
    s = Schedule(create_program("f", [Nest((y,), y.op)], [x], [y]))
    (i,) = s.loops("y")
    i0, _ = s.split(i, [None, 8])
    assert text(region_under(s.program, i0, "y", s.program.params[0])) == "x[i_0 * 8+10]"
    assert len(block_reads(s.block("y"))) == 3
    assert [r.buffer.name for r in block_writes(s.block("y"))] == ["y"]


def test_an_index_that_is_data_takes_the_whole_dimension() -> None:
    x, n = te.placeholder((9, 4), name="x"), te.placeholder((4,), "int64", name="n")
    y = te.compute((4,), lambda i: x[n[i], i], name="y")
    program = create_program("f", [Nest((y,), y.op)], [x, n], [y])
    s = Schedule(program)
    (i,) = s.loops("y")
    assert text(region_under(program, i, "y", program.params[0])) == "x[0+9, i+1]"
    assert {b.name for b in buffers_read(s.block("y"))} == {"x", "n"}


@pytest.mark.parametrize("kind", ["read", "write"])
def test_what_is_not_touched_has_no_box(kind: str) -> None:
    p = matmul()
    buffer = p.params[2] if kind == "read" else p.params[0]
    assert region_under(p, None, "C", buffer, kind) is None  # type: ignore[arg-type]


def value(expr: Expr, point: dict[Var, int]) -> int:
    out = simplify(substitute(expr, {v: const(n) for v, n in point.items()}))
    assert isinstance(out, Const), out
    return int(out.value)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_a_span_holds_every_value(data: st.DataObject) -> None:
    outer, inner, other = Var("o"), Var("i"), Var("j")
    extents = {outer: 4, inner: 3, other: 5}
    number = st.integers(-5, 5)

    def draw(depth: int) -> Expr:
        base: Expr = data.draw(st.sampled_from([outer, inner, other]))
        if depth == 0:
            return base * data.draw(number) + data.draw(number)
        left = draw(depth - 1)
        match data.draw(st.sampled_from("+/%<s")):
            case "+":
                return left + draw(depth - 1)
            case "/":
                return left // data.draw(st.integers(1, 7))
            case "%":
                return left % data.draw(st.integers(1, 7))
            case "<":
                return te.minimum(left, draw(depth - 1))
            case _:
                return select(base > 1, left, draw(depth - 1))

    index = draw(2)
    span = span_of(index, {inner: 3, other: 5})
    if span is None:
        return
    for point in itertools.product(*(range(n) for n in extents.values())):
        at = dict(zip(extents, point, strict=True))
        start = value(span[0], at)
        assert start <= value(index, at) < start + span[1]


def test_spans_of_split_indices_are_exact() -> None:
    o, i = Var("o"), Var("i")
    for expr, extents in (((o * 4 + i) // 4, 1), ((o * 8 + i) % 8, 8), (o * 8 + i * 2, 15)):
        span = span_of(expr, {i: 4 if extents == 1 else 8})
        assert span is not None
        assert span[1] == extents
