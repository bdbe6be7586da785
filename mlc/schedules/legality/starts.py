"""Where reductions begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...ir.affine import as_sum
from ...ir.expr import Expr, Var, apply, const
from ...ir.integer_system import solve
from ...ir.program import Block, For
from ...ir.rewrite import variables_of
from ..digits import digits_of
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


def count_from_zero(bindings: Sequence[Expr], guards: Sequence[Expr], loops: Sequence[For]) -> bool:
    """Whether the first of all iterations of ``loops`` in which ``guards`` hold is that in which
    all ``bindings`` are 0, as far as the guards that keep them from going below 0 decide that.

    Each must go through a range of numbers in the order of the loops, each number once.
    """
    extents = {f.var: f.extent for f in loops}
    place = {f.var: n for n, f in enumerate(loops)}
    if len({v for e in bindings for v in variables_of(e)}) < sum(
        len(set(variables_of(e))) for e in bindings
    ):
        return False
    for binding in bindings:
        digits = digits_of(binding, extents)
        if digits is None or not (digits.is_contiguous and digits.is_injective):
            return False
        inwards = [(place[d.var], -d.low) for _, d in digits.terms]
        if inwards != sorted(inwards, reverse=True) or not digits.constant <= 0 <= digits.greatest:
            return False
        if digits.constant < 0 and not _never_below(binding, guards, extents):
            return False
    return True


def _never_below(binding: Expr, guards: Sequence[Expr], extents: dict[Var, int]) -> bool:
    """Whether ``binding`` is 0 at least wherever ``guards`` hold."""
    space = Space()
    values = {v: {space.system.variable(0, n - 1): 1} for v, n in extents.items() if n}
    point = Point(space, values)
    for guard in guards:
        point.require(guard)
    point.require(apply("lt", binding, const(0)))
    return solve(space.system) is None
