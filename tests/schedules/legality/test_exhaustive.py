"""Symbolic runs: what counts as the same, what as different, and what is not covered."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc.te as te
from mlc.dtypes import boolean, float32, int64
from mlc.ir.combiner import make_combiner, reducer
from mlc.ir.expr import Axis, Expr, Var, const, load, select
from mlc.ir.interpret import interpret
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    LoopKind,
    Program,
    Region,
    Stmt,
    Store,
    seq,
    walk,
)
from mlc.schedules.legality import (
    Difference,
    Same,
    TooLarge,
    merge_violation,
    reorder_violation,
    same_meaning,
)
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import replace_loop, substitute_stmt
from mlc.te.program import Nest, create_program

from .nests import chains, neighbours, nested

pytestmark = pytest.mark.unproven  # these programs are wrong on purpose

A, X, Y = Buffer("A", (4,), float32), Buffer("X", (4,), float32), Buffer("Y", (4,), float32)
I, J, K = Var("i"), Var("j"), Var("k")
zero = const(0)


def program(body: Stmt, *params: Buffer, outputs: int = 1) -> Program:
    return Program("f", params or (A, X), body, outputs)


def matmul(m: int, n: int, k: int) -> Program:
    a = te.placeholder((m, k), name="A")
    b = te.placeholder((k, n), name="B")
    r = te.reduce_axis(k, "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return create_program("mm", [Nest((c,), c.op)], [a, b], [c])


def test_a_tiled_product_is_the_same_and_a_shortened_one_is_not() -> None:
    before = matmul(6, 5, 7)
    s = Schedule(before)
    i, j, k = s.loops("C")
    _, i1 = s.split(i, [None, 4])
    k0, _ = s.split(k, [None, 3])
    s.reorder(k0, j, i1)
    assert same_meaning(before, s.program) == Same()
    short = replace_loop(before, k, lambda loop: replace(loop, extent=6))
    found = same_meaning(before, short)
    assert isinstance(found, Difference)
    assert (found.output, found.element) == ("C", (0, 0))
    assert "(7 operands)" in found.before_term
    assert "(6 operands)" in found.after_term


def test_a_hundred_thousand_elements_take_about_a_second() -> None:
    before = matmul(46, 46, 46)
    s = Schedule(before)
    s.split(s.loops("C")[2], [None, 5])
    start = time.process_time()
    assert same_meaning(before, s.program) == Same()
    assert time.process_time() - start < 5  # about 0.8 s; a slow machine may take its time


def test_sums_fold_in_any_tree() -> None:
    total = reducer("sum", float32)
    before = program(For(I, 4, Accumulate(total, (X,), (zero,), (load(A, (I,)),))))
    part = Buffer("P", (2,), float32)
    halves = Allocate(
        (part,),
        seq(
            For(J, 2, Store(part, (J,), load(A, (J * 2 + 1,)) + load(A, (J * 2,)))),
            Store(X, (zero,), (load(part, (const(1),)) + load(part, (zero,))) + load(X, (zero,))),
        ),
    )
    assert same_meaning(before, program(halves)) == Same()


def test_ordered_folds_keep_their_order_but_not_their_tree() -> None:
    last = make_combiner("last", lambda a, b: b, (0.0,), (float32,))

    def fold(buffer: Buffer, at: Any, value: Any) -> Stmt:
        return Accumulate(last, (buffer,), (at,), (value,))

    first = seq(Store(X, (zero,), const(0.0, float32)))
    before = program(seq(first, For(I, 4, fold(X, zero, load(A, (I,))))))
    after = program(seq(first, For(I, 4, fold(X, zero, load(A, (3 - I,))))))
    assert isinstance(same_meaning(before, after), Difference)
    part = Buffer("P", (2,), float32)
    tree = seq(
        For(J, 2, Store(part, (J,), const(0.0, float32))),
        For(J, 2, For(K, 2, fold(part, J, load(A, (J * 2 + K,))))),
        first,
        For(J, 2, fold(X, zero, load(part, (J,)))),
    )
    assert same_meaning(before, program(Allocate((part,), tree))) == Same()


def test_folds_over_pairs() -> None:
    def better(a: Any, b: Any) -> Any:
        wins = b[0] > a[0]
        return te.select(wins, b[0], a[0]), te.select(wins, b[1], a[1])

    best = make_combiner("best", better, (-1.0, 0), (float32, int64), commutative=True)
    where = Buffer("W", (4,), int64)

    def run(index: Any) -> Program:
        start = seq(Store(X, (zero,), const(-1.0, float32)), Store(where, (zero,), const(0)))
        fold = Accumulate(best, (X, where), (zero,), (load(A, (index,)), index))
        return program(seq(start, For(I, 4, fold)), A, X, where, outputs=2)

    assert same_meaning(run(I), run(3 - I)) == Same()
    found = same_meaning(run(I), run(I // 2))
    assert isinstance(found, Difference)
    assert found.output == "X"


def test_folds_drop_what_changes_nothing_and_that_alone() -> None:
    numbers, out = Buffer("N", (4,), int64), Buffer("O", (4,), int64)
    is_set, flags = Buffer("B", (4,), boolean), Buffer("F", (4,), boolean)
    value, flag = load(numbers, (I,)), load(is_set, (I,))

    def stored(buffer: Buffer, given: Expr) -> Program:
        return Program("f", (numbers, is_set, buffer), For(I, 4, Store(buffer, (I,), given)), 1)

    for one, other, is_same in (
        (value & const(1), value, False),
        (value & const(-1), value, False),  # open
        (value | const(0), value, True),
        (value ^ const(0), value, True),
        (value * const(1), value, True),
        (value + const(0), value, True),
        (value * const(0), value, False),
    ):
        assert isinstance(same_meaning(stored(out, one), stored(out, other)), Same) == is_same
    for one, is_same in ((flag & const(True), True), (flag | const(False), True),
                         (flag & const(False), False), (flag | const(True), False)):  # fmt: skip
        assert isinstance(same_meaning(stored(flags, one), stored(flags, flag)), Same) == is_same


def test_memory_that_was_never_written_must_not_reach_an_output() -> None:
    scratch = Buffer("S", (4,), float32)
    copy = For(J, 4, Store(X, (J,), load(scratch, (J,))))
    fill = For(I, 4, Store(scratch, (I,), load(A, (I,))))
    less = For(I, 3, Store(scratch, (I,), load(A, (I,))))
    before = program(Allocate((scratch,), seq(fill, copy)))
    found = same_meaning(before, program(Allocate((scratch,), seq(less, copy))))
    assert found == Difference("X", (3,), "A[3]", "a value that was never written")
    assert same_meaning(program(Allocate((scratch,), seq(less, copy))), before) == Same()


def test_a_write_outside_is_a_difference() -> None:
    before = program(For(I, 4, Store(X, (I,), load(A, (I,)))))
    after = program(For(I, 5, Store(X, (I,), load(A, (I % 4,)))))
    assert same_meaning(before, after) == Difference(
        "X", (4,), "no such element", "a write outside of the buffer"
    )


def test_conditions_on_indices_are_computed_and_those_on_data_are_kept() -> None:
    guarded = program(For(I, 6, If(I < 4, Store(X, (I,), load(A, (I,))))))
    assert same_meaning(program(For(I, 4, Store(X, (I,), load(A, (I,))))), guarded) == Same()
    value = load(A, (I,))
    clipped = select(value > 0.0, value, const(0.0, float32))
    other = select(value < 0.0, value, const(0.0, float32))
    one, two = (program(For(I, 4, Store(X, (I,), v))) for v in (clipped, other))
    assert same_meaning(one, one) == Same()
    assert isinstance(same_meaning(one, two), Difference)


def test_padding_with_zeros_drops_out_of_sums_where_it_is_exact() -> None:
    total = reducer("sum", float32)
    padded = select(I < 4, load(A, (I,)), const(0.0, float32))
    before = program(For(I, 4, Accumulate(total, (X,), (zero,), (load(A, (I,)),))))
    assert (
        same_meaning(before, program(For(I, 8, Accumulate(total, (X,), (zero,), (padded,)))))
        == Same()
    )
    ones = program(For(I, 8, Accumulate(total, (X,), (zero,), (padded + 1.0,))))
    assert isinstance(same_meaning(before, ones), Difference)


def test_what_is_not_covered_is_said() -> None:
    index = Buffer("N", (4,), int64)
    scatter = program(For(I, 4, Store(X, (load(index, (I,)),), load(A, (I,)))), A, index, X)
    found = same_meaning(scatter, scatter)
    assert isinstance(found, TooLarge)
    assert "N[i]" in found.reason and "depends on data" in found.reason
    call = program(Evaluate("sort", (A, X)))
    assert same_meaning(call, call) == TooLarge("what the call of 'sort' does is not known")
    threads = program(For(I, 4, seq(Evaluate("barrier", ())), LoopKind.BOUND))
    assert isinstance(same_meaning(threads, threads), TooLarge)
    large = matmul(200, 200, 200)
    assert isinstance(same_meaning(large, large), TooLarge)
    assert isinstance(same_meaning(matmul(2, 2, 2), matmul(2, 2, 3)), TooLarge)


def test_calls_that_declare_their_regions_are_functions_of_them() -> None:
    def run(extent: int, source: Buffer) -> Program:
        v = Axis("v", 2)
        reads = (Region(source, (v * 2,), (extent,)),)
        writes = (Region(X, (v * 2,), (2,)),)
        body = Evaluate("sort2", (source, X, v))
        block = Block("sorted", (Iter(v, I),), body, reads=reads, writes=writes)
        return program(For(I, 2, block), A, Y, X)

    assert same_meaning(run(2, A), run(2, A)) == Same()
    assert isinstance(same_meaning(run(2, A), run(1, A)), Difference)
    assert isinstance(same_meaning(run(2, A), run(2, Y)), Difference)


def permuted(chain: list[For], order: list[Var]) -> Stmt:
    extents = {loop.var: loop.extent for loop in chain}
    body: Stmt = chain[-1].body
    for var in reversed(order):
        body = For(var, extents[var], body)
    return body


def results(one: Program) -> list[Any]:
    random = np.random.default_rng(3)
    arrays = [random.integers(-4, 5, b.shape).astype(b.dtype.numpy) for b in one.params]
    interpret(one, *arrays)
    return arrays


@settings(max_examples=80, deadline=None)
@given(chains(wrapped=True), st.randoms(use_true_random=False))
def test_legal_orders_are_the_same_and_the_same_computes_the_same(drawn: Any, random: Any) -> None:
    before, chain = drawn
    order = [loop.var for loop in chain]
    random.shuffle(order)
    after = before.with_body(permuted(chain, order))
    found = same_meaning(before, after)
    assert not isinstance(found, TooLarge)
    if reorder_violation(before, chain, order) is None:
        assert found == Same(), f"{found}\n{before.script()}"
    if found == Same() and not any(isinstance(s, Allocate) for s in walk(before.body)):
        for x, y in zip(results(before), results(after)):
            np.testing.assert_allclose(x, y, rtol=1e-4)


@settings(max_examples=80, deadline=None)
@given(neighbours(wrapped=True))
def test_legal_merges_are_the_same(drawn: Any) -> None:
    before, first, second = drawn
    if merge_violation(before, first.var, second.var) is not None:
        return
    outer = before.body
    assert isinstance(outer, For)
    moved = substitute_stmt(second.body, {second.var: first.var})
    merged = replace(first, body=seq(first.body, moved))
    after = before.with_body(nested([replace(outer)], merged))
    assert same_meaning(before, after) == Same()
