"""unroll_loops: loops marked so are written out."""

from __future__ import annotations

from ..ir.expr import Expr, Var
from ..ir.program import (
    Allocate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    While,
    map_exprs,
    seq,
)
from ..ir.rewrite import substitute_numbers
from ..records import replace
from .simplify_program import simplify_stmt


def unroll_loops(program: Program) -> Program:
    """``for u in T.unrolled(2): s(u)`` -> ``s(0); s(1)``."""
    return program.with_body(simplify_stmt(_unroll(program.body, {}, {}), {}))


def _unroll(stmt: Stmt, fixed: dict[Var, int], memo: dict[Expr, Expr]) -> Stmt:
    """``stmt`` for these numbers of the loops around it; ``memo`` is of them."""
    match stmt:
        case For(kind=LoopKind.UNROLLED, var=var, body=body):
            counts = range(stmt.extent)
            return seq(*[_unroll(body, {**fixed, var: n}, {}) for n in counts])
        case For() | Allocate():
            return replace(stmt, body=_unroll(stmt.body, fixed, memo))
        case While(condition=condition, body=body):
            return While(substitute_numbers(condition, fixed, memo), _unroll(body, fixed, memo))
        case Seq():
            return seq(*[_unroll(s, fixed, memo) for s in stmt.stmts])
        case If(condition=condition, then=then, otherwise=otherwise):
            other = None if otherwise is None else _unroll(otherwise, fixed, memo)
            return If(substitute_numbers(condition, fixed, memo), _unroll(then, fixed, memo), other)
        case _:
            return map_exprs(stmt, lambda e: substitute_numbers(e, fixed, memo)) if fixed else stmt
