"""overlap_copies: what the next iteration reads is copied line by line while this one computes.

A copy on its own waits for memory and multiplies nothing; a line of it in each turn of a loop that
multiplies takes no time, and memory has until the next iteration to answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ..ir.expr import Expr, Var, apply, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    children_of,
    reads_of,
    seq,
    walk,
    writes_of,
)
from ..records import dataclass, replace
from ..schedules.steps.unroll import FACTOR
from .replace_buffers import Place, replace_buffers
from .simplify_program import substitute_all
from .unroll_partly import factor_of

STAGE, PIPELINE, PREFETCH = "software_pipeline_stage", "software_pipeline", "prefetch"
MOST_STEPS = 4  # of a fold beside what is copied in one turn, and lines copied there


def overlap_copies(program: Program) -> Program:
    """A loop in two stages, a copy and a loop with a fold that reads it, such as::

        for j in range(8):               with alloc(p, (2, 96)):
            with alloc(p, (96,)):            for r in range(96): p[0, r] = b[r]
                for r in range(96):          for j in range(8):
                    p[r] = b[96 * j + r]         for i in range(3):
                for i in range(3):                   for r in range(32):
                    for k in range(96):  ->              p[(j + 1) % 2, 32 * i + r] = b[
                        c[i] += a[i] * p[k]                 96 * min(j + 1, 7) + 32 * i + r]
                                                         for k in range(3):
                                                             c[i] += a[i] * p[j % 2, 3 * r + k]

    Each turn of the folds does a few steps and copies a line or some for the next iteration. Hints
    of the copy's outermost loop, which ask for memory early, go with it. A loop stays as it is
    where something else is pipelined, or where turns do not come out even.
    """
    return program.with_body(_overlap(program.body))


def _overlap(stmt: Stmt) -> Stmt:
    match stmt:
        case For():
            made = _overlapped(stmt) if dict(stmt.annotations).get(STAGE) == (0, 1) else None
            return made or replace(stmt, body=_overlap(stmt.body))
        case Allocate():
            return replace(stmt, body=_overlap(stmt.body))
        case Seq():
            return seq(*map(_overlap, stmt.stmts))
        case _:
            return stmt


@dataclass(frozen=True, eq=False)
class _Copy:
    """``store`` for all ``rows`` and the ``lines`` of each, each of which has ``lanes`` or none."""

    rows: For
    lines: tuple[For, ...]
    lanes: For | None
    store: Store

    @property
    def each(self) -> int:
        """How many lines a row has."""
        return prod(loop.extent for loop in self.lines)

    def line(self, row: Expr, number: Expr) -> Stmt:
        """What copies that one."""
        places = {self.rows.var: row}
        for loop in reversed(self.lines):
            places[loop.var] = number % loop.extent
            number = number // loop.extent
        if self.lanes is None:
            return substitute_all(self.store, places)
        lane = Var(self.lanes.var.name)
        body = substitute_all(self.store, {**places, self.lanes.var: lane})
        return replace(self.lanes, var=lane, body=body)


@dataclass(frozen=True, eq=False)
class _Turns:
    """The copy goes with the first ``tiles`` iterations around folds: a row of it is copied in
    ``turns`` turns."""

    tiles: int
    turns: int


def _overlapped(loop: For) -> Stmt | None:
    body = loop.body
    if loop.kind is not LoopKind.SERIAL or loop.extent < 2 or not isinstance(body, Allocate):
        return None
    if len(body.buffers) != 1 or not isinstance(body.body, Seq) or len(body.body.stmts) != 2:
        return None
    (buffer,), (first, main) = body.buffers, body.body.stmts
    copy = _copy_into(buffer, first)
    if copy is None or not isinstance(main, For) or main.kind is not LoopKind.SERIAL:
        return None
    folds = _folds(main)
    touched = {buffer, *(node.source for node in reads_of(first))}
    if any(target in touched for target, _ in writes_of(main)) or len(folds) != 1:
        return None
    if any(isinstance(stmt, Evaluate) for stmt in walk(main)):
        return None
    (fold,) = folds
    alike = not any(isinstance(stmt, If) for stmt in walk(main))
    found = _turns(main.extent if alike else main.extent - 1, copy, fold)
    if found is None:
        return None
    double = Buffer(buffer.name, (2, *buffer.shape), buffer.dtype, scope=buffer.scope)

    def half(stmt: Stmt, number: Expr) -> Stmt:
        return replace_buffers(stmt, {buffer: Place(double, before=(number % 2,))})

    later: dict[Var, Expr] = {loop.var: apply("minimum", loop.var + 1, const(loop.extent - 1))}
    ahead = replace(copy, store=half(substitute_all(copy.store, later), loop.var + 1))
    now = half(main, loop.var)
    assert isinstance(now, For)
    (fold,) = _folds(now)
    tile, rest = Var(main.var.name), Var(main.var.name)
    beside = _with(now.body, fold, _turned(fold, ahead, tile, found))
    parts = [replace(now, var=tile, extent=found.tiles, body=_at(beside, main.var, tile))]
    if main.extent > found.tiles:
        left = _at(now.body, main.var, rest + found.tiles)
        parts.append(replace(now, var=rest, extent=main.extent - found.tiles, body=left))
    hints = tuple((k, v) for k, v in loop.annotations if not k.startswith(PIPELINE))
    begin = half(_at(first, loop.var, const(0)), const(0))
    return Allocate((double,), seq(begin, replace(loop, body=seq(*parts), annotations=hints)))


def _at(stmt: Stmt, var: Var, place: Expr) -> Stmt:
    return substitute_all(stmt, {var: place})


def _copy_into(buffer: Buffer, stmt: Stmt) -> _Copy | None:
    """The loops over one store into ``buffer``, the outermost of which is over rows."""
    loops: list[For] = []
    while isinstance(stmt, For):
        loops.append(stmt)
        stmt = stmt.body
    if not isinstance(stmt, Store) or stmt.buffer is not buffer or not loops:
        return None
    lanes = loops.pop() if loops[-1].kind is LoopKind.VECTORIZED else None
    plain = (LoopKind.SERIAL, LoopKind.UNROLLED)
    if not loops or any(loop.kind not in plain for loop in loops):
        return None
    return _Copy(loops[0], tuple(loops[1:]), lanes, stmt)


def _folds(loop: For) -> list[For]:
    """The serial loops right inside ``loop`` in which something is accumulated."""
    inner = (s for s in _beside(loop.body) if isinstance(s, For) and s.kind is LoopKind.SERIAL)
    return [fold for fold in inner if any(isinstance(s, Accumulate) for s in walk(fold))]


def _beside(stmt: Stmt) -> Iterator[Stmt]:
    """The statements of a body, in whatever memory they share."""
    if isinstance(stmt, (Seq, Allocate)):
        for part in children_of(stmt):
            yield from _beside(part)
    else:
        yield stmt


def _with(stmt: Stmt, old: Stmt, new: Stmt) -> Stmt:
    match stmt:
        case Seq():
            return seq(*(_with(part, old, new) for part in stmt.stmts))
        case Allocate():
            return replace(stmt, body=_with(stmt.body, old, new))
        case _:
            return new if stmt is old else stmt


def _turns(tiles: int, copy: _Copy, fold: For) -> _Turns | None:
    """How to spread the copy: over as many of the ``tiles`` as let each turn do a few steps of the
    ``fold``, as many as it would do at once alone, and copy few lines."""
    wanted = factor_of(fold)
    found: list[tuple[tuple[int, int, int], _Turns]] = []
    for many in range(1, tiles + 1):
        rows, left = divmod(copy.rows.extent, many)
        if left or fold.extent % rows:
            continue
        steps = fold.extent // rows
        for turns in range(1, copy.each + 1):
            if copy.each % turns or steps % turns or max(copy.each, steps) > MOST_STEPS * turns:
                continue
            apart = abs(steps // turns - wanted)
            found.append(((apart, copy.each // turns, -many), _Turns(many, turns)))
    return min(found, key=lambda item: item[0])[1] if found else None


def _turned(fold: For, copy: _Copy, tile: Var, found: _Turns) -> Stmt:
    """The ``fold`` of a ``tile`` with its share of the copy."""
    rows = copy.rows.extent // found.tiles
    steps, lines = fold.extent // (rows * found.turns), copy.each // found.turns
    row, turn, step = Var(copy.rows.var.name), Var(fold.var.name), Var(fold.var.name)
    done = (row * found.turns + turn) * steps
    copied = [copy.line(tile * rows + row, turn * lines + n) for n in range(lines)]
    body = For(step, steps, _at(fold.body, fold.var, done + step), LoopKind.UNROLLED)
    hints = {k: v for k, v in copy.rows.annotations if k == PREFETCH}
    kept = {k: v for k, v in fold.annotations if k not in (FACTOR, PREFETCH)}
    inner = For(turn, found.turns, seq(*copied, body))
    return For(row, rows, inner, annotations=tuple({**kept, **hints}.items()))
