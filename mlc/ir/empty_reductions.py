"""Reductions over nothing leave their init."""

from __future__ import annotations

from dataclasses import replace

from .expr import Expr, Var
from .program import (
    Allocate,
    Block,
    For,
    If,
    LoopKind,
    Seq,
    Stmt,
    While,
    blocks_of,
    seq,
)
from .rewrite import conjuncts, variables_of


def fill(stmt: Stmt) -> Stmt:
    match stmt:
        case For(extent=0):
            inits = [
                init
                for block in blocks_of(stmt.body)
                for init in [init_over_nothing(stmt, block)]
                if init is not None
            ]
            return seq(*inits) if inits else stmt
        case For() | Allocate() | While():
            return replace(stmt, body=fill(stmt.body))
        case Seq(stmts=stmts):
            return seq(*map(fill, stmts))
        case If(condition=condition, then=then, otherwise=otherwise):
            return If(condition, fill(then), None if otherwise is None else fill(otherwise))
        case _:
            return stmt


def init_over_nothing(loop: For, block: Block) -> Stmt | None:
    """The init of ``block`` in what is left of ``loop``, the outermost one around it that has no
    iterations; None if it does not run."""
    if block.init is None or loop.var not in _reduced(block):
        return None
    return _init_of(loop, block, _reduced(block))


def _reduced(block: Block) -> set[Var]:
    return {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}


def _init_of(stmt: Stmt, block: Block, reduced: set[Var]) -> Stmt | None:
    """The init of ``block`` in what stands around it in ``stmt``, without the loops ``reduced``;
    None if it is not in there, or if these decide where it writes."""
    match stmt:
        case Block() if stmt is block:
            spatial = tuple(it for it in block.iters if not it.axis.is_reduce)
            if any(reduced.intersection(variables_of(it.binding)) for it in spatial):
                return None
            guard: Expr | None = None
            for test in conjuncts(block.predicate):
                if not reduced.intersection(variables_of(test)):
                    guard = test if guard is None else guard & test
            assert block.init is not None
            return Block(block.name, spatial, block.init, None, guard, block.location)
        case For(var=var) if var in reduced:
            return _init_of(stmt.body, block, reduced)
        case For() | Allocate():
            body = _init_of(stmt.body, block, reduced)
            if body is None:
                return None
            if isinstance(stmt, For):
                return For(stmt.var, stmt.extent, body, LoopKind.SERIAL)
            return replace(stmt, body=body)
        case If(condition=condition, then=then, otherwise=otherwise):
            if reduced.intersection(variables_of(condition)):
                return None
            body = _init_of(then, block, reduced)
            if body is not None:
                return If(condition, body)
            body = None if otherwise is None else _init_of(otherwise, block, reduced)
            return None if body is None else If(~condition, body)
        case Seq(stmts=stmts):
            found = (_init_of(part, block, reduced) for part in stmts)
            return next((part for part in found if part is not None), None)
        case _:
            return None
