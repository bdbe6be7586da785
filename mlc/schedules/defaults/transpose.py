"""Transposed copies: tiles in which what one row loads is still in cache for the next."""

from __future__ import annotations

from ...intrinsics.transpose import line_of, transpose_tile
from ...ir.affine import linear_in
from ...ir.expr import Axis, Load, Var
from ...te.program import Nest
from ..schedule import Schedule
from .access import loads_in, points, step
from .machine import Machine
from .vectors import extent_of, lanes_for

ROWS = 16  # rows of a tile: the elements of a cache line of float32
SMALL_BYTES = 16 << 10  # copies up to this size stay in the nearest cache
MOST_LANES = 16  # a larger tile needs more registers than there are
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
    outermost loop. Tiles of a mere copy are turned in registers."""
    lanes = _register_lanes(nest, across, machine)
    if lanes:
        return _in_registers(s, nest, loops, across, lanes)
    rows = next(v for v, a in zip(loops, nest.compute.axes, strict=True) if a is across)
    last = loops[-1]
    lanes = lanes_for(nest, extent_of(s, last), machine)
    row_tile, row = s.split(rows, [None, ROWS])
    column_tile, column = s.split(last, [None, lanes])
    others = [v for v in loops[:-1] if v is not rows]
    s.reorder(*others, row_tile, column_tile, row, column)
    s.vectorize(column)
    return others[0] if others and extent_of(s, others[0]) > 1 else row_tile


def _register_lanes(nest: Nest, across: Axis, machine: Machine) -> int:
    """The side of the tiles that registers can turn, or 0: for copies with whole tiles in them."""
    (body, *others) = nest.compute.body
    if others or not isinstance(body, Load):
        return 0
    last = nest.compute.axes[-1]
    # The instruction reads neighbours in order: nothing reversed, nothing left out.
    if any(linear_in(i, axis) not in (0, 1) for i in body.indices for axis in (across, last)):
        return 0
    lanes = min(machine.vector_bytes // body.dtype.itemsize, MOST_LANES)
    line = line_of(body.dtype)
    if line and not across.extent % line and not last.extent % line:
        lanes = line
    while lanes > 4 and any(16 * (a.extent % lanes) > a.extent for a in (across, last)):
        lanes //= 2  # smaller tiles, less of it left at the edges
    large = points(nest) * body.dtype.itemsize >= SMALL_BYTES
    return lanes if large and min(across.extent, last.extent) >= lanes >= 4 else 0


def _in_registers(s: Schedule, nest: Nest, loops: list[Var], across: Axis, lanes: int) -> Var:
    """``for i: for j`` -> ``for i_0: for j_0: transpose_tile``, four by four tiles at a time; what
    is left at the edges is copied element by element."""
    intrinsic = transpose_tile(lanes, nest.tensors[0].dtype)
    rows = next(v for v, a in zip(loops, nest.compute.axes, strict=True) if a is across)
    last = loops[-1]
    others = [v for v in loops[:-1] if v is not rows]
    s.reorder(*others, rows, last)
    row_tile, row = s.split(rows, [None, lanes], tail=_tail(across, lanes))
    rows_far, rows_near = s.split(row_tile, [None, _near(extent_of(s, row_tile))])
    s.reorder(rows_far, last, rows_near, row)
    column_tile, column = s.split(last, [None, lanes], tail=_tail(nest.compute.axes[-1], lanes))
    columns_far, columns_near = s.split(column_tile, [None, _near(extent_of(s, column_tile))])
    s.reorder(columns_far, rows_near, columns_near, row, column)
    s.tensorize(s.blockize(row), intrinsic.name)
    return others[0] if others and extent_of(s, others[0]) > 1 else rows_far


def _near(tiles: int) -> int:
    """How many tiles, side by side, to do before going on: what pages and lines at hand hold."""
    return next(n for n in (4, 3, 2, 1) if tiles % n == 0)


def _tail(axis: Axis, lanes: int) -> str:
    return "cut" if axis.extent % lanes else "guard"
