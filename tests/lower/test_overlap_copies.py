"""Copies that are made while what was copied before is read: the same elements, in turns."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.ir.program import For, LoopKind, Program, Stmt, Store, children_of, walk
from mlc.lower.pipeline import lower
from mlc.schedules.schedule import Schedule


def panels(rows: int, depth: int, columns: int, high: int, wide: int) -> Schedule:
    """A product by tiles of ``high`` rows, whose panels of ``wide`` columns are copied."""

    @T.program
    def product(
        A: T.Buffer((rows, depth)), B: T.Buffer((depth, columns)), C: T.Buffer((rows, columns))
    ):
        P = T.alloc((columns // wide, depth, wide), "float32")
        for p, r, q in T.grid(columns // wide, depth, wide):
            with T.block("P"):
                vp, vr, vq = T.remap("SSS", [p, r, q])
                P[vp, vr, vq] = B[vr, vp * wide + vq]
        for j, i, ii, ji, k in T.grid(columns // wide, -(-rows // high), high, wide, depth):
            with T.block("C"):
                vi = T.axis.spatial(rows, i * high + ii)
                vj = T.axis.spatial(columns, j * wide + ji)
                vk = T.axis.reduce(depth, k)
                T.where(i * high + ii < rows)
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * P[vj // wide, vk, vj % wide]

    s = Schedule(product)
    j, _, ii, ji, k = s.loops("C")
    vectors, lanes = s.split(ji, [None, 4])
    s.reorder(k, ii, vectors, lanes)
    for loop in (ii, vectors):
        s.unroll(loop)
    s.unroll(k, 2)
    s.vectorize(lanes)
    s.compute_at("P", j)
    *_, r, q = s.loops("P")
    vectors, lanes = s.split(q, [None, 4])
    s.unroll(vectors)
    s.vectorize(lanes)
    s.prefetch("P", "B", r, 3)
    return s


def copies(program: Program) -> list[tuple[int, ...]]:
    """The extents of the serial loops around each store of a copy in the lowered program."""
    found: list[tuple[int, ...]] = []

    def look(stmt: Stmt, around: tuple[int, ...]) -> None:
        if isinstance(stmt, For) and stmt.kind is LoopKind.SERIAL:
            around = (*around, stmt.extent)
        if isinstance(stmt, Store) and stmt.buffer.name == "P":
            found.append(around)
        for part in children_of(stmt):
            look(part, around)

    look(lower(program).body, ())
    return found


def check(s: Schedule, rows: int, depth: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    a = rng.integers(-9, 9, (rows, depth)).astype(np.float32)
    b = rng.integers(-9, 9, (depth, columns)).astype(np.float32)
    c = np.zeros((rows, columns), np.float32)
    mlc.build(s.program)(a, b, c)
    np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize(
    ("rows", "depth", "high", "loops"),
    [
        (16, 16, 4, [(3, 2, 8)] * 2),  # two of four tiles: eight rows in each, both lines at once
        (18, 16, 4, [(3, 4, 4, 2)]),  # four, after which comes one of fewer rows
        (12, 24, 4, [(3, 2, 12)] * 2),
    ],
)
def test_lines_are_copied_in_turns_of_what_multiplies(rows, depth, high, loops) -> None:
    s = panels(rows, depth, 24, high, 8)
    s.pipeline(s.loops("C")[0], [0, 1])
    assert copies(s.program) == [*[(depth,)] * 2, *loops], "the first panel, then the others"
    check(s, rows, depth, 24)


def test_what_is_copied_and_what_is_read_are_halves_of_one_buffer() -> None:
    s = panels(16, 16, 24, 4, 8)
    s.pipeline(s.loops("C")[0], [0, 1])
    flat = lower(s.program)
    (double,) = {
        stmt.buffer
        for stmt in walk(flat.body)
        if isinstance(stmt, Store)
        if stmt.buffer.name == "P"
    }
    assert double.shape[0] == 2
    hints = [dict(x.annotations).get("prefetch") for x in walk(flat.body) if isinstance(x, For)]
    assert [h for h in hints if h] == [(("P", "B", 3),)] * 2


def test_turns_that_do_not_come_out_even_leave_the_loop_as_it_is() -> None:
    s = panels(12, 13, 96, 4, 32)
    s.pipeline(s.loops("C")[0], [0, 1])
    assert set(copies(s.program)) == {(3, 13)}
    check(s, 12, 13, 96)


def test_one_panel_has_none_to_copy_early() -> None:
    s = panels(12, 16, 8, 4, 8)
    s.pipeline(s.loops("C")[0], [0, 1])
    assert set(copies(s.program)) == {(16,)}
    check(s, 12, 16, 8)
