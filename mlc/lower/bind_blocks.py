"""bind_blocks: blocks become plain statements over the loop variables."""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Expr, Var
from ..ir.program import (
    Allocate,
    Block,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    blocks_of,
    map_exprs,
    seq,
)
from ..ir.rewrite import conjuncts, substitute, variables_of


def bind_blocks(program: Program) -> Program:
    """``with block: vi = axis(i0 * 4 + i1); body(vi)`` -> ``body(i0 * 4 + i1)``.

    A predicate becomes an ``If``. An ``init`` runs right before the outermost loop that feeds a
    reduce axis of its block, in copies of the spatial loops inside that one. A block that holds
    blocks is dissolved before they are.
    """
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
        case For() | Allocate():
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
                body = seq(map_exprs(stmt.init, lambda e: substitute(e, mapping)), body)
            return body if stmt.predicate is None else If(stmt.predicate, body)
        case For():
            fresh = [
                block
                for block in blocks_of(stmt.body)
                if block.init is not None
                and block not in started
                and stmt.var in _reduce_vars(block)
            ]
            inits = [_init_of(stmt, block) for block in fresh]
            return seq(*inits, replace(stmt, body=_bind(stmt.body, started | set(fresh))))
        case Allocate():
            return replace(stmt, body=_bind(stmt.body, started))
        case Seq():
            return seq(*(_bind(s, started) for s in stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _bind(stmt.otherwise, started)
            return If(stmt.condition, _bind(stmt.then, started), other)
        case _:
            return stmt


def _reduce_vars(block: Block) -> set[Var]:
    return {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}


def _init_of(loop: For, block: Block) -> Stmt:
    """The initialisation of ``block`` in copies of the spatial loops below ``loop``."""
    reduced = _reduce_vars(block)
    chain = _chain(loop, block)
    assert chain is not None and block.init is not None
    kept = [f for f in chain if f.var not in reduced]
    fresh = {f.var: Var(f.var.name) for f in kept}
    mapping: dict[Var, Expr] = {
        it.axis: substitute(it.binding, fresh) for it in block.iters if not it.axis.is_reduce
    }
    body = map_exprs(block.init, lambda e: substitute(e, mapping))
    tests = [t for t in conjuncts(block.predicate) if not reduced.intersection(variables_of(t))]
    for test in tests:
        body = If(substitute(test, fresh), body)
    for f in reversed(kept):
        kind = LoopKind.SERIAL if f.kind is LoopKind.PARALLEL else f.kind
        body = For(fresh[f.var], f.extent, body, kind)
    return body


def _chain(stmt: Stmt, block: Block) -> list[For] | None:
    match stmt:
        case Block():
            return [] if stmt is block else None
        case For():
            below = _chain(stmt.body, block)
            return None if below is None else [stmt, *below]
        case Allocate():
            return _chain(stmt.body, block)
        case Seq():
            found = (_chain(s, block) for s in stmt.stmts)
            return next((f for f in found if f is not None), None)
        case If():
            below = _chain(stmt.then, block)
            if below is None and stmt.otherwise is not None:
                below = _chain(stmt.otherwise, block)
            return below
        case _:
            return None
