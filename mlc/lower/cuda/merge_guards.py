"""merge_guards: one condition around statements that ask the same."""

from __future__ import annotations

from dataclasses import replace

from ...ir.expr import Expr
from ...ir.program import (
    Allocate,
    Evaluate,
    For,
    If,
    Seq,
    Stmt,
    While,
    seq,
    walk,
)
from ...ir.rewrite import loads_of, variables_of
from .kernel import BARRIER
from .touching import buffers_written


def merge_guards(stmt: Stmt) -> Stmt:
    """``if c: s; if c: t`` -> ``if c: (s; t)``, and ``for i: if c: s`` -> ``if c: for i: s`` where
    ``c`` stays as it is on the way. No barrier gets into a condition."""
    match stmt:
        case Seq(stmts=stmts):
            return _sequence([merge_guards(s) for s in stmts])
        case For(var=var, body=body):
            inner = merge_guards(body)
            if isinstance(inner, If) and inner.otherwise is None and _stays(inner.condition, inner):
                if all(v is not var for v in variables_of(inner.condition)) and not _waits(inner):
                    return If(inner.condition, replace(stmt, body=inner.then))
            return replace(stmt, body=inner)
        case Allocate(buffers=buffers, body=body):
            inner = merge_guards(body)
            if isinstance(inner, If) and inner.otherwise is None and not _waits(inner):
                if not any(load.source in buffers for load in loads_of(inner.condition)):
                    return If(inner.condition, replace(stmt, body=inner.then))
            return replace(stmt, body=inner)
        case While():
            return replace(stmt, body=merge_guards(stmt.body))
        case If():
            other = None if stmt.otherwise is None else merge_guards(stmt.otherwise)
            then = merge_guards(stmt.then)
            if other is None and isinstance(then, If) and then.otherwise is None:
                if not loads_of(then.condition):
                    return If(stmt.condition & then.condition, then.then)
            return If(stmt.condition, then, other)
        case _:
            return stmt


def _sequence(parts: list[Stmt]) -> Stmt:
    out: list[Stmt] = []
    for part in parts:
        last = out[-1] if out else None
        if (
            isinstance(last, If)
            and isinstance(part, If)
            and last.condition is part.condition
            and last.otherwise is None
            and part.otherwise is None
            and not _waits(last)
            and not _waits(part)
            and _stays(last.condition, last)
        ):
            out[-1] = If(last.condition, merge_guards(seq(last.then, part.then)))
        else:
            out.append(part)
    return seq(*out)


def _stays(condition: Expr, stmt: Stmt) -> bool:
    """Whether ``stmt`` leaves alone what ``condition`` reads."""
    read = {load.source for load in loads_of(condition)}
    return not read or not read & buffers_written(stmt)


def _waits(stmt: Stmt) -> bool:
    return any(isinstance(s, Evaluate) and s.name == BARRIER for s in walk(stmt))
