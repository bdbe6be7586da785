"""Where reductions begin."""

from __future__ import annotations

from collections.abc import Iterable

from ...ir.affine import as_sum
from ...ir.expr import Expr, Var, apply, const
from ...ir.integer_system import solve
from ...ir.program import Block, For
from ...ir.rewrite import variables_of
from .space import Point, Space


def starts_once(block: Block, loops: dict[Var, int]) -> bool:
    """Whether the reduce axes of ``block`` are 0 in the first iteration of ``loops`` alone: if not,
    its reduction starts anew in others."""
    bindings = [it.binding for it in block.iters if it.axis.is_reduce]
    counted = {v for e in bindings for v, c in as_sum(e).terms if isinstance(v, Var) and c > 0}
    is_plain = all(c > 0 and isinstance(v, Var) for e in bindings for v, c in as_sum(e).terms)
    if is_plain and counted >= loops.keys():
        return True
    space = Space()
    point = Point(space, {v: {space.system.variable(0, n - 1): 1} for v, n in loops.items()})
    total: Expr = const(0)
    for var in loops:
        total = total + var
    point.require(apply("gt", total, const(0)))
    for binding in bindings:
        point.require(apply("eq", binding, const(0)))
    return solve(space.system) is None


def starts_once_in(block: Block, nest: Iterable[For]) -> bool:
    """The same for those loops of ``nest`` that do not lead to other elements: where they begin
    again, the reduction of one element does."""
    fed: dict[bool, set[Var]] = {True: set(), False: set()}
    for it in block.iters:
        fed[it.axis.is_reduce].update(variables_of(it.binding))
    loops = {
        f.var: f.extent
        for f in nest
        if f.extent > 1 and (f.var in fed[True] or f.var not in fed[False])
    }
    return starts_once(block, loops)
