"""bind_blocks: blocks become plain statements over the loop variables."""

from __future__ import annotations

from ..ir.expr import Expr, Var, apply, const
from ..ir.parts import has_empty_loops
from ..ir.program import (
    Allocate,
    Block,
    For,
    If,
    Program,
    Seq,
    Stmt,
    While,
    blocks_of,
    map_exprs,
    seq,
)
from ..ir.rewrite import substitute
from ..records import replace


def bind_blocks(program: Program) -> Program:
    """``with block: vi = axis(i0 * 4 + i1); body(vi)`` -> ``body(i0 * 4 + i1)``.

    A predicate becomes an ``If``. An ``init`` runs right before the outermost loop that feeds a
    reduce axis of its block, in copies of the spatial loops inside that one; where that would not
    be the same, as where other statements there touch its buffer, it runs right before the body,
    under the condition that all reduce axes are 0. A block that holds blocks is dissolved before
    they are. Reductions over nothing leave their init.
    """
    if has_empty_loops(program):
        from ..ir.empty_loops import fill_empty_reductions

        program = fill_empty_reductions(program)
    return program.with_body(_bind(_open(program.body), set()))


def _open(stmt: Stmt) -> Stmt:
    """``stmt`` with no block inside another: outer ones are dissolved, or, where they have an init,
    the inner ones are."""
    match stmt:
        case Block() if len(blocks_of(stmt)) > 1:
            if stmt.init is not None:
                init, body = _bind(_open(stmt.init), set()), _bind(_open(stmt.body), set())
                return replace(stmt, init=init, body=body)
            mapping: dict[Var, Expr] = {it.axis: it.binding for it in stmt.iters}
            inner = _open(map_exprs(stmt.body, lambda e: substitute(e, mapping)))
            return inner if stmt.predicate is None else If(stmt.predicate, inner)
        case For() | Allocate() | While():
            return replace(stmt, body=_open(stmt.body))
        case Seq():
            return seq(*map(_open, stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _open(stmt.otherwise)
            return If(stmt.condition, _open(stmt.then), other)
        case _:
            return stmt


def _bind(stmt: Stmt, started: set[Block]) -> Stmt:
    """``started`` holds the blocks whose init stands before a loop around ``stmt``."""
    match stmt:
        case Block():
            mapping: dict[Var, Expr] = {it.axis: it.binding for it in stmt.iters}
            body = map_exprs(stmt.body, lambda e: substitute(e, mapping))
            if stmt.init is not None and stmt not in started:
                init = map_exprs(stmt.init, lambda e: substitute(e, mapping))
                for it in reversed(stmt.iters):
                    if it.axis.is_reduce:
                        init = If(apply("eq", it.binding, const(0)), init)
                body = seq(init, body)
            return body if stmt.predicate is None else If(stmt.predicate, body)
        case For(extent=0):
            return stmt
        case For():
            inside = [b for b in blocks_of(stmt.body) if b.init is not None and b not in started]
            if not inside:
                return replace(stmt, body=_bind(stmt.body, started))
            from .block_starts import init_of, starts_before

            fresh = [block for block in inside if starts_before(stmt, block)]
            inits = [init_of(stmt, block) for block in fresh]
            return seq(*inits, replace(stmt, body=_bind(stmt.body, started | set(fresh))))
        case Allocate() | While():
            return replace(stmt, body=_bind(stmt.body, started))
        case Seq():
            return seq(*(_bind(s, started) for s in stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _bind(stmt.otherwise, started)
            return If(stmt.condition, _bind(stmt.then, started), other)
        case _:
            return stmt
