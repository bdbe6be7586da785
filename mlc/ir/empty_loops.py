"""Reductions over nothing: their inits still run."""

from __future__ import annotations

from dataclasses import replace

from .expr import Expr, Var
from .program import Allocate, Block, For, If, LoopKind, Program, Seq, Stmt, blocks_of, walk
from .rewrite import conjuncts, variables_of


def fill_empty_reductions(program: Program) -> Program:
    """A loop of extent 0 that feeds a reduce axis becomes the init of its block, in spatial loops.

    ``for i, k in grid(n, 0): block(init: C[i] = 0; ...)`` -> ``for i in serial(n): C[i] = 0``.
    Executors that run an init at the first reduce iteration need this; there is no first one here.
    """
    if not any(isinstance(s, For) and s.extent == 0 for s in walk(program.body)):
        return program
    return program.with_body(_fill(program.body))


def _fill(stmt: Stmt) -> Stmt:
    match stmt:
        case For(extent=0):
            inits = _inits(stmt.body, {stmt.var}) if _feeds_reduction(stmt) else None
            return stmt if inits is None else inits
        case For() | Allocate():
            return replace(stmt, body=_fill(stmt.body))
        case Seq(stmts=stmts):
            return Seq(tuple(map(_fill, stmts)))
        case If(condition=condition, then=then, otherwise=otherwise):
            return If(condition, _fill(then), None if otherwise is None else _fill(otherwise))
        case _:
            return stmt


def _feeds_reduction(loop: For) -> bool:
    """Whether the loop reaches a reduce axis of a block; if not, it runs over output points."""
    return any(
        it.axis.is_reduce and loop.var in set(variables_of(it.binding))
        for block in blocks_of(loop.body)
        for it in block.iters
    )


def _inits(stmt: Stmt, empty: set[Var]) -> Stmt | None:
    """The inits of the blocks in ``stmt`` that reduce over one of ``empty``; None without any."""
    match stmt:
        case Block(iters=iters, init=init, predicate=predicate):
            reduced = {v for it in iters if it.axis.is_reduce for v in variables_of(it.binding)}
            if init is None or not reduced & empty:
                return None
            spatial = tuple(it for it in iters if not it.axis.is_reduce)
            guard: Expr | None = None
            for test in conjuncts(predicate):
                if not reduced.intersection(variables_of(test)):
                    guard = test if guard is None else guard & test
            return Block(stmt.name, spatial, init, None, guard, stmt.location)
        case For(var=var):
            feeds_reduction = _feeds_reduction(stmt)
            body = _inits(stmt.body, empty | {var} if feeds_reduction else empty)
            if body is None or feeds_reduction:
                return body
            return For(var, stmt.extent, body, LoopKind.SERIAL)
        case Allocate(body=inner):
            return _inits(inner, empty)
        case If(condition=condition, then=then):
            body = _inits(then, empty)
            return None if body is None else If(condition, body)
        case Seq(stmts=stmts):
            found = [s for s in (_inits(part, empty) for part in stmts) if s is not None]
            return Seq(tuple(found)) if found else None
        case _:
            return None
