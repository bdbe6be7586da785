"""Which axis of a fold lanes run along, and whether its values may be added up in parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from ...ir.expr import Axis, Load, Reduce, reduce
from ...ir.rewrite import variables_of
from ...te.factor import fuse_reduce_axes
from ...te.program import Nest
from .access import loads_in, reduce_axes, step

FILLED = 16  # a reduce axis shorter than this leaves lanes empty


def fuse_reduced(nest: Nest) -> Nest:
    """Reduce axes that every load walks as one become one axis."""
    nest = _in_memory_order(nest)
    changed = True
    while changed:
        changed = False
        axes = reduce_axes(nest)
        for outer, inner in pairwise(axes):
            steps = [(step(n, outer), step(n, inner)) for n in loads_in(nest)]
            if all(a is not None and b is not None and a == b * inner.extent for a, b in steps):
                nest = fuse_reduce_axes(nest, outer, inner)
                changed = True
                break
    return nest


def _in_memory_order(nest: Nest) -> Nest:
    """Reduce axes in the order in which all loads find them in memory, if there is one: arrays in
    Fortran's order are folded as they lie."""
    root, axes = nest.compute.body[0], reduce_axes(nest)
    if len(axes) < 2 or not isinstance(root, Reduce) or not root.combiner.commutative:
        return nest
    walks = [[step(n, axis) for axis in axes] for n in loads_in(nest)]
    steps = [[abs(by) for by in walk if by is not None] for walk in walks]
    if not steps or any(len(walk) < len(axes) for walk in steps):
        return nest
    order = sorted(range(len(axes)), key=lambda d: -max(walk[d] for walk in steps))
    found = [[walk[d] for d in order if walk[d]] for walk in steps]
    if order == list(range(len(axes))) or any(a < b for w in found for a, b in pairwise(w)):
        return nest
    turned = tuple(axes[d] for d in order)
    body = tuple(
        reduce(root.combiner, root.values, turned, n) for n in range(len(nest.compute.body))
    )
    return Nest(nest.tensors, replace(nest.compute, body=body))


def vector_axis(nest: Nest, private: tuple[Axis, ...]) -> Axis | None:
    """The axis whose lanes load neighbours: the last private spatial axis if it does, else a reduce
    axis that is long enough to fill the lanes. Loads count by how much they read."""
    axes = (*nest.compute.axes, *reduce_axes(nest))
    loads = [(n, _reach(n, axes)) for n in loads_in(nest)]
    best, best_score = None, -1.0
    wide = [axis for axis in private if axis.extent > 1]
    for axis in (*wide[-1:], *reversed(reduce_axes(nest))):
        if axis.extent == 1:
            continue
        score = 0.0
        for node, reach in loads:
            along = step(node, axis)
            score += reach * _quality(along)
        if axis.is_reduce:
            score *= min(axis.extent / FILLED, 1.0)
        if score > best_score:
            best, best_score = axis, score
    return best


def _quality(along: int | None) -> float:
    """How well lanes load that are ``along`` elements apart."""
    match along:
        case 1:
            return 1.0
        case 2 | 3 | 4:  # picked from whole vectors
            return 0.8 / along
        case -1:
            return 0.25
        case 0:  # one element for all lanes is cheaper than one from far away for each
            return 0.1
        case _:
            return 0.05


def _reach(node: Load, axes: tuple[Axis, ...]) -> float:
    """The share of the nest's points at which ``node`` reads something new."""
    used = {v for index in node.indices for v in variables_of(index)}
    share = 1.0
    for axis in axes:
        if axis not in used:
            share /= max(axis.extent, 1)
    return share


def is_foldable(nest: Nest) -> bool:
    """Whether the fold may be rearranged."""
    root = nest.compute.body[0]
    return isinstance(root, Reduce) and root.combiner.commutative
