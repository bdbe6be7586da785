"""Buffers that take the place of others, in every statement and expression."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.expr import Expr, Load, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    map_exprs,
    seq,
    walk,
)
from ..ir.rewrite import rewrite
from ..records import dataclass, replace


@dataclass(frozen=True, eq=False)
class Place:
    """Where the elements of a buffer are now: at the old indices of ``buffer``, without the first
    ``cut`` of them, which are zero, and from ``start`` on along the first of the others, with
    ``before`` and ``after`` around them."""

    buffer: Buffer
    before: tuple[Expr, ...] = ()
    after: tuple[Expr, ...] = ()
    cut: int = 0
    start: Expr | None = None

    def indices(self, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """The indices for those of the old buffer."""
        kept = indices[self.cut :]
        if self.start is not None:
            kept = (kept[0] + self.start, *kept[1:])
        return (*self.before, *kept, *self.after)


def is_replaceable(stmt: Stmt, places: Mapping[Buffer, Place]) -> bool:
    """Whether :func:`replace_buffers` can be used: parts that are accumulated together must move
    alike, and what a call gets whole must stay whole."""
    for node in walk(stmt):
        match node:
            case Accumulate(buffers=buffers):
                moved = [places[b] for b in buffers if b in places]
                changed = [p for p in moved if p.before or p.after]
                alike = {(p.before, p.after) for p in moved}
                if changed and (len(alike) > 1 or len(moved) < len(buffers)):
                    return False
            case Evaluate(args=args):
                for arg in args:
                    place = places.get(arg) if isinstance(arg, Buffer) else None
                    if place is not None and (place.before or place.after):
                        return False
    return True


def replace_buffers(stmt: Stmt, places: Mapping[Buffer, Place]) -> Stmt:
    """``b[i]`` -> ``c[before, i, after]`` wherever ``b`` stands."""
    if not places:
        return stmt
    memo: dict[Expr, Expr] = {}

    def on_load(node: Expr) -> Expr | None:
        place = places.get(node.source) if isinstance(node, Load) else None
        if place is None or not isinstance(node, Load):
            return None
        return load(place.buffer, place.indices(node.indices))

    def change(expr: Expr) -> Expr:
        return rewrite(expr, on_load, memo)

    def statement(stmt: Stmt) -> Stmt:
        match stmt:
            case Allocate(buffers=buffers, body=body):
                fresh = tuple(places[b].buffer if b in places else b for b in buffers)
                return Allocate(fresh, statement(body))
            case For():
                return replace(stmt, body=statement(stmt.body))
            case Seq():
                return seq(*map(statement, stmt.stmts))
            case While():
                return While(change(stmt.condition), statement(stmt.body))
            case If():
                other = None if stmt.otherwise is None else statement(stmt.otherwise)
                return If(change(stmt.condition), statement(stmt.then), other)
            case Block(reads=reads, writes=writes):
                return replace(
                    stmt,
                    iters=tuple(Iter(it.axis, change(it.binding)) for it in stmt.iters),
                    body=statement(stmt.body),
                    init=None if stmt.init is None else statement(stmt.init),
                    predicate=None if stmt.predicate is None else change(stmt.predicate),
                    reads=None if reads is None else tuple(map(region, reads)),
                    writes=None if writes is None else tuple(map(region, writes)),
                )
        done = map_exprs(stmt, change)
        match done:
            case Store(buffer=buffer, indices=indices, value=value) if buffer in places:
                place = places[buffer]
                return Store(place.buffer, place.indices(indices), value)
            case Accumulate(buffers=buffers, indices=indices):
                found = places.get(buffers[0])
                fresh = tuple(places[b].buffer if b in places else b for b in buffers)
                return replace(
                    done, buffers=fresh, indices=found.indices(indices) if found else indices
                )
            case Evaluate(name=name, args=args):
                return Evaluate(name, tuple(map(argument, args)))
            case _:
                return done

    def region(arg: Region) -> Region:
        place = places.get(arg.buffer)
        if place is None:
            return arg
        before, after = (1,) * len(place.before), (1,) * len(place.after)
        return Region(place.buffer, place.indices(arg.starts), (*before, *arg.extents, *after))

    def argument(arg: Expr | Buffer | Region) -> Expr | Buffer | Region:
        match arg:
            case Region():
                return region(arg)
            case Buffer() if arg in places:
                return places[arg].buffer
            case _:
                return arg

    return statement(stmt)
