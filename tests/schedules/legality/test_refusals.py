"""What refusals say, word by word, and that their iterations are true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

import mlc.te as te
from mlc.dtypes import float32, int64
from mlc.ir.combiner import make_combiner, reducer
from mlc.ir.expr import Axis, Expr, Var, const, load, select
from mlc.ir.intrinsic import Intrinsic, register
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    blocks_of,
    seq,
    walk,
)
from mlc.schedules.legality import (
    Difference,
    Same,
    accesses_of,
    block_kind,
    block_violation,
    bounds_violation,
    carried_dependence,
    fission_violation,
    merge_violation,
    order_violation,
    reorder_violation,
    same_meaning,
    verify,
)
from mlc.schedules.refusal import Refusal
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import loops_around
from mlc.te.program import Nest, create_program

from . import brute_force
from .nests import chains

pytestmark = pytest.mark.unproven  # these programs are wrong on purpose

I, J, K = Var("i"), Var("j"), Var("k")
A, B, C = (Buffer(name, (16,), float32) for name in "ABC")
M = Buffer("M", (16, 16), float32)
N = Buffer("N", (16,), int64)
one = const(1.0, float32)


def program(body: Stmt) -> Program:
    return Program("f", (A, B, C, M), body, 4)


def matmul(m: int = 128, n: int = 128, k: int = 128) -> Program:
    a = te.placeholder((m, k), name="A")
    b = te.placeholder((k, n), name="B")
    r = te.reduce_axis(k, "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return create_program("mm", [Nest((c,), c.op)], [a, b], [c])


def says(program: Program, refusal: Refusal | None, text: str) -> None:
    assert refusal is not None
    assert str(refusal) == text
    if refusal.proven and refusal.witness is not None:
        assert verify(program, refusal.witness)


def test_the_reduce_loop_of_a_product() -> None:
    mm = matmul()
    i, j, k = Schedule(mm).loops("C")
    assert carried_dependence(mm, i) is None
    assert carried_dependence(mm, j) is None
    says(
        mm,
        carried_dependence(mm, k),
        "iterations of loop k are not independent: k=0 and k=1 both combine into C[0, 0]; "
        "use s.rfactor(k), or take a loop that feeds spatial axes only",
    )


def test_split_and_fused_loops_of_a_product() -> None:
    s = Schedule(matmul(100, 60, 50))
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, 16])  # does not divide
    j0, j1 = s.split(j, [None, 7])
    k0, k1 = s.split(k, [None, 5])
    s.reorder(i0, j0, k0, i1, j1, k1)
    fused = s.fuse(i0, j0)
    for loop in (fused, i1, j1):
        assert carried_dependence(s.program, loop) is None
    for loop in (k0, k1):
        refusal = carried_dependence(s.program, loop)
        assert refusal is not None and refusal.witness is not None
        assert f"{loop.name}=0 and {loop.name}=1 both combine into C[0, 0]" in str(refusal)
        assert verify(s.program, refusal.witness)


def test_a_running_sum() -> None:
    scan = program(For(I, 15, Store(C, (I + 1,), load(C, (I,)) + load(A, (I,)))))
    says(
        scan,
        carried_dependence(scan, I),
        "iterations of loop i are not independent: i=0 writes C[1], i=1 reads it; "
        "keep the order, or write to a buffer of its own instead of C",
    )


def test_scratch_memory_of_each_iteration_is_its_own() -> None:
    scratch = Buffer("S", (1,), float32)
    work = seq(
        Store(scratch, (const(0),), load(A, (I,))), Store(C, (I,), load(scratch, (const(0),)))
    )
    inside = program(For(I, 16, Allocate((scratch,), work)))
    outside = program(Allocate((scratch,), For(I, 16, work)))
    assert carried_dependence(inside, I) is None
    refusal = carried_dependence(outside, I)
    assert refusal is not None
    assert "i=0 and i=1 both write S[0]" in str(refusal)


def test_even_and_odd_elements_never_meet() -> None:
    body = seq(Store(C, (I * 2,), load(C, (I * 2 + 1,))))
    assert carried_dependence(program(For(I, 8, body)), I) is None
    # Shifted by one the reads run into what others write.
    near = seq(Store(C, (I * 2,), load(C, (I + 3,))))
    assert carried_dependence(program(For(I, 8, near)), I) is not None


def test_guards_keep_iterations_apart() -> None:
    halves = If(I < 8, Store(C, (I,), load(C, (I + 8,))))
    assert carried_dependence(program(For(I, 16, halves)), I) is None
    chosen = Store(C, (I,), select(I >= 8, one, load(C, (I + 8,))))
    assert carried_dependence(program(For(I, 8, chosen)), I) is None


def test_indices_that_depend_on_data_are_no_proof_either_way() -> None:
    scatter = Program("f", (N, A, C), For(I, 16, Store(C, (load(N, (I,)),), load(A, (I,)))))
    refusal = carried_dependence(scatter, I)
    assert refusal is not None and not refusal.proven
    assert "unless the data that indices of C depend on keep them apart" in str(refusal)


def test_products_of_loops_are_certain_where_the_iterations_found_do_meet() -> None:
    meeting = carried_dependence(program(For(I, 8, For(J, 8, Store(C, (I * J,), one)))), J)
    assert meeting is not None and meeting.proven
    assert "j=0 and j=1 both write C[0]" in str(meeting)
    involved = carried_dependence(program(For(I, 99, For(J, 99, Store(C, (I * J + I,), one)))), I)
    assert involved is not None and not involved.proven
    assert "could not be proven within the budget" in str(involved)
    assert involved.witness is None, "it would be no counter-example"


def test_reorder_refuses_to_turn_a_diagonal_dependence_round() -> None:
    wave = Store(M, (I + 1, J), load(M, (I, J + 1)))
    nest = For(I, 15, For(J, 15, wave))
    whole = program(nest)
    chain = [nest, nest.body]
    says(
        whole,
        reorder_violation(whole, chain, [J, I]),  # type: ignore[arg-type]
        "with loops i, j in the order j, i two dependent iterations would change places: "
        "i=0, j=1 writes M[1, 1], i=1, j=0 reads it; "
        "keep the order, or write to a buffer of its own instead of M",
    )
    assert reorder_violation(whole, chain, [I, J]) is None  # type: ignore[arg-type]


def test_reorder_of_an_ordered_fold() -> None:
    last = make_combiner("last", lambda a, b: b, (0.0,), (float32,))
    v, w = Axis("v", 4, True), Axis("w", 5, True)
    fold = Accumulate(last, (C,), (const(0),), (load(M, (v, w)),))
    block = Block("fold", (Iter(v, I), Iter(w, J)), fold)
    nest = For(I, 4, For(J, 5, block))
    whole = program(nest)
    says(
        whole,
        reorder_violation(whole, [nest, nest.body], [J, I]),  # type: ignore[list-item]
        "block 'fold' folds with a combiner that is not commutative, so its reduce loops i, j must "
        "keep their order: i=0, j=1 and i=1, j=0 both combine into C[0]; "
        "leave these loops as they are",
    )


def test_an_init_stays_before_its_updates() -> None:
    s = Schedule(matmul(4, 5, 6))
    chain = loops_around(s.program, "C")
    i, j, k = (loop.var for loop in chain)
    assert reorder_violation(s.program, chain, [k, j, i]) is None
    # Here the block runs its whole reduction once more for each x, with the init in between.
    again = For(Var("x"), 2, s.program.body)
    twice = s.program.with_body(again)
    refusal = reorder_violation(twice, [again, *loops_around(s.program, "C")], [k, i, j, again.var])
    assert refusal is not None and refusal.witness is not None
    assert verify(twice, refusal.witness)
    assert "s.decompose_reduction('C', ...)" in refusal.fix


def test_fission_and_merge() -> None:
    write = Store(B, (I,), load(A, (I,)))
    ahead = Store(C, (I,), load(B, (I + 1,)))
    behind = If(I > 0, Store(C, (I,), load(B, (I - 1,))))
    cut = program(For(I, 15, Seq((write, behind))))
    assert fission_violation(cut, I, 1) is None
    wrong = program(For(I, 15, Seq((write, ahead))))
    says(
        wrong,
        fission_violation(wrong, I, 1),
        "loop i cannot be cut: a later iteration needs what an earlier one leaves: "
        "i=1 writes B[1], i=0 reads it; keep the order, or write to a buffer of its own instead "
        "of B",
    )
    first = For(I, 15, write)
    second = For(J, 15, Store(C, (J,), load(B, (J + 1,))))
    third = For(K, 15, Store(C, (K,), load(B, (K,))))
    apart = program(Seq((first, second)))
    says(
        apart,
        merge_violation(apart, I, J),
        "loops i and j cannot be merged: an iteration of the second needs a later one of the "
        "first: i=1 writes B[1], j=0 reads it; keep the order, or write to a buffer of its own "
        "instead of B",
    )
    assert merge_violation(program(Seq((first, third))), I, K) is None
    between = merge_violation(program(Seq((first, second, third))), I, K)
    assert between is not None and "does not come right after loop i" in str(between)
    short = For(J, 14, second.body)
    uneven = merge_violation(program(Seq((first, short))), I, J)
    assert uneven is not None and "run over 15 and 14 iterations" in str(uneven)


def test_what_few_conditions_settle_more_conditions_do_and_no_others() -> None:
    """Accesses of the same elements differ in their conditions alone: the answer for one pair is
    not that for a pair with fewer of them, on either side."""
    read, again = (Store(buffer, (I,), load(A, (const(0),))) for buffer in (B, C))
    write = Store(A, (const(0),), load(M, (I, I)))
    first = program(For(I, 8, Seq((If(I < 1, read), again, If(I < 1, write)))))
    assert "i=1 reads A[0], i=0 writes it" in str(fission_violation(first, I, 2))
    last = program(For(I, 8, Seq((If(I > 6, write), If(I > 6, read), again))))
    assert "i=7 writes A[0], i=6 reads it" in str(fission_violation(last, I, 1))


def test_two_statements_change_places_only_if_they_do_not_meet() -> None:
    one_stmt, other = Store(B, (I,), load(A, (I,))), Store(C, (I,), load(B, (I + 1,)))
    third = Store(A, (I,), one)
    body = program(For(I, 15, Seq((one_stmt, other, third))))
    assert order_violation(body, one_stmt, other) is None
    says(
        body,
        order_violation(body, one_stmt, third),
        "one statement needs the other to run first: i=0 reads A[0], i=0 writes it; "
        "keep the order, or write to a buffer of its own instead of A",
    )


def spatial_sum(is_reduce: bool, body: Any = None) -> tuple[Program, Block]:
    v = Axis("vi", 4, is_reduce)
    fold = Accumulate(reducer("sum", float32), (C,), (const(0),), (load(A, (v,)),))
    block = Block("sum", (Iter(v, I),), fold if body is None else body(v))
    return program(For(I, 4, block)), block


def test_a_spatial_axis_that_is_summed() -> None:
    whole, block = spatial_sum(False)
    says(
        whole,
        block_violation(whole, block),
        "vi is no spatial axis of block 'sum': vi=0 and vi=1 both combine into C[0]; "
        "make vi a reduce axis",
    )
    whole, block = spatial_sum(True)
    assert block_violation(whole, block) is None
    assert block_kind(block) == "reduction"


def test_a_reduce_axis_that_only_stores() -> None:
    whole, block = spatial_sum(True, lambda v: Store(C, (const(0),), load(A, (v,))))
    says(
        whole,
        block_violation(whole, block),
        "vi is no reduce axis of block 'sum': vi=0 and vi=1 both write C[0]; "
        "combine into C instead of storing, or make vi a spatial axis",
    )
    assert block_kind(block) == "opaque"


def test_kinds_of_blocks() -> None:
    (block,) = blocks_of(matmul().body)
    assert block_kind(block) == "reduction"
    whole, copy = spatial_sum(False, lambda v: Store(C, (v,), load(A, (v,))))
    assert block_kind(copy) == "complete"
    assert block_violation(whole, copy) is None
    _, in_place = spatial_sum(False, lambda v: Store(C, (v,), load(C, (v,)) - 1.0))
    assert block_kind(in_place) == "opaque"
    _, call = spatial_sum(False, lambda v: Evaluate("sort", (A, C)))
    assert block_kind(call) == "opaque"


def test_declared_regions_are_boxes() -> None:
    v = Axis("v", 4)

    def tiles(step: int, size: int) -> Program:
        writes = (Region(C, (v * step,), (size,)),)
        block = Block("call", (Iter(v, I),), Evaluate("fill", (C,)), reads=(), writes=writes)
        return program(For(I, 4, block))

    assert carried_dependence(tiles(4, 4), I) is None
    wide = tiles(3, 4)
    says(
        wide,
        carried_dependence(wide, I),
        "iterations of loop i are not independent: i=0 and i=1 both write C[3]; "
        "let each iteration write elements of C of its own",
    )
    # What is read reaches into what the next iteration stores, at the same index.
    start = v * 4
    beside = Block(
        "beside", (Iter(v, I),), seq(Evaluate("look", (C,)), Store(A, (start,), one)),
        reads=(Region(A, (start,), (6,)),), writes=(Region(A, (start,), (1,)),),
    )  # fmt: skip
    refusal = carried_dependence(program(For(I, 2, beside)), I)
    assert refusal is not None and refusal.witness is not None
    assert refusal.witness.buffer == "A"
    # A call that declares nothing may touch all of what it is given.
    plain = program(For(I, 4, Evaluate("fill", (C,))))
    assert carried_dependence(plain, I) is not None


def test_calls_of_intrinsics_touch_what_their_meaning_does() -> None:
    """A product of tiles combines into its tile: its reduce loop may move, not be parallel."""
    a, b, c = (Buffer(name, (4, 4), float32) for name in "abc")
    x, y, z = (Axis(name, 4, name == "z") for name in "xyz")
    product = load(a, (x, z)) * load(b, (z, y))
    update = Accumulate(reducer("sum", float32), (c,), (x, y), (product,))
    tile: Stmt = Block("tile", (Iter(x, I), Iter(y, J), Iter(z, K)), update)
    for var in (K, J, I):
        tile = For(var, 4, tile)
    register(Intrinsic("tile_product_4", Program("tile_product_4", (a, b, c), tile)), override=True)
    left, right, out = (Buffer(name, (16, 16), float32) for name in "LRO")
    i, j, k = Var("i"), Var("j"), Var("k")

    def part(buffer: Buffer, u: Var, v: Var) -> Region:
        return Region(buffer, (u * 4, v * 4), (4, 4))

    parts = (part(left, i, k), part(right, k, j), part(out, i, j))
    body: Stmt = Evaluate("tile_product_4", parts)
    for var in (k, j, i):
        body = For(var, 4, body)
    whole = Program("f", (left, right, out), body)
    assert [row.kind for row in accesses_of(whole).rows] == ["read", "read", "combine"]
    assert carried_dependence(whole, i) is None
    assert carried_dependence(whole, j) is None
    refusal = carried_dependence(whole, k)
    assert refusal is not None and refusal.witness is not None
    assert "k=0 and k=1 both combine into O[0, 0]" in str(refusal)
    assert verify(whole, refusal.witness)
    chain = [node for node in walk(whole.body) if isinstance(node, For)]
    assert reorder_violation(whole, chain, [k, i, j]) is None
    moved = replace(chain[0], var=k, body=replace(chain[1], body=replace(chain[2], var=i)))
    assert same_meaning(whole, whole.with_body(moved)) == Same()
    less = replace(chain[0], body=replace(chain[1], body=replace(chain[2], extent=3)))
    assert isinstance(same_meaning(whole, whole.with_body(less)), Difference)


def test_parts_that_are_folded_with_other_partners_do_not_commute() -> None:
    def mean(a: Any, b: Any) -> Any:
        return a[0] + b[0], (a[0] * a[1] + b[0] * b[1]) / (a[0] + b[0])

    both = make_combiner("mean", mean, (0.0, 0.0), (float32, float32), commutative=True)
    first = Accumulate(both, (A, B), (I,), (one, one))
    same = Accumulate(both, (A, B), (I,), (load(M, (I, I)), one))
    other = Accumulate(both, (A, C), (I,), (one, one))
    whole = program(For(I, 4, Seq((first, same, other))))
    assert order_violation(whole, first, same) is None
    assert order_violation(whole, first, other) is not None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            For(I, 16, Store(C, (I,), load(A, (I + 1,)))),
            "a statement reads A[16] at i=15, outside of its shape (16,); "
            "guard it with a predicate or a select, or make the buffer larger",
        ),
        (
            For(I, 4, For(J, 5, Store(C, (I * 5 + J - 1,), one))),
            "a statement writes C[16] at i=3, j=2, outside of its shape (16,); "
            "guard it with a predicate or a select, or make the buffer larger",
        ),
        (
            For(I, 5, Block("b", (Iter(Axis("v", 4), I),), Seq(()))),
            "axis v of block 'b' is 4 at i=4, outside of its range(4); "
            "bind it within its range, or give the block a predicate",
        ),
    ],
)
def test_what_leaves_its_range(body: Stmt, text: str) -> None:
    says(program(body), bounds_violation(program(body)), text)


def test_what_a_call_touches_ends_within_its_buffer() -> None:
    def tiles(size: int) -> Program:
        v = Axis("v", 4)
        writes = (Region(C, (v * 4,), (size,)),)
        block = Block("call", (Iter(v, I),), Evaluate("fill", (C,)), reads=(), writes=writes)
        return program(For(I, 4, block))

    assert bounds_violation(tiles(4)) is None
    refusal = bounds_violation(tiles(5))
    assert refusal is not None and refusal.proven
    assert "writes C[12] at i=3" in str(refusal)


def test_guards_selects_and_predicates_keep_indices_within() -> None:
    padded = select((I >= 1) & (I < 17), load(A, (I - 1,)), one)
    assert bounds_violation(program(For(I, 20, If(I < 16, Store(C, (I,), padded))))) is None
    block = Block("b", (Iter(Axis("v", 4), I),), Seq(()), predicate=I < 4)
    assert bounds_violation(program(For(I, 5, block))) is None
    assert bounds_violation(matmul()) is None


def test_a_jungle_of_selects_is_judged_carefully() -> None:
    value: Expr = load(A, (I,))
    for n in range(14):
        value = select(load(N, (I,)) > n, value * 2.0, value + select(n < J, value, one))
    whole = Program("f", (N, A, C), For(I, 20, For(J, 2, If(I < 16, Store(C, (I,), value)))))
    assert bounds_violation(whole) is None
    beside = select(J > 0, load(A, (I + J * 16,)), one)  # read for J = 1 alone, and outside there
    refusal = bounds_violation(program(For(I, 16, For(J, 2, Store(C, (I,), beside)))))
    assert refusal is not None and "reads A[16] at i=0, j=1" in str(refusal)


def outside(whole: Program) -> bool:
    return any(
        not all(0 <= i < n for i, n in zip(touch.cell[2], touch.cell[0].shape))
        for touch in brute_force.touches_of(whole)
    )


@settings(max_examples=120, deadline=None)
@given(chains())
def test_bounds_against_brute_force(drawn: Any) -> None:
    whole, _ = drawn
    refusal = bounds_violation(whole)
    assert (refusal is not None) == outside(whole), f"{refusal}\n{whole.script()}"
    assert refusal is None or refusal.proven


def test_accesses_speak_of_loops_and_come_in_order() -> None:
    outer, inner = Axis("vo", 4), Axis("vi", 4)
    leaf = Store(C, (inner,), load(A, (inner,)))
    at: Expr = outer * 4 + J
    nested = Block("inner", (Iter(Axis("vj", 16), at),), leaf)
    vj = nested.iters[0].axis
    nested = Block("inner", nested.iters, Store(C, (vj,), load(A, (vj,))))
    whole = program(For(I, 4, Block("outer", (Iter(outer, I),), For(J, 4, nested))))
    shown = [(r.kind, r.block, repr(r.indices[0]), len(r.loops)) for r in accesses_of(whole).rows]
    assert shown == [("read", "inner", "i * 4 + j", 2), ("write", "inner", "i * 4 + j", 2)]
    assert carried_dependence(whole, I) is None
    assert carried_dependence(whole, J) is None


def test_witnesses_are_checked() -> None:
    mm = matmul(4, 4, 4)
    refusal = carried_dependence(mm, Schedule(mm).loops("C")[2])
    assert refusal is not None and refusal.witness is not None
    witness = refusal.witness
    assert verify(mm, witness)
    assert not verify(mm, replace(witness, element=(0, 1)))
    assert not verify(mm, replace(witness, second=witness.first))
    assert not verify(mm, replace(witness, buffer="A"))
    far = replace(witness.second, values=(("i", 0), ("j", 0), ("k", 4)))
    assert not verify(mm, replace(witness, second=far))
