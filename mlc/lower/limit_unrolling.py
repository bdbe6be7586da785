"""limit_unrolling: loops too long to be written out stay loops."""

from __future__ import annotations

from ..ir.program import (
    Allocate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    While,
    children_of,
    seq,
    walk,
)
from ..records import replace

MOST_STATEMENTS = 1024  # that one unrolled loop may become


def limit_unrolling(program: Program) -> Program:
    """``for u in T.unrolled(100000): s`` -> ``for u in range(100000): s``.

    Of nested unrolled loops the innermost ones are written out first.
    """
    marked = [s for s in walk(program.body) if isinstance(s, For) and s.kind is LoopKind.UNROLLED]
    if all(_statements(loop) <= MOST_STATEMENTS for loop in marked):
        return program
    return program.with_body(_limit(program.body))


def _statements(stmt: Stmt) -> int:
    """How many leaves ``stmt`` has once loops marked so are written out."""
    below = children_of(stmt)
    total = sum(map(_statements, below)) if below else 1
    if isinstance(stmt, For) and stmt.kind is LoopKind.UNROLLED:
        total *= stmt.extent
    return total


def _limit(stmt: Stmt) -> Stmt:
    match stmt:
        case For():
            done = replace(stmt, body=_limit(stmt.body))
            if done.kind is LoopKind.UNROLLED and _statements(done) > MOST_STATEMENTS:
                return replace(done, kind=LoopKind.SERIAL)
            return done
        case Allocate() | While():
            return replace(stmt, body=_limit(stmt.body))
        case Seq():
            return seq(*map(_limit, stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _limit(stmt.otherwise)
            return If(stmt.condition, _limit(stmt.then), other)
        case _:
            return stmt
