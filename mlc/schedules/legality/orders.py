"""Whether statements and loops may change places, part or become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...ir.expr import Expr, Var
from ...ir.program import For, Program, Seq, Stmt, walk
from ...ir.rewrite import substitute
from .accesses import Access, accesses_of
from .conflict import Steps, are_apart, commute, reach
from .dependence import (
    AHEAD,
    BEHIND,
    SAME,
    Question,
    answer,
    chain_to,
    is_in,
    pairs_of,
)

if TYPE_CHECKING:
    from ..refusal import Refusal


def _fix(a: Access, b: Access) -> str:
    from .advice import order_fix

    return order_fix(a, b)


def reorder_violation(
    program: Program, chain: Sequence[For], order: Sequence[Var]
) -> Refusal | None:
    """Why the loops of ``chain``, each the only statement in the one before, must not take each
    other's places so that those in ``order`` come in that order; the others stay where they are.
    """
    old = [loop.var for loop in chain]
    named = set(order)
    rest = iter(order)
    new = [next(rest) if var in named else var for var in old]
    place = {var: n for n, var in enumerate(new)}
    found = accesses_of(program)
    around: Steps = {one.var: SAME for one in chain_to(program, old[0])[:-1]}
    reversals: list[tuple[Var, Var, Steps]] = []
    for n, x in enumerate(old):
        for y in old[n + 1 :]:
            if place[y] < place[x]:
                fixed = dict.fromkeys((*old[:n], *new[: place[y]]), SAME)
                reversals.append((x, y, {**around, **fixed, x: AHEAD, y: BEHIND}))
    if not reversals:
        return None
    depth = len(around) + len(chain)
    rows = [r for r in found.of(chain[0]) if r.private < depth and is_in(r, *old)]

    def questions() -> Iterator[Question]:
        for one, other in pairs_of(rows):
            if commute(one, other):
                continue
            for a, b in ((one, other), (other, one)) if one is not other else ((one, one),):
                open_ones = [r for r in reversals if not are_apart(a, b, r[2])]
                bounds = reach(a, b, around) if open_ones else None
                for x, y, steps in open_ones:
                    if bounds is not None and bounds[x][1] > 0 and bounds[y][0] < 0:
                        yield a, b, steps

    was, now = (", ".join(v.name for v in vs) for vs in (old, new))
    rule = f"with loops {was} in the order {now} two dependent iterations would change places"
    refusal = answer(questions(), rule, _fix)
    if refusal is not None and refusal.witness is not None and refusal.proven:
        first, second = refusal.witness.first, refusal.witness.second
        if first.action == second.action == "combines into":
            differing = {x for (x, n), (_, m) in zip(first.values, second.values) if n != m}
            folded = ", ".join(v.name for v in old if v.name in differing)
            rule = (
                f"block {first.block!r} folds with a combiner that is not commutative, so its "
                f"reduce loops {folded} must keep their order"
            )
            from ..refusal import Refusal

            return Refusal(rule, refusal.witness, "leave these loops as they are")
    return refusal


def order_violation(program: Program, earlier: Stmt, later: Stmt) -> Refusal | None:
    """Why ``later`` must not run before ``earlier`` in each iteration of the loops around both."""
    found = accesses_of(program)

    def questions() -> Iterator[Question]:
        for a, b in _crossing(found.of(earlier), found.of(later)):
            steps: Steps = {x.var: SAME for x, y in zip(a.loops, b.loops) if x is y}
            yield a, b, steps

    return answer(questions(), "one statement needs the other to run first", _fix)


def fission_violation(program: Program, loop: Var, position: int) -> Refusal | None:
    """Why ``loop`` must not become two: one over the first ``position`` statements of its body, and
    after it one over the rest."""
    found = accesses_of(program)
    chain = chain_to(program, loop)
    body = chain[-1].body
    stmts = body.stmts if isinstance(body, Seq) else (body,)
    first = [row for stmt in stmts[:position] for row in found.of(stmt)]
    second = [row for stmt in stmts[position:] for row in found.of(stmt)]
    steps: Steps = {one.var: SAME for one in chain[:-1]} | {loop: BEHIND}
    questions = ((a, b, steps) for a, b in _crossing(first, second))
    rule = f"loop {loop.name} cannot be cut: a later iteration needs what an earlier one leaves"
    return answer(questions, rule, _fix)


def merge_violation(program: Program, first: Var, second: Var) -> Refusal | str | None:
    """Why two adjacent loops of one extent must not become one, the body of ``second`` after that
    of ``first`` in each iteration."""
    found = accesses_of(program)
    chain, other = chain_to(program, first), chain_to(program, second)
    one, two = chain[-1], other[-1]
    if one.extent != two.extent:
        return (
            f"loops {first.name} and {second.name} run over {one.extent} and {two.extent} "
            "iterations; pad or cut one of them"
        )
    if not _are_adjacent(program.body, one, two):
        return (
            f"loop {second.name} does not come right after loop {first.name} in the same body; "
            "move what stands between them first"
        )
    steps: Steps = {loop.var: SAME for loop in chain[:-1]} | {first: BEHIND}
    moved = [_over(row, two, one) for row in found.of(two)]
    questions = ((a, b, steps) for a, b in _crossing(found.of(one), moved))
    rule = (
        f"loops {first.name} and {second.name} cannot be merged: an iteration of the second needs "
        "a later one of the first"
    )
    refusal = answer(questions, rule, _fix)
    if refusal is None or refusal.witness is None:
        return refusal
    values = list(refusal.witness.second.values)
    values[len(chain) - 1] = (second.name, values[len(chain) - 1][1])
    named = replace(refusal.witness.second, values=tuple(values))
    return replace(refusal, witness=replace(refusal.witness, second=named))


def _are_adjacent(body: Stmt, one: Stmt, two: Stmt) -> bool:
    for node in walk(body):
        if isinstance(node, Seq):
            if any(a is one and b is two for a, b in zip(node.stmts, node.stmts[1:])):
                return True
    return False


def _over(row: Access, old: For, new: For) -> Access:
    """``row`` with the loop ``new`` around it in the place of ``old``."""
    mapping: dict[Var, Expr] = {old.var: new.var}
    return replace(
        row,
        indices=tuple(substitute(index, mapping) for index in row.indices),
        guards=tuple(substitute(guard, mapping) for guard in row.guards),
        loops=tuple(new if loop is old else loop for loop in row.loops),
    )


def _crossing(first: Iterable[Access], second: Sequence[Access]) -> Iterator[tuple[Access, Access]]:
    for a in first:
        for b in second:
            if a.buffer is b.buffer and (a.changes or b.changes) and not commute(a, b):
                yield a, b
