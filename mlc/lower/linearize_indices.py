"""linearize_indices: several indices into a buffer become one offset."""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Expr, Load, Var, const, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    For,
    If,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    map_exprs,
    seq,
)
from ..ir.rewrite import rewrite
from ..ir.simplify import simplify


def linearize_indices(program: Program) -> Program:
    """``A[f // 32, f % 32]`` -> ``A[0, f]`` for A of shape (8, 32): all in the last index.

    Only offsets mean something afterwards, so bounds must have been checked before. Buffers whose
    last stride does not divide the others, and registers, keep their indices.
    """
    return program.with_body(_linearize(program.body, {}, {}))


def _linearize(stmt: Stmt, ranges: dict[Var, int], memo: dict[Expr, Expr]) -> Stmt:
    def expr(root: Expr) -> Expr:
        return rewrite(root, on_load, memo)

    def on_load(node: Expr) -> Expr | None:
        if not isinstance(node, Load):
            return None
        indices = point(node.source, node.indices)
        return None if indices is node.indices else load(node.source, indices)

    def point(buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return _offset(buffer, indices, ranges)

    match stmt:
        case For():
            inner = {**ranges, stmt.var: stmt.extent}
            return replace(stmt, body=_linearize(stmt.body, inner, {}))
        case Allocate():
            return replace(stmt, body=_linearize(stmt.body, ranges, memo))
        case Seq():
            return seq(*(_linearize(s, ranges, memo) for s in stmt.stmts))
        case If():
            other = stmt.otherwise
            if other is not None:
                other = _linearize(other, ranges, memo)
            return If(expr(stmt.condition), _linearize(stmt.then, ranges, memo), other)
        case Store():
            indices = point(stmt.buffer, tuple(map(expr, stmt.indices)))
            return Store(stmt.buffer, indices, expr(stmt.value))
        case Accumulate():
            indices = tuple(map(expr, stmt.indices))
            if len({b.element_strides for b in stmt.buffers}) == 1:
                indices = point(stmt.buffers[0], indices)
            return replace(stmt, indices=indices, values=tuple(map(expr, stmt.values)))
        case _:
            return map_exprs(stmt, expr)


def _offset(buffer: Buffer, indices: tuple[Expr, ...], ranges: dict[Var, int]) -> tuple[Expr, ...]:
    strides = buffer.element_strides
    if buffer.scope is Scope.REGISTER or len(strides) < 2:
        return indices
    last = strides[-1]
    if last == 0 or any(stride % last for stride in strides):
        return indices
    total: Expr = const(0)
    for stride, index in zip(strides, indices, strict=True):
        total = total + index * (stride // last)
    return (*(const(0) for _ in strides[:-1]), simplify(total, ranges))
