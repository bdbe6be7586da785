"""Which changes of order would reverse a dependence.

All questions have one shape: two accesses touch the same element in two iterations that would
change places. Updates with the same commutative combiner may change places; everything else that
touches an element and changes it may not. The init of a block is a write at the first point of its
reduce axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...ir.expr import Apply, Const, Expr, Var, const
from ...ir.program import Buffer, For, Program, Seq, Stmt, walk
from ...ir.rewrite import loads_of, postorder, substitute
from ...ir.simplify import simplify
from ..refusal import Point, Refusal
from ..step import find_loop
from .accesses import Access, accesses_of
from .conflict import Conflict, Steps, are_apart, commute, conflict, reach

_SAME = (0, 0)
_AHEAD = (1, None)
_BEHIND = (None, -1)

Question = tuple[Access, Access, Steps]


def carried_dependence(
    program: Program,
    loop: Var,
    common: frozenset[Buffer] = frozenset(),
    atomic: frozenset[Buffer] = frozenset(),
) -> Refusal | None:
    """Why iterations of ``loop`` must run one after the other; None if they are independent.

    Two iterations that combine into one element are dependent too: they would do so at once, but
    for the buffers ``atomic``. The buffers ``common`` are one for all iterations, though they are
    allocated inside the loop.
    """
    found = accesses_of(program)
    chain = _chain(program, loop)
    if chain[-1].extent < 2:
        return None
    rows = [
        replace(row, private=min(row.private, len(chain) - 1)) if row.buffer in common else row
        for row in found.of(chain[-1])
        if (row.private < len(chain) or row.buffer in common) and _is_in(row, loop)
    ]
    steps: Steps = {one.var: _SAME for one in chain[:-1]} | {loop: _AHEAD}

    def questions() -> Iterator[Question]:
        for a, b in _pairs(rows):
            if a.buffer in atomic and commute(a, b):
                continue
            yield a, b, steps
            if a is not b:
                yield b, a, steps

    rule = f"iterations of loop {loop.name} are not independent"
    started = {row.block for row in found.rows if row.is_init}
    return _answer(questions(), rule, lambda a, b: _independence(a, b, loop, started))


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
    around: Steps = {one.var: _SAME for one in _chain(program, old[0])[:-1]}
    reversals: list[tuple[Var, Var, Steps]] = []
    for n, x in enumerate(old):
        for y in old[n + 1 :]:
            if place[y] < place[x]:
                fixed = dict.fromkeys((*old[:n], *new[: place[y]]), _SAME)
                reversals.append((x, y, {**around, **fixed, x: _AHEAD, y: _BEHIND}))
    if not reversals:
        return None
    depth = len(around) + len(chain)
    rows = [r for r in found.of(chain[0]) if r.private < depth and _is_in(r, *old)]

    def questions() -> Iterator[Question]:
        for one, other in _pairs(rows):
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
    refusal = _answer(questions(), rule, _order_fix)
    if refusal is not None and refusal.witness is not None and refusal.proven:
        first, second = refusal.witness.first, refusal.witness.second
        if first.action == second.action == "combines into":
            differing = {x for (x, n), (_, m) in zip(first.values, second.values) if n != m}
            folded = ", ".join(v.name for v in old if v.name in differing)
            rule = (
                f"block {first.block!r} folds with a combiner that is not commutative, so its "
                f"reduce loops {folded} must keep their order"
            )
            return Refusal(rule, refusal.witness, "leave these loops as they are")
    return refusal


def _is_in(row: Access, *loops: Var) -> bool:
    """Whether ``loops`` are around it: the init of a reduction over nothing has fewer than the
    statement that it stands in."""
    return {one.var for one in row.loops}.issuperset(loops)


def order_violation(program: Program, earlier: Stmt, later: Stmt) -> Refusal | None:
    """Why ``later`` must not run before ``earlier`` in each iteration of the loops around both."""
    found = accesses_of(program)

    def questions() -> Iterator[Question]:
        for a, b in _crossing(found.of(earlier), found.of(later)):
            steps: Steps = {x.var: _SAME for x, y in zip(a.loops, b.loops) if x is y}
            yield a, b, steps

    return _answer(questions(), "one statement needs the other to run first", _order_fix)


def fission_violation(program: Program, loop: Var, position: int) -> Refusal | None:
    """Why ``loop`` must not become two: one over the first ``position`` statements of its body, and
    after it one over the rest."""
    found = accesses_of(program)
    chain = _chain(program, loop)
    body = chain[-1].body
    stmts = body.stmts if isinstance(body, Seq) else (body,)
    first = [row for stmt in stmts[:position] for row in found.of(stmt)]
    second = [row for stmt in stmts[position:] for row in found.of(stmt)]
    steps: Steps = {one.var: _SAME for one in chain[:-1]} | {loop: _BEHIND}
    questions = ((a, b, steps) for a, b in _crossing(first, second))
    rule = f"loop {loop.name} cannot be cut: a later iteration needs what an earlier one leaves"
    return _answer(questions, rule, _order_fix)


def merge_violation(program: Program, first: Var, second: Var) -> Refusal | str | None:
    """Why two adjacent loops of one extent must not become one, the body of ``second`` after that
    of ``first`` in each iteration."""
    found = accesses_of(program)
    chain, other = _chain(program, first), _chain(program, second)
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
    steps: Steps = {loop.var: _SAME for loop in chain[:-1]} | {first: _BEHIND}
    moved = [_over(row, two, one) for row in found.of(two)]
    questions = ((a, b, steps) for a, b in _crossing(found.of(one), moved))
    rule = (
        f"loops {first.name} and {second.name} cannot be merged: an iteration of the second needs "
        "a later one of the first"
    )
    refusal = _answer(questions, rule, _order_fix)
    if refusal is None or refusal.witness is None:
        return refusal
    values = list(refusal.witness.second.values)
    values[len(chain) - 1] = (second.name, values[len(chain) - 1][1])
    named = replace(refusal.witness.second, values=tuple(values))
    return replace(refusal, witness=replace(refusal.witness, second=named))


def _chain(program: Program, loop: Var) -> tuple[For, ...]:
    """The loops around the loop over ``loop``, and that one last."""
    found = accesses_of(program).loops.get(loop)
    if found is None:
        find_loop(program, loop)
    assert found is not None
    return found


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


def _pairs(rows: Sequence[Access]) -> list[tuple[Access, Access]]:
    """Each two accesses of one buffer, and each with itself, unless both only read; those that make
    the plainest counter-examples first."""
    groups: dict[int, list[Access]] = {}
    for row in rows:
        groups.setdefault(id(row.buffer), []).append(row)
    pairs = [
        (a, b)
        for group in groups.values()
        if any(row.changes for row in group)
        for n, a in enumerate(group)
        for b in group[n:]
        if a.changes or b.changes
    ]
    pairs.sort(key=lambda pair: (pair[0] is not pair[1], pair[0].is_init or pair[1].is_init))
    return pairs


def _crossing(first: Iterable[Access], second: Sequence[Access]) -> Iterator[tuple[Access, Access]]:
    for a in first:
        for b in second:
            if a.buffer is b.buffer and (a.changes or b.changes) and not commute(a, b):
                yield a, b


def _answer(
    questions: Iterable[Question], rule: str, fix: Callable[[Access, Access], str]
) -> Refusal | None:
    """The first certain conflict as a refusal; else one that is not proven, if any is open."""
    unproven: Refusal | None = None
    # Accesses at the same indices differ in their guards alone: where fewer guards leave no
    # conflict, more of them leave none.
    settled: dict[tuple[Any, ...], list[tuple[set[Expr], set[Expr]]]] = {}
    held: list[Steps] = []  # so that no two have the same id
    for a, b, steps in questions:
        held.append(steps)
        key = (id(steps), a.indices, b.indices, a.extents, b.extents, a.loops, b.loops, a.private)
        guards = set(a.guards), set(b.guards)
        without = settled.setdefault(key, [])
        if any(fewer[0] <= guards[0] and fewer[1] <= guards[1] for fewer in without):
            continue
        found = conflict(a, b, steps)
        if found is None:
            without.append(guards)
        elif found.is_certain:
            return Refusal(rule, found.witness, fix(a, b))
        elif unproven is None:
            unproven = _open_question(a, b, found, rule, fix)
            if unproven.proven:
                return unproven
    return unproven


def _open_question(
    a: Access, b: Access, found: Conflict, rule: str, fix: Callable[[Access, Access], str]
) -> Refusal:
    witness = found.witness
    if witness is not None:
        first, second = _element(a, witness.first), _element(b, witness.second)
        if first is not None and first == second:
            return Refusal(rule, replace(witness, element=first), fix(a, b))
        if any(loads_of(e) for e in (*a.indices, *b.indices, *a.guards, *b.guards)):
            rule += f", unless the data that indices of {a.buffer.name} depend on keep them apart"
            return Refusal(rule, witness, fix(a, b), proven=False)
    return Refusal(
        f"it could not be proven within the budget whether {rule}: accesses of "
        f"{a.buffer.name} in {_place(a)} and {_place(b)} are too involved",
        proven=False,
    )


def _element(access: Access, point: Point) -> tuple[int, ...] | None:
    """Which element ``access`` touches at ``point``, if its guards let it and no data decide."""
    values: dict[Var, Expr] = {
        loop.var: const(value) for loop, (_, value) in zip(access.loops, point.values)
    }
    if any(n != 1 for n in access.extents):
        return None
    if any(simplify(substitute(g, values)) is not const(True) for g in access.guards):
        return None
    indices = [simplify(substitute(index, values)) for index in access.indices]
    known = [int(index.value) for index in indices if isinstance(index, Const)]
    return tuple(known) if len(known) == len(indices) else None


def _place(access: Access) -> str:
    return f"block {access.block!r}" if access.block else "a statement outside of blocks"


def _independence(a: Access, b: Access, loop: Var, started: set[str]) -> str:
    if a.kind == b.kind == "combine":
        if a.block and a.block not in started:
            return (
                f"take a loop that feeds spatial axes only; s.rfactor({loop.name}) would do if "
                f"block {a.block!r} had its init, so take it before s.decompose_reduction"
            )
        return f"use s.rfactor({loop.name}), or take a loop that feeds spatial axes only"
    if a.block == b.block and a.is_init != b.is_init:
        return f"use s.decompose_reduction({a.block!r}, ...) first"
    if a is b and any(map(_is_shifted, a.indices)):
        return (
            "the last tile of tail='shift' does some iterations again: split with tail='guard' or "
            "tail='cut' where tiles run at once"
        )
    return _order_fix(a, b)


def _is_shifted(index: Expr) -> bool:
    """Whether a place stops before the end, as those of a last tile that begins earlier do."""
    return any(isinstance(node, Apply) and node.fn == "minimum" for node in postorder(index))


def _order_fix(a: Access, b: Access) -> str:
    name = a.buffer.name
    if a.kind == b.kind == "combine":
        return "keep the order of these loops: the combiner is not commutative"
    if a.is_init != b.is_init and a.block == b.block:
        return f"use s.decompose_reduction({a.block!r}, ...) first"
    if "read" in (a.kind, b.kind):
        return f"keep the order, or write to a buffer of its own instead of {name}"
    return f"let each iteration write elements of {name} of its own"
