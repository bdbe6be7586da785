"""Where reductions begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.affine import Sum, as_sum
from ...ir.expr import Expr, Var, apply, const
from ...ir.integer_system import solve
from ...ir.program import Block, For
from ...ir.rewrite import substitute, variables_of
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


def starts_once_in(block: Block, nest: Sequence[For]) -> bool:
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
    return starts_once(block, loops) and names_elements_once(block, nest)


def names_elements_once(block: Block, nest: Sequence[For]) -> bool:
    """Whether no two iterations of ``nest`` lead to the same element with all reduce axes at 0."""
    extents = {f.var: f.extent for f in nest if f.extent > 1}
    spatial = [it.binding for it in block.iters if not it.axis.is_reduce]
    starts = [it.binding for it in block.iters if it.axis.is_reduce]
    rest = {v for e in spatial for v in variables_of(e)} & extents.keys()
    for binding in spatial:
        digits = digits_of(_moving(binding, extents), extents)
        if digits is not None and digits.is_injective:
            parts = [digit for _, digit in digits.terms]
            rest.difference_update(
                d.var for d in parts if d.low == 1 and d.extent == extents[d.var]
            )
    if not rest:
        return True
    twins: dict[Var, Expr] = {v: Var(f"{v.name}_other") for v in extents}
    space = Space()
    values = {
        var: {space.system.variable(0, n - 1): 1}
        for v, n in extents.items()
        for var in (v, twins[v])
        if isinstance(var, Var)
    }
    point = Point(space, values)
    ahead: Expr = const(0)
    for v, n in extents.items():
        ahead = ahead * n + (twins[v] - v)
    point.require(apply("gt", ahead, const(0)))
    for binding in starts:
        point.require(apply("eq", binding, const(0)))
        point.require(apply("eq", substitute(binding, twins), const(0)))
    for binding in spatial:
        point.require(apply("eq", binding, substitute(binding, twins)))
    return solve(space.system) is None


def _moving(binding: Expr, loops: Mapping[Var, int]) -> Expr:
    """``binding`` without what stands still in ``loops``: ``i0 * 16 + i1`` -> ``i1``."""
    terms = as_sum(binding).terms
    return Sum(tuple(t for t in terms if not loops.keys().isdisjoint(variables_of(t[0]))), 0).expr()


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
