"""simplify_program: every expression simplified by the ranges of the loops around it."""

from __future__ import annotations

from dataclasses import field

from ..ir.expr import Const, Expr, Var, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    While,
    map_exprs,
    seq,
)
from ..ir.rewrite import substitute
from ..ir.simplify import simplify
from ..records import dataclass, replace

NOTHING = Seq(())


def simplify_program(program: Program) -> Program:
    """``If(0 <= i, s)`` -> ``s`` where i is a loop index.

    Empty loops vanish, and so do those of one iteration unless they are parallel.
    """
    return program.with_body(simplify_stmt(program.body, {}))


def is_empty(stmt: Stmt) -> bool:
    """Whether ``stmt`` does nothing at all."""
    return isinstance(stmt, Seq) and not stmt.stmts


@dataclass(eq=False)
class Known:
    """What expressions become within some ranges, and within those of one loop more: loops that
    were written out leave many with the same variable and the same expressions."""

    terms: dict[Expr, Expr] = field(default_factory=dict)
    inside: dict[tuple[Var, int], Known] = field(default_factory=dict)

    def within(self, var: Var, extent: int) -> Known:
        """What is known inside the loop."""
        found = self.inside.get((var, extent))
        if found is None:
            found = self.inside[var, extent] = Known()
        return found


def simplify_stmt(stmt: Stmt, ranges: dict[Var, int], shared: Known | None = None) -> Stmt:
    """``stmt`` simplified for variables within ``ranges``; ``shared`` keeps results for them."""
    memo = Known() if shared is None else shared

    def expr(e: Expr) -> Expr:
        return simplify(e, ranges, memo.terms)

    match stmt:
        case For(var=var, extent=extent):
            if extent <= 0:
                return NOTHING
            if extent == 1 and stmt.kind is not LoopKind.PARALLEL:
                return simplify_stmt(substitute_all(stmt.body, {var: const(0)}), ranges, memo)
            body = simplify_stmt(stmt.body, {**ranges, var: extent}, memo.within(var, extent))
            return NOTHING if is_empty(body) else replace(stmt, body=body)
        case While():
            test = expr(stmt.condition)
            if isinstance(test, Const) and not test.value:
                return NOTHING
            return While(test, simplify_stmt(stmt.body, ranges, memo))
        case If():
            test = expr(stmt.condition)
            if isinstance(test, Const):
                chosen = stmt.then if test.value else stmt.otherwise
                return NOTHING if chosen is None else simplify_stmt(chosen, ranges, memo)
            then = simplify_stmt(stmt.then, ranges, memo)
            other = None if stmt.otherwise is None else simplify_stmt(stmt.otherwise, ranges, memo)
            if other is None or is_empty(other):
                return NOTHING if is_empty(then) else If(test, then)
            return If(test, then, other)
        case Seq():
            out = [simplify_stmt(s, ranges, memo) for s in stmt.stmts]
            return seq(*out)
        case Allocate():
            body = simplify_stmt(stmt.body, ranges, memo)
            return NOTHING if is_empty(body) else replace(stmt, body=body)
        case Store() | Accumulate() | Evaluate():
            return map_exprs(stmt, expr)
        case _:
            return stmt


def substitute_all(stmt: Stmt, mapping: dict[Var, Expr]) -> Stmt:
    """``stmt`` with loop variables replaced everywhere."""
    memo: dict[Expr, Expr] = {}
    return map_exprs(stmt, lambda e: substitute(e, mapping, memo))
