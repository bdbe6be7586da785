"""Memory shrinks to what one iteration touches, but not where iterations hand values on."""

from __future__ import annotations

import numpy as np

from mlc.dtypes import float32
from mlc.ir.expr import Expr, Var, const, load
from mlc.ir.interpret import interpret
from mlc.ir.program import (
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
    walk,
)
from mlc.lower.bind_blocks import bind_blocks
from mlc.lower.compact_buffers import compact_buffers
from mlc.schedules.schedule import Schedule
from tests.ir.samples import mm_relu
from tests.schedules.programs import same_results
from tests.schedules.test_compute_location import stencil
from tests.schedules.test_compute_location_rfactor import argmax


def allocations(program: Program) -> list[tuple[int, ...]]:
    return [b.shape for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers]


def test_a_tile_of_a_product() -> None:
    before = mm_relu(5, 10, 4)
    s = Schedule(before)
    _, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, 4])
    s.reorder(j0, k, j1)
    s.reverse_compute_at("C", j0)
    s.decompose_reduction("Y", k)
    small = compact_buffers(bind_blocks(s.program))
    assert allocations(small) == [(1, 4)]
    assert isinstance(small.body, For) and isinstance(small.body.body, For)
    assert isinstance(small.body.body.body, Allocate)
    same_results(before, s.program)


def test_boxes_that_overlap() -> None:
    s = Schedule(stencil())
    i0, _ = s.split(s.loops("q")[0], [None, 4])
    s.compute_at("p", i0)
    assert allocations(compact_buffers(bind_blocks(s.program))) == [(6,)]


def test_buffers_that_are_combined_together_stay_alike() -> None:
    before = argmax()
    s = Schedule(before)
    _, k = s.loops("best")
    k0, _ = s.split(k, [2, 5])
    s.rfactor(k0)
    s.compute_at("best_rf", s.loops("best")[0])
    small = compact_buffers(bind_blocks(s.program))
    assert allocations(small) == [(2, 1), (2, 1)]
    same_results(before, s.program)


def hand_written(body: Stmt, *params: Buffer) -> Program:
    return Program("f", params, body)


def test_values_that_pass_from_one_iteration_to_the_next_stay() -> None:
    A, C = Buffer("A", (6,), float32), Buffer("C", (6,), float32)
    T = Buffer("T", (7,), float32, scope=Scope.STACK)
    i = Var("i")
    first = If(i < 1, Store(T, (i,), const(0, float32)))
    rest = seq(first, Store(T, (i + 1,), T[i] + A[i]), Store(C, (i,), T[i + 1]))
    program = hand_written(Allocate((T,), For(i, 6, rest)), A, C)
    assert compact_buffers(program) is program


def test_values_that_pass_around_an_outer_loop_stay() -> None:
    A, C = Buffer("A", (6,), float32), Buffer("C", (6,), float32)
    T = Buffer("T", (6,), float32, scope=Scope.STACK)
    r, i = Var("r"), Var("i")
    first = If(r < 1, Store(T, (i,), A[i]), Store(T, (i,), T[i] * 2))
    body = For(r, 3, For(i, 6, seq(first, Store(C, (i,), T[i]))))
    program = hand_written(Allocate((T,), body), A, C)
    assert compact_buffers(program) is program


def test_memory_moves_into_parallel_loops_but_not_into_lanes() -> None:
    A, C = Buffer("A", (6, 8), float32), Buffer("C", (6, 8), float32)
    for kind, shape in ((LoopKind.SERIAL, (1, 1)), (LoopKind.VECTORIZED, (1, 8))):
        T = Buffer("T", (6, 8), float32, scope=Scope.STACK)
        i, j = Var("i"), Var("j")
        rest = seq(Store(T, (i, j), A[i, j] * 2), Store(C, (i, j), T[i, j]))
        body = For(i, 6, For(j, 8, rest, kind), LoopKind.PARALLEL)
        small = compact_buffers(hand_written(Allocate((T,), body), A, C))
        assert allocations(small) == [shape]


def test_what_is_made_small_computes_the_same() -> None:
    import numpy as np

    A, C = Buffer("A", (4, 6), float32), Buffer("C", (4, 6), float32)
    T = Buffer("T", (4, 9), float32, scope=Scope.STACK)
    i, j, k = Var("i"), Var("j"), Var("k")
    fill = For(j, 6, Store(T, (3 - i, j + 2), A[i, j] + 1))
    drain = For(k, 6, Store(C, (i, k), T[3 - i, 7 - k]))
    program = hand_written(Allocate((T,), For(i, 4, seq(fill, drain))), A, C)
    small = compact_buffers(program)
    assert allocations(small) == [(1, 6)]
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    got = np.zeros_like(a)
    interpret(small, a, got, check_uninitialised=True)
    np.testing.assert_array_equal(got, a[:, ::-1] + 1)


def test_rows_that_lie_apart_stay_apart() -> None:
    before = mm_relu(8, 40, 4)
    s = Schedule(before)
    _, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, 32])
    s.reorder(j0, s.loops("Y")[0], k, j1)
    s.reverse_compute_at("C", j0)
    s.storage_align("Y", "Y", 0, 32, 1)
    small = compact_buffers(bind_blocks(s.program))
    (tile,) = [b for n in walk(small.body) if isinstance(n, Allocate) for b in n.buffers]
    assert (tile.shape, tile.strides) == ((8, 32), (33, 1))
    same_results(before, s.program)


def rows_in_two_parts(first: int) -> Program:
    """A row of ten in vectors of four and a rest that begins at ``first``, by way of memory."""
    x, y = Buffer("x", (3, 10), float32), Buffer("y", (3, 10), float32)
    held = Buffer("held", (3, 10), float32, scope=Scope.STACK)
    i, o = Var("i"), Var("o")

    def piece(place: Expr, lane: Var, extent: int) -> Stmt:
        left = Store(held, (i, place), load(x, (i, place)) * 2.0)
        return For(lane, extent, seq(left, Store(y, (i, place), load(held, (i, place)) + 1.0)))

    l, r = Var("l"), Var("r")
    parts = For(o, 2, piece(o * 4 + l, l, 4)), piece(r + first, r, 10 - first)
    return Program("rows", (x, y), Allocate((held,), For(i, 3, seq(*parts))))


def test_parts_that_share_nothing_have_memory_of_their_own() -> None:
    before = rows_in_two_parts(8)
    small = compact_buffers(before)
    assert sorted(allocations(small)) == [(1, 1), (1, 1)]
    x = np.arange(30, dtype=np.float32).reshape(3, 10)
    for program in (before, small):
        y = np.zeros_like(x)
        interpret(program, x, y)
        np.testing.assert_array_equal(y, x * 2 + 1)


def test_parts_that_share_elements_share_memory() -> None:
    before = rows_in_two_parts(7)
    assert allocations(compact_buffers(before)) == [(1, 10)]
