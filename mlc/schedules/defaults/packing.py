"""Copies that lie otherwise than what they are made of: which of their loops stands outside."""

from __future__ import annotations

from ...te.program import Nest
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step

LINE_BYTES = 64


def read_in_order(s: Schedule, name: str, nest: Nest) -> None:
    """``for panel, k, lane: packed[panel, k, lane] = b[k, 64 * panel + lane]`` ->
    ``for k, panel, lane``: what is read goes by once, from its begin to its end.

    Reads that jump are late, as nothing sees them coming; pieces of whole cache lines may be
    written anywhere. Done for copies that read neighbours along their last axis: one, or some that
    lie equally far apart everywhere.
    """
    axes, loads = nest.compute.axes, loads_in(nest)
    if reduce_axes(nest) or len(nest.tensors) != 1 or not loads or len(axes) < 3:
        return
    first, *others = loads
    *outer, last = axes
    if step(first, last) != 1 or last.extent * nest.tensors[0].dtype.itemsize < LINE_BYTES:
        return
    for other in others:  # neighbours along the reduction that make one number
        if other.source is not first.source or any(step(other, a) != step(first, a) for a in axes):
            return
    steps = [step(first, axis) for axis in outer]
    if any(n is None or n < 0 for n in steps):
        return
    order = sorted(range(len(outer)), key=lambda d: -(steps[d] or 0))
    if order != list(range(len(outer))):
        loops = s.loops(name)
        s.reorder(*(loops[d] for d in order))
