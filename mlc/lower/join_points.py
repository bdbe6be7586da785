"""Loops over the same points, one behind the other, become one loop.

::

    for i in range(250):                 for i in range(250):
        near[i] = x[i] < 4.0      ->         near[i] = x[i] < 4.0
    for i in range(250):                     if near[i]:
        if near[i]:                              x[i] = x[i] * x[i]
            x[i] = x[i] * x[i]

What one statement leaves for the next stays in a register then, and needs no memory at all where
nobody else reads it.
"""

from __future__ import annotations

from math import prod

from ..ir.expr import Var
from ..ir.program import (
    Allocate,
    Evaluate,
    For,
    LoopKind,
    Program,
    Seq,
    Stmt,
    While,
    seq,
    walk,
)
from ..records import replace
from ..schedules.step import rebuild
from .data_extents import is_open
from .meetings import depends_on_writes, extents_in, meet_once, meetings, never_meet, touches
from .simplify_program import substitute_all

MOST = 16  # arrays of one loop: each is a stream of memory, and takes a register for its address
KINDS = (LoopKind.SERIAL, LoopKind.VECTORIZED, LoopKind.UNROLLED)
NO_POINTS = (While, Evaluate, Allocate)


def join_points(program: Program) -> Program:
    """``program`` with neighbouring loops joined wherever an iteration of the second one needs of
    the first one's no more than the same iteration leaves, and both touch the same memory.

    It is for programs whose buffers share none. Programs that may raise keep their order.
    """
    if {"refusals", "checked"} & program.attrs.keys():
        return program
    body = rebuild(program.body, _neighbours)
    return program if body is program.body else program.with_body(body)


class _UnfitError(Exception):
    """Two loops have to stay two."""


def _neighbours(stmt: Stmt) -> Stmt | None:
    """Statements in a row, with loops among them that were neighbours as one."""
    if not isinstance(stmt, Seq):
        return None
    made: list[Stmt] = []
    for part in (rebuild(s, _neighbours) for s in stmt.stmts):
        at = len(made) - 1
        both = _both(made[at], part) if made else None
        while both is None and at > 0 and _may_pass(part, made[at]):
            at -= 1
            both = _both(made[at], part)
        if both is None:
            made.append(part)
        else:
            made[at] = both
    return stmt if all(a is b for a, b in zip(made, stmt.stmts)) else seq(*made)


def _both(one: Stmt, other: Stmt) -> Stmt | None:
    """Two loops as one; None where they are no such, or have nothing in common."""
    if not isinstance(one, For) or not isinstance(other, For) or not _are_alike(one, other):
        return None
    touched = {b for b, _ in touches(one) if b.shape}
    also = {b for b, _ in touches(other) if b.shape}
    if not touched & also or len(touched | also) > MOST or depends_on_writes(one, other):
        return None
    try:
        return _joined(one, other)
    except _UnfitError:
        return None


def _are_alike(one: Stmt, other: Stmt) -> bool:
    """Whether two statements are loops around each other in the same way, of as many iterations."""
    match one, other:
        case For(), For():
            same = (one.extent, one.kind, one.annotations) == (
                other.extent, other.kind, other.annotations,
            )  # fmt: skip
            return (
                same
                and one.kind in KINDS
                and not (is_open(one) or is_open(other))
                and _are_alike(one.body, other.body)
            )
        case Seq(stmts=parts), Seq(stmts=others) if any(isinstance(s, For) for s in parts):
            return len(parts) == len(others) and all(map(_are_alike, parts, others))
        case _:
            return not any(isinstance(s, (For, *NO_POINTS)) for t in (one, other) for s in walk(t))


def _joined(one: Stmt, other: Stmt) -> Stmt:
    """Statements that are alike as one.

    Raises :class:`_UnfitError` where an iteration of the second one's loops would come too early.
    """
    match one, other:
        case For(var=var), For():
            there: dict[Var, Var] = {other.var: var}
            renamed = substitute_all(other.body, there)  # type: ignore[arg-type]
            inside = extents_in(one.body, renamed)
            anywhere = {**inside, var: one.extent}
            if var in extents_in(other.body):
                raise _UnfitError
            for here, that in meetings(one.body, renamed):
                if not any(
                    meet_once(a, b, var, inside) or never_meet(a, b, anywhere)
                    for a, b in zip(here, that)
                ):
                    raise _UnfitError
            return replace(one, body=_joined(one.body, renamed))
        case Seq(stmts=parts), Seq(stmts=others) if any(isinstance(s, For) for s in parts):
            for n, part in enumerate(others):
                if not all(_may_swap(before, part) for before in parts[n + 1 :]):
                    raise _UnfitError
            return seq(*(_joined(a, b) for a, b in zip(parts, others)))
        case _:
            return seq(one, other)


def _may_pass(loop: Stmt, before: Stmt) -> bool:
    """Whether ``loop`` can come before what has fewer points, as the last elements of rows have
    that fill no vector."""
    if not isinstance(loop, For) or not isinstance(before, For):
        return False
    return prod(extents_in(before).values()) < loop.extent and _may_swap(before, loop)


def _may_swap(one: Stmt, other: Stmt) -> bool:
    """Whether the order of two statements does not matter."""
    if any(isinstance(s, NO_POINTS) for t in (one, other) for s in walk(t)):
        return False
    inside = extents_in(one, other)
    return not depends_on_writes(one, other) and all(
        any(never_meet(a, b, inside) for a, b in zip(here, there))
        for here, there in meetings(one, other)
    )
