"""Loops that change arrays point by point run over strips of the points, each from the first
iteration to the last.

``for k in range(99): x = x * x + c`` walks through all of ``x`` and ``c`` 99 times; where these are
larger than a cache, memory gives the pace. Points that never look at each other may as well be
taken through all iterations one strip after the other: each is as long as what it touches stays in
the nearest cache, and threads share them out. Each point is computed as before, so results keep
their bits.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ..ir.affine import Sum, as_sum
from ..ir.expr import Expr, Var, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    expressions_of,
    map_exprs,
    seq,
    walk,
)
from ..ir.rewrite import loads_of, substitute, variables_of
from ..records import dataclass, replace
from ..schedules.step import rebuild
from .replace_buffers import Place, replace_buffers

if TYPE_CHECKING:
    from ..schedules.defaults.machine import Machine

LEAST_ITERATIONS = 3  # of a loop that is worth it
LEAST_POINTS = 256  # of a strip in the nearest cache; else one is as long as the next cache allows
LEAST_FAR = 32  # of such a strip
SHARED_POINTS = 1 << 16  # in all iterations together, that threads share out
SOME = 16  # iterations, where nobody knows how many


def in_strips(program: Program, machine: Machine) -> Program:
    """``for k: for i: x[i] = f(x[i], k)`` -> ``for s: for k: for i in strip(s): ...`` wherever the
    loop over ``k`` touches more than the nearest cache holds."""
    may_share = not ({"refusals", "checked"} & program.attrs.keys())

    def change(stmt: Stmt) -> Stmt | None:
        match stmt:
            case For(kind=LoopKind.SERIAL) | While():
                return _over_strips(stmt, machine, may_share)
        return None

    body = rebuild(program.body, change)
    return program if body is program.body else program.with_body(body)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A loop over the rows ``start`` to ``stop`` of what it writes, ``unit`` in an iteration; the
    row is ``row`` there."""

    loop: For
    row: Sum
    start: int
    stop: int
    unit: int


class _UnfitError(Exception):
    """Points meet in the loop."""


class _Survey:
    """What is inside of a loop: its loops over rows, in order, and the numbers that it looks at.

    Raises :class:`_UnfitError` where an iteration over a row touches another row of what the loop
    changes, or where something else does than loops over all rows.
    """

    def __init__(self, loop: For | While) -> None:
        inside = list(walk(loop))
        self.held = {b for s in inside if isinstance(s, Allocate) for b in s.buffers}
        self.written = {b for s in inside for b in _targets(s) if b.shape}
        self.rows: dict[int, _Rows] = {}
        if isinstance(loop, While):
            self._alone(loop.condition)
        self._look(loop.body)
        self.extent = max((r.stop for r in self.rows.values()), default=0)
        at = 0
        for piece in self.rows.values():
            if piece.start != at:
                raise _UnfitError
            at = 0 if piece.stop == self.extent else piece.stop
        if at or not self.rows:
            raise _UnfitError
        changed = {b for s in inside for b in _targets(s) if not b.shape}
        found = [n.source for s in inside for e in expressions_of(s) for n in loads_of(e)]
        numbers = dict.fromkeys(b for b in (*changed, *found) if not b.shape and self._given(b))
        self.numbers = tuple(numbers)
        self.changed = changed

    def _given(self, buffer: Buffer) -> bool:
        return buffer not in self.held and buffer.scope is Scope.REGISTER

    def _alone(self, *exprs: Expr) -> None:
        """What is asked for beside the loops over rows depends on numbers alone."""
        if any(n.source in self.written for expr in exprs for n in loads_of(expr)):
            raise _UnfitError

    def _look(self, stmt: Stmt) -> None:
        match stmt:
            case Seq(stmts=stmts):
                for part in stmts:
                    self._look(part)
            case Allocate(body=body):
                self._look(body)
            case If(condition=test, then=then, otherwise=other):
                self._alone(test)
                self._look(then)
                if other is not None:
                    self._look(other)
            case While(condition=test, body=body):
                self._alone(test)
                self._look(body)
            case Store(buffer=buffer, indices=(), value=value) if buffer.scope is Scope.REGISTER:
                self._alone(value)
            case For(body=body):
                rows = _rows_of(stmt)
                if rows is None:
                    self._look(body)
                else:
                    self._check(rows)
                    self.rows[id(stmt)] = rows
            case _:
                raise _UnfitError

    def _check(self, rows: _Rows) -> None:
        """Each iteration touches its own row alone of what the loop changes."""
        own = {b for s in walk(rows.loop) if isinstance(s, Allocate) for b in s.buffers}

        def fits(buffer: Buffer, indices: tuple[Expr, ...]) -> bool:
            if buffer in own:
                return True
            if not indices:
                return False
            apart = as_sum(indices[0]).plus(rows.row, -1)
            return not apart.terms and not apart.constant

        for stmt in walk(rows.loop):
            if isinstance(stmt, (Evaluate, While)):
                raise _UnfitError
            if isinstance(stmt, (Store, Accumulate)):
                if not all(fits(b, stmt.indices) for b in _targets(stmt)):
                    raise _UnfitError
            for node in (n for e in expressions_of(stmt) for n in loads_of(e)):
                if node.source in self.written and not fits(node.source, node.indices):
                    raise _UnfitError


def _targets(stmt: Stmt) -> tuple[Buffer, ...]:
    match stmt:
        case Store(buffer=buffer):
            return (buffer,)
        case Accumulate(buffers=buffers):
            return buffers
        case _:
            return ()


def _rows_of(loop: For) -> _Rows | None:
    """``loop`` as one over rows of what it writes; None if it is another one."""
    own = {b for s in walk(loop) if isinstance(s, Allocate) for b in s.buffers}
    places = [
        s.indices[0]
        for s in walk(loop)
        if isinstance(s, (Store, Accumulate)) and s.indices and not own.issuperset(_targets(s))
    ]
    if not places:
        return None
    row, inner = as_sum(places[0]), loop.body
    steps = dict(row.terms)
    unit = 1
    if steps != {loop.var: 1}:
        if not isinstance(inner, For) or inner.kind is not LoopKind.VECTORIZED:
            return None
        unit = inner.extent
        if steps != {loop.var: unit, inner.var: 1}:
            return None
    return _Rows(loop, row, row.constant, row.constant + loop.extent * unit, unit)


def _over_strips(loop: For | While, machine: Machine, may_share: bool) -> Stmt | None:
    """``loop`` over strips of the points that it changes; None where points meet, or all that it
    touches is near anyway."""
    if isinstance(loop, For) and loop.extent < LEAST_ITERATIONS:
        return None
    try:
        survey = _Survey(loop)
    except _UnfitError:
        return None
    first = [rows for rows in survey.rows.values() if rows.start == 0]
    if any(rows.loop.kind is not LoopKind.SERIAL for rows in first):
        return None
    length, points = _strip(survey, max(rows.unit for rows in first), machine)
    whole = min(rows.stop for rows in first) // length if length else 0
    if whole * length == survey.extent and survey.changed.intersection(survey.numbers):
        whole -= 1  # the last strip leaves the numbers as the loop does
    if whole < 2:
        return None
    rounds = loop.extent if isinstance(loop, For) else SOME
    shared = may_share and rounds * points * survey.extent >= SHARED_POINTS
    strip, kept, copies = Var("strip"), {}, {}
    for number in survey.numbers:
        kept[number] = Buffer(f"{number.name}_first", (), number.dtype, scope=Scope.STACK)
        copies[number] = Buffer(f"{number.name}_here", (), number.dtype, scope=Scope.REGISTER)
    main = _restricted(loop, survey, Sum(((strip, length),), 0), length)
    main = replace_buffers(main, {b: Place(copy) for b, copy in copies.items()})
    starts = [Store(copies[b], (), load(kept[b], ())) for b in survey.numbers]
    main = seq(*starts, main)
    if copies:
        main = Allocate(tuple(copies.values()), main)
    kind = LoopKind.PARALLEL if shared else LoopKind.SERIAL
    parts: list[Stmt] = [Store(place, (), load(b, ())) for b, place in kept.items()]
    parts.append(For(strip, whole, main, kind))
    if whole * length < survey.extent:
        parts.append(_restricted(loop, survey, Sum((), whole * length), None))
    made = seq(*parts)
    return Allocate(tuple(kept.values()), made) if kept else made


def _strip(survey: _Survey, unit: int, machine: Machine) -> tuple[int, int]:
    """How many rows a strip has, 0 where strips would not help; and how many points a row has."""
    a_row, fixed, points = 0, 0, 1
    seen: set[Buffer] = set()
    for rows in survey.rows.values():
        inner = [s.extent for s in walk(rows.loop.body) if isinstance(s, For)]
        points = max(points, prod(inner) // rows.unit)
        touched = [(b, s.indices) for s in walk(rows.loop) for b in _targets(s)]  # type: ignore[union-attr]
        for stmt in walk(rows.loop):
            touched += [(n.source, n.indices) for e in expressions_of(stmt) for n in loads_of(e)]
        for buffer, indices in touched:
            if buffer in seen or not buffer.shape:
                continue
            seen.add(buffer)
            size = buffer.size * buffer.dtype.itemsize
            along = [d for d, i in enumerate(indices) if _depends(i, rows.loop.var)]
            if along:
                a_row += -(-size // max(buffer.shape[along[0]], 1))
            else:
                fixed += size
    near = machine.l1 // 2
    if a_row * survey.extent + fixed <= machine.l1 * 3 // 4 or not a_row:
        return 0, points
    length = max(near - fixed, 0) // a_row
    if length * points < LEAST_POINTS:
        far = machine.l2 // 2
        length = max(far - fixed, 0) // a_row
        if length * points < LEAST_FAR or a_row * survey.extent + fixed <= far:
            return 0, points
    return length // unit * unit, points


def _depends(expr: Expr, var: Var) -> bool:
    return any(v is var for v in variables_of(expr))


def _restricted(loop: For | While, survey: _Survey, begin: Sum, length: int | None) -> Stmt:
    """``loop`` for the ``length`` rows from ``begin`` on alone, or all from there on. What it
    allocates for all rows has as many."""
    count = survey.extent - begin.constant if length is None else length
    back = begin.scaled(-1).expr()
    places: dict[Buffer, Place] = {}
    for buffer in survey.held & survey.written:
        if buffer.shape[0] == survey.extent:
            part = Buffer(buffer.name, (count, *buffer.shape[1:]), buffer.dtype, scope=buffer.scope)
            places[buffer] = Place(part, start=back)

    def on(stmt: Stmt) -> Stmt:
        rows = survey.rows.get(id(stmt))
        if rows is not None:
            return part_of(rows)
        match stmt:
            case For() | Allocate():
                return replace(stmt, body=on(stmt.body))
            case While(condition=test, body=body):
                return While(test, on(body))
            case Seq(stmts=stmts):
                return seq(*map(on, stmts))
            case If(condition=test, then=then, otherwise=other):
                return If(test, on(then), None if other is None else on(other))
            case _:
                return map_exprs(stmt, lambda expr: expr)

    def part_of(rows: _Rows) -> Stmt:
        if rows.start:
            return seq() if length is not None else map_exprs(rows.loop, lambda expr: expr)
        many = rows.stop - begin.constant if length is None else length
        if not many:
            return seq()
        terms = tuple((atom, c // rows.unit) for atom, c in begin.terms)
        var, shift = Var(rows.loop.var.name), Sum(terms, begin.constant // rows.unit).expr()
        there: dict[Var, Expr] = {rows.loop.var: var + shift}
        memo: dict[Expr, Expr] = {}
        body = map_exprs(rows.loop.body, lambda expr: substitute(expr, there, memo))
        return replace(rows.loop, var=var, extent=many // rows.unit, body=body)

    return replace_buffers(on(loop), places)
