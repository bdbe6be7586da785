"""Which changes of order would reverse a dependence.

All questions have one shape: two accesses touch the same element in two iterations that would
change places. Updates with the same commutative combiner may change places; everything else that
touches an element and changes it may not. The init of a block is a write at the first point of its
reduce axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...ir.expr import Expr, Var
from ...ir.program import Buffer, For, Program
from ..step import find_loop
from .accesses import Access, accesses_of
from .conflict import Steps, commute, conflict

if TYPE_CHECKING:
    from ..refusal import Refusal

SAME = (0, 0)
AHEAD = (1, None)
BEHIND = (None, -1)

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
    chain = chain_to(program, loop)
    if chain[-1].extent < 2:
        return None
    rows = [
        replace(row, private=min(row.private, len(chain) - 1)) if row.buffer in common else row
        for row in found.of(chain[-1])
        if (row.private < len(chain) or row.buffer in common) and is_in(row, loop)
    ]
    steps: Steps = {one.var: SAME for one in chain[:-1]} | {loop: AHEAD}

    def questions() -> Iterator[Question]:
        for a, b in pairs_of(rows):
            if a.buffer in atomic and commute(a, b):
                continue
            yield a, b, steps
            if a is not b:
                yield b, a, steps

    rule = f"iterations of loop {loop.name} are not independent"
    started = {row.block for row in found.rows if row.is_init}

    def fix(a: Access, b: Access) -> str:
        from .advice import independence

        return independence(a, b, loop, started)

    return answer(questions(), rule, fix)


def chain_to(program: Program, loop: Var) -> tuple[For, ...]:
    """The loops around the loop over ``loop``, and that one last."""
    found = accesses_of(program).loops.get(loop)
    if found is None:
        find_loop(program, loop)
    assert found is not None
    return found


def pairs_of(rows: Sequence[Access]) -> list[tuple[Access, Access]]:
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


def answer(
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
            from ..refusal import Refusal

            return Refusal(rule, found.witness, fix(a, b))
        elif unproven is None:
            from .advice import open_question

            unproven = open_question(a, b, found, rule, fix)
            if unproven.proven:
                return unproven
    return unproven


def is_in(row: Access, *loops: Var) -> bool:
    """Whether ``loops`` are around it: the init of a reduction over nothing has fewer than the
    statement that it stands in."""
    return {one.var for one in row.loops}.issuperset(loops)
