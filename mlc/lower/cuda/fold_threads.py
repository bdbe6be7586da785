"""fold_threads: threads of a block combine what each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from ...errors import UnsupportedError
from ...ir.combiner import Combiner
from ...ir.expr import Expr, Var, apply, const, load
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Scope,
    Stmt,
    Store,
    seq,
)
from ...ir.rewrite import conjuncts, variables_of
from ...schedules.legality.teams import is_team_fold
from ...schedules.step import rebuild
from .apply_atomics import ATOMICS, as_atomic, from_atomic
from .kernel import BOUNDARY, WARP, Thread

TEAM = "team"  # marks the outermost loop over threads that fold together
SHUFFLE, SHUFFLE_DOWN = "shuffle", "shuffle_down"  # (to, from, lane or distance, lanes)
_FIRST = (const(0),)
_IN_TURN = 8  # partial results that every thread combines by itself


@dataclass(frozen=True, eq=False)
class Fold:
    """A loop over threads that fold together: those bound to ``threads``, each over ``loops``,
    under the conditions ``tests``; under ``guards``, which are the same for all, it folds. Where
    blocks combine into one element, what they have goes there by an ``atomic`` operation."""

    threads: tuple[For, ...]
    loops: tuple[For, ...]
    tests: tuple[Expr, ...]
    guards: tuple[Expr, ...]
    update: Accumulate
    atomic: bool = False

    def finish(self, totals: tuple[Expr, ...]) -> Stmt:
        """``totals``, of all threads, combined into the result."""
        update = replace(self.update, values=totals)
        return as_atomic(update) if self.atomic else update


def mark_teams(program: Program) -> Program:
    """Loops over threads that fold together, marked; their blocks are not bound yet."""

    def on(stmt: Stmt) -> Stmt | None:
        if isinstance(stmt, For) and is_team_fold(stmt):
            return replace(stmt, annotations=(*stmt.annotations, (TEAM, True)))
        return None

    return program.with_body(rebuild(program.body, on))


def fold_of(loop: For) -> Fold | None:
    """The fold that ``loop`` is, if its threads fold together; its init stands before it."""
    threads: list[For] = []
    loops: list[For] = []
    tests: list[Expr] = []
    stmt: Stmt = loop
    while isinstance(stmt, (For, If)):
        if isinstance(stmt, If):
            if stmt.otherwise is not None:
                return None
            tests += conjuncts(stmt.condition)
            stmt = stmt.then
            continue
        (threads if stmt.kind is LoopKind.BOUND else loops).append(stmt)
        stmt = stmt.body
    is_atomic = False
    if isinstance(stmt, Evaluate) and stmt.name in ATOMICS:
        stmt, is_atomic = from_atomic(stmt), True
    if not isinstance(stmt, Accumulate):
        return None
    bare: Stmt = stmt
    for each in reversed((*threads, *loops)):
        bare = replace(each, body=bare)
    if not is_team_fold(bare):
        return None
    folded = {each.var for each in (*threads, *loops)}
    guards = tuple(t for t in tests if folded.isdisjoint(variables_of(t)))
    rest = tuple(t for t in tests if not folded.isdisjoint(variables_of(t)))
    return Fold(tuple(threads), tuple(loops), rest, guards, stmt, is_atomic)


@dataclass(frozen=True, eq=False)
class Team:
    """The threads that fold together: those of the directions ``own``, out of all ``threads`` of a
    block, x first."""

    threads: tuple[Thread, ...]
    own: frozenset[str]

    @property
    def count(self) -> int:
        """The threads of a team."""
        return prod(t.extent for t in self.threads if t.tag in self.own)

    @property
    def number(self) -> Expr:
        """The number of a thread in its team."""
        return _flat([t for t in self.threads if t.tag in self.own])

    @property
    def others(self) -> list[Thread]:
        """The directions that number the teams."""
        return [t for t in self.threads if t.tag not in self.own]

    @property
    def lanes(self) -> int:
        """How many threads with numbers in a row are lanes of one warp, from a multiple of as many
        on; 1 where that is not so."""
        wide = [t for t in self.threads if t.extent > 1]
        if any(t.tag not in self.own for t in wide[: sum(t.tag in self.own for t in wide)]):
            return 1
        count = self.count
        if count % WARP == 0:
            return WARP
        return count if count & (count - 1) == 0 and count < WARP else 1


def fold_threads(
    update: Accumulate, mine: Stmt, parts: Sequence[Buffer], team: Team, all_need_it: bool
) -> Allocate:
    """``mine`` combines into ``parts``, memory of each thread -> the same, and then what all
    threads of a team have there, in a fixed order, in ``parts`` of its first thread, or of all::

        part = identity; mine                       each thread
        part += shuffle_down(part, 16); ...; 1      the lanes of a warp
        S[warp] = part; boundary                    the first lane of each warp
        part = S[0]; part += S[1]; ...              where a team has several warps
    """
    combiner = update.combiner
    lanes, count = team.lanes, team.count
    others = [_own(f"{p.name}_other", p) for p in parts]
    begin = [Store(p, _FIRST, v) for p, v in zip(parts, combiner.identity, strict=True)]
    steps: list[Stmt] = [*begin, mine]
    steps += _tree(combiner, parts, others, lanes)
    if lanes == count:
        if all_need_it:
            steps += [_shuffle(SHUFFLE, p, p, 0, lanes) for p in parts]
        return Allocate((*parts, *others), seq(*steps))
    each = count // lanes  # partial results of a team
    around = [t.extent for t in team.others]
    index = tuple(t.var for t in team.others)
    stage = [
        Buffer(f"{p.name}_shared", (*around, each), p.dtype, None, Scope.SHARED) for p in parts
    ]
    number = team.number
    own = (*index, number // lanes)
    put: Stmt = seq(*(Store(s, own, load(p, _FIRST)) for s, p in zip(stage, parts, strict=True)))
    if lanes > 1:
        put = If(apply("eq", number % lanes, const(0)), put)
    steps += [_boundary(), put, _boundary()]
    if each <= _IN_TURN or lanes == 1:
        steps += [
            Store(p, _FIRST, load(s, (*index, const(0)))) for s, p in zip(stage, parts, strict=True)
        ]
        turn = Var("n")
        values = tuple(load(s, (*index, turn + 1)) for s in stage)
        take: Stmt = Accumulate(combiner, tuple(parts), _FIRST, values)
        steps.append(For(turn, each - 1, take))
    else:
        wide = 1 << (each - 1).bit_length()
        lane = number % lanes
        got = [Store(p, _FIRST, load(s, (*index, lane))) for s, p in zip(stage, parts, strict=True)]
        steps += [*begin, If(lane < each, seq(*got)), *_tree(combiner, parts, others, wide)]
        if all_need_it:
            steps += [_shuffle(SHUFFLE, p, p, 0, lanes) for p in parts]
    steps.append(_boundary())
    return Allocate((*parts, *others, *stage), seq(*steps))


def own_part(fold: Fold) -> tuple[tuple[Buffer, ...], Stmt]:
    """Memory for what one thread has to combine, and what combines it there."""
    update = fold.update
    parts = tuple(
        Buffer(f"{b.name}_part", (1,), b.dtype, None, Scope.LOCAL) for b in update.buffers
    )
    body: Stmt = replace(update, buffers=parts, indices=_FIRST)
    for test in reversed(fold.tests):
        body = If(test, body)
    for loop in reversed(fold.loops):
        body = replace(loop, body=body)
    return parts, body


def refuse_fold(loop: For, name: str) -> UnsupportedError:
    """Why the threads of ``loop`` do not fold: its init, or something else, is in between."""
    return UnsupportedError(
        f"threads of loop {loop.var.name} of {name} combine into the same elements, and something "
        f"else stands in that loop as well; use s.decompose_reduction(...) first, with a loop "
        f"around it"
    )


def _tree(
    combiner: Combiner, parts: Sequence[Buffer], others: Sequence[Buffer], lanes: int
) -> list[Stmt]:
    """The first of ``lanes`` lanes gets what all of them have."""
    out: list[Stmt] = []
    values = tuple(load(o, _FIRST) for o in others)
    step = lanes // 2
    while step:
        out += [_shuffle(SHUFFLE_DOWN, o, p, step, lanes) for o, p in zip(others, parts)]
        out.append(Accumulate(combiner, tuple(parts), _FIRST, values))
        step //= 2
    return out


def _shuffle(name: str, to: Buffer, source: Buffer, step: int, lanes: int) -> Evaluate:
    ones = (1,)
    return Evaluate(
        name, (Region(to, _FIRST, ones), Region(source, _FIRST, ones), const(step), const(lanes))
    )


def _own(name: str, like: Buffer) -> Buffer:
    return Buffer(name, (1,), like.dtype, None, Scope.LOCAL)


def _boundary() -> Evaluate:
    return Evaluate(BOUNDARY, ())


def _flat(threads: Sequence[Thread]) -> Expr:
    total: Expr = const(0)
    count = 1
    for thread in threads:
        total = total + thread.var * count
        count *= thread.extent
    return total
