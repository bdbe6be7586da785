"""unroll_loops: loops marked so are written out."""

from __future__ import annotations

from ..ir.expr import const
from ..ir.program import Allocate, For, If, LoopKind, Program, Seq, Stmt, While, seq
from ..records import replace
from .simplify_program import simplify_stmt, substitute_all


def unroll_loops(program: Program) -> Program:
    """``for u in T.unrolled(2): s(u)`` -> ``s(0); s(1)``."""
    return program.with_body(simplify_stmt(_unroll(program.body), {}))


def _unroll(stmt: Stmt) -> Stmt:
    match stmt:
        case For(kind=LoopKind.UNROLLED):
            body = _unroll(stmt.body)
            return seq(*(substitute_all(body, {stmt.var: const(n)}) for n in range(stmt.extent)))
        case For():
            return replace(stmt, body=_unroll(stmt.body))
        case Allocate() | While():
            return replace(stmt, body=_unroll(stmt.body))
        case Seq():
            return seq(*(_unroll(s) for s in stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _unroll(stmt.otherwise)
            return If(stmt.condition, _unroll(stmt.then), other)
        case _:
            return stmt
