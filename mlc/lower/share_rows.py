"""Loops whose iterations change rows of their own are shared by threads."""

from __future__ import annotations

from ..ir.affine import Sum, as_sum
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Stmt,
    Store,
    While,
    children_of,
    walk,
)
from ..records import replace
from ..schedules.step import rebuild
from .data_extents import is_open
from .meetings import touches, writes

LEAST_POINTS = 1 << 16  # that all iterations together compute, where threads help
A_TASK = 1 << 14  # of one task
SOME = 16  # iterations, where data say how many


def share_rows(program: Program) -> Program:
    """``for i in range(n): y[i] = f(x, i)`` -> ``for i in T.parallel(n): y[i] = f(x, i)`` where no
    iteration touches what another one changes, and there is enough to do.

    Programs that may raise keep their order.
    """
    if {"refusals", "checked"} & program.attrs.keys():
        return program
    body = rebuild(program.body, _shared)
    return program if body is program.body else program.with_body(body)


def _shared(stmt: Stmt) -> Stmt | None:
    if not isinstance(stmt, For) or stmt.kind is not LoopKind.SERIAL:
        return None
    points = _points(stmt)
    if points < LEAST_POINTS or not _are_apart(stmt):
        return None
    grain = -(-A_TASK * stmt.extent // points)
    hints = (*stmt.annotations, ("grain", grain)) if grain > 1 else stmt.annotations
    return replace(stmt, kind=LoopKind.PARALLEL, annotations=hints)


def _points(stmt: Stmt) -> int:
    """How many elements ``stmt`` computes, about."""
    match stmt:
        case For(extent=extent, body=body):
            return (SOME if is_open(stmt) else extent) * _points(body)
        case While(body=body):
            return SOME * _points(body)
        case Store() | Accumulate():
            return 1
        case _:
            return sum(map(_points, children_of(stmt)))


def _are_apart(loop: For) -> bool:
    """Whether what an iteration of ``loop`` changes is touched by no other one."""
    inside = list(walk(loop.body))
    if loop.extent < 2 or is_open(loop):
        return False
    for stmt in inside:
        if isinstance(stmt, Evaluate):
            return False
        if isinstance(stmt, For) and stmt.kind in (LoopKind.PARALLEL, LoopKind.BOUND):
            return False
    held = {b for s in inside if isinstance(s, Allocate) for b in s.buffers}
    written = {b for b, _ in writes(loop.body)} - held
    if any(not b.shape for b in written):
        return False
    return all(_has_rows(b, loop) for b in written)


def _has_rows(buffer: Buffer, loop: For) -> bool:
    """Whether each iteration of ``loop`` touches other indices of ``buffer`` along some axis."""
    var, places = loop.var, [indices for b, indices in touches(loop.body) if b is buffer]
    for axis in range(buffer.ndim):
        first = as_sum(places[0][axis])
        if dict(first.terms) == {var: 1} and all(_same(as_sum(p[axis]), first) for p in places):
            return True
    return False


def _same(one: Sum, other: Sum) -> bool:
    apart = one.plus(other, -1)
    return not apart.terms and not apart.constant
