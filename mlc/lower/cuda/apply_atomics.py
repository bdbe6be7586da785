"""apply_atomics: blocks of a grid that combine into one element do so by atomic operations."""

from __future__ import annotations

from ...ir.combiner import reducer
from ...ir.expr import Expr, Var
from ...ir.program import Accumulate, Allocate, Block, Buffer, Evaluate, For, Program, Region, Stmt
from ...ir.rewrite import variables_of
from ...schedules.legality.teams import is_atomic_fold
from ...schedules.step import rebuild

_NAMES = {"add": "atomic_add", "maximum": "atomic_max", "minimum": "atomic_min"}
_COMBINERS = {"atomic_add": "sum", "atomic_max": "max", "atomic_min": "min"}
ATOMICS = frozenset(_NAMES.values())


def apply_atomics(program: Program) -> Program:
    """``for k in blockIdx.x, atomic: t[i] += v`` -> ``for k in blockIdx.x: atomic_add(t[i], v)``,
    for elements that ``k`` does not move. Blocks are not bound yet."""

    def on(stmt: Stmt) -> Stmt | None:
        if isinstance(stmt, For) and is_atomic_fold(stmt):
            return For(
                stmt.var, stmt.extent, rebuild(_atomic(stmt.body, {stmt.var}, set()), on),
                stmt.kind, stmt.annotations,
            )  # fmt: skip
        return None

    return program.with_body(rebuild(program.body, on))


def _atomic(stmt: Stmt, moving: set[Var], own: set[Buffer]) -> Stmt:
    """``own`` is memory that each iteration has, and ``moving`` what counts iterations."""

    def on(node: Stmt) -> Stmt | None:
        match node:
            case Allocate(buffers=buffers):
                own.update(buffers)
            case Block(iters=iters):
                moving.update(
                    it.axis for it in iters if moving.intersection(variables_of(it.binding))
                )
            case Accumulate(buffers=(buffer,), indices=indices):
                moved = {v for index in indices for v in variables_of(index)}
                if buffer not in own and moving.isdisjoint(moved):
                    return as_atomic(node)
        return None

    return rebuild(stmt, on)


def as_atomic(update: Accumulate) -> Evaluate:
    """``t[i] += v`` -> ``atomic_add(t[i], v)``."""
    (buffer,), (value,) = update.buffers, update.values
    ones = (1,) * len(update.indices)
    return Evaluate(_NAMES[update.combiner.fn], (Region(buffer, update.indices, ones), value))


def from_atomic(call: Evaluate) -> Accumulate:
    """``atomic_add(t[i], v)`` -> ``t[i] += v``."""
    place, value = call.args
    assert isinstance(place, Region) and isinstance(value, Expr)
    dtype = place.buffer.dtype
    return Accumulate(
        reducer(_COMBINERS[call.name], dtype), (place.buffer,), place.starts, (value,)
    )
