"""Transposed copies: tiles in which what one row loads is still in cache for the next."""

from __future__ import annotations

from ...ir.expr import Axis, Var
from ...te.program import Nest
from ..schedule import Schedule
from .access import loads_in, step
from .machine import Machine
from .vectors import extent_of, lanes_for

ROWS = 16  # rows of a tile: the elements of a cache line of float32
FAR = 8  # elements; loads that are nearer than this along the lanes share cache lines anyway


def transposed_axis(nest: Nest) -> Axis | None:
    """The axis along which some load finds neighbours while it jumps along the last axis, if
    any."""
    axes = nest.compute.axes
    if len(axes) < 2 or axes[-1].extent < FAR:
        return None
    for node in loads_in(nest):
        along = step(node, axes[-1])
        if along is None or abs(along) < FAR:
            continue
        for axis in reversed(axes[:-1]):
            if axis.extent >= FAR and step(node, axis) in (1, -1):
                return axis
    return None


def tile_transposed(
    s: Schedule, nest: Nest, loops: list[Var], across: Axis, machine: Machine
) -> Var:
    """``for i: for j`` -> ``for i_0: for j_0: for i_1 in range(16): for j_1 in lanes``; returns the
    outermost loop."""
    rows = next(v for v, a in zip(loops, nest.compute.axes, strict=True) if a is across)
    last = loops[-1]
    lanes = lanes_for(nest, extent_of(s, last), machine)
    row_tile, row = s.split(rows, [None, ROWS])
    column_tile, column = s.split(last, [None, lanes])
    others = [v for v in loops[:-1] if v is not rows]
    s.reorder(*others, row_tile, column_tile, row, column)
    s.vectorize(column)
    return others[0] if others and extent_of(s, others[0]) > 1 else row_tile
