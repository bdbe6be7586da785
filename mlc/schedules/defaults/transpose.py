"""Transposed copies: tiles in which what one row loads is still in cache for the next."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import NamedTuple

from ...ir.affine import linear_in
from ...ir.expr import Axis, Expr, Load, Reduce, Var, load
from ...ir.program import blocks_of
from ...ir.rewrite import substitute_loads
from ...te.program import Nest
from ...te.tensor import Compute, Tensor
from ..schedule import Schedule
from .access import loads_in, points, step, transposed_axis
from .machine import LARGE_L2, LINE_BYTES, Machine
from .vectors import extent_of, lanes_for

ROWS = 16  # rows of a tile: the elements of a cache line of float32
SMALL_BYTES = 16 << 10  # copies up to this size stay in the nearest cache
LARGE_BYTES = 64 << 10  # operands from this size on are worth a turned copy
MOST_LANES = 16  # a larger tile needs more registers than there are
MOST_NEAR = 4
LEAST_SIDE = 64  # elements of a block that is done before going on
PAGE = 4096  # bytes: lines so far apart are kept in one set of the nearest cache
MOST_ROWS, MOST_COLUMNS = 512, 1024  # memory is written along rows: long runs of lines and pages


def is_turned_by_tiles(nest: Nest, machine: Machine) -> bool:
    """Whether ``nest`` is a copy of which registers turn tiles."""
    across = transposed_axis(nest)
    return across is not None and _register_lanes(nest, across, machine) > 0


def turn_operands(nest: Nest) -> list[Nest]:
    """``y[i, j] = f(x[j, i], z[i, j])`` -> ``t[i, j] = x[j, i]`` and ``y[i, j] = f(t[i, j],
    z[i, j])``: a copy can be turned in registers. The nest alone where nothing is to be turned."""
    axes, body = nest.compute.axes, nest.compute.body
    if len(body) != 1 or isinstance(body[0], (Load, Reduce)):
        return [nest]
    turned: list[Nest] = []
    fresh: dict[Load, Expr] = {}
    for node in loads_in(nest):
        if not _is_turned(node, axes):
            continue
        own = tuple(Axis(a.name, a.extent) for a in axes)
        new = {id(a): b for a, b in zip(axes, own, strict=True)}
        source = load(node.source, tuple(new[id(a)] for a in node.indices))
        compute = Compute(own, (source,), "turned", location=nest.compute.location)
        name = f"{node.source.name.split('.')[0]}_turned"
        made = Tensor(name, tuple(a.extent for a in axes), node.dtype, compute)
        turned.append(Nest((made,), compute))
        fresh[node] = load(made, axes)
    if not turned:
        return [nest]
    changed = substitute_loads(body[0], fresh.get)
    return [*turned, Nest(nest.tensors, replace(nest.compute, body=(changed,)))]


def _is_turned(node: Load, axes: tuple[Axis, ...]) -> bool:
    """Whether ``node`` reads a whole large array, its axes in an order that jumps along the last
    one and finds neighbours along another, long one."""
    if len(node.indices) != len(axes) or {id(i) for i in node.indices} != {id(a) for a in axes}:
        return False
    if tuple(a.extent for a in node.indices) != node.source.shape:  # type: ignore[attr-defined]
        return False
    size = prod(node.source.shape) * node.dtype.itemsize
    near = next((a for a in reversed(axes[:-1]) if step(node, a) == 1), None)
    long = near is not None and min(near.extent, axes[-1].extent) >= MOST_LANES
    return size >= LARGE_BYTES and long and step(node, axes[-1]) != 1


def tile_transposed(
    s: Schedule, nest: Nest, loops: dict[Axis, Var], across: Axis, machine: Machine
) -> Var:
    """``for i: for j`` -> ``for i_0: for j_0: for i_1 in range(16): for j_1 in lanes``; returns the
    outermost loop. Tiles of a mere copy are turned in registers. ``loops`` are those over the last
    axis, ``across`` and others, from the outermost on."""
    lanes = _register_lanes(nest, across, machine)
    if lanes:
        flips = _flips(nest, across)
        past = _passes(s, nest, machine)
        block = None if any(flips) else _block(nest, across, len(loops), machine, past)
        if block is not None:
            return _in_blocks(s, nest, loops, across, block)
        if not _is_crowded(nest, across, lanes):
            return _in_registers(s, nest, loops, across, lanes, flips, MOST_NEAR)
        written = points(nest) * nest.tensors[0].dtype.itemsize
        if not machine.past_bytes or written <= machine.past_bytes:
            lanes = max(lanes // 2, 4)
        return _in_registers(s, nest, loops, across, lanes, flips, 1)
    others, rows, last = _sides(loops, across)
    lanes = lanes_for(nest, extent_of(s, last), machine)
    row_tile, row = s.split(rows, [None, ROWS])
    column_tile, column = s.split(last, [None, lanes])
    s.reorder(*others, row_tile, column_tile, row, column)
    s.vectorize(column)
    return others[0] if others and extent_of(s, others[0]) > 1 else row_tile


def _sides(loops: dict[Axis, Var], across: Axis) -> tuple[list[Var], Var, Var]:
    """The loops over other axes, that over ``across``, and the last one."""
    *others, last = (axis for axis in loops if axis is not across)
    return [loops[axis] for axis in others], loops[across], loops[last]


def _register_lanes(nest: Nest, across: Axis, machine: Machine) -> int:
    """The side of the tiles that registers can turn, or 0: for copies with whole tiles in them."""
    (body, *others) = nest.compute.body
    if others or not isinstance(body, Load):
        return 0
    from ...intrinsics.transpose import line_of

    last = nest.compute.axes[-1]
    # The instruction reads neighbours, in order or in reverse: nothing left out.
    if any(linear_in(i, axis) not in (0, 1, -1) for i in body.indices for axis in (across, last)):
        return 0
    # It names the dimension with the neighbours last, whatever lies how in memory.
    found = [d for axis in (last, across) for d, i in enumerate(body.indices) if linear_in(i, axis)]
    if found != sorted(found):
        return 0
    lanes = min(machine.vector_bytes // body.dtype.itemsize, MOST_LANES)
    line = line_of(body.dtype)
    if line and not across.extent % line and not last.extent % line:
        lanes = line
    while lanes > 4 and any(16 * (a.extent % lanes) > a.extent for a in (across, last)):
        lanes //= 2  # smaller tiles, less of it left at the edges
    large = points(nest) * body.dtype.itemsize >= SMALL_BYTES
    return lanes if large and min(across.extent, last.extent) >= lanes >= 4 else 0


def _flips(nest: Nest, across: Axis) -> tuple[bool, bool]:
    """Whether rows, which the last axis counts, and columns of what is copied are reversed."""
    body = nest.compute.body[0]
    assert isinstance(body, Load)
    axes = nest.compute.axes[-1], across
    rows, columns = (any(linear_in(i, axis) == -1 for i in body.indices) for axis in axes)
    return rows, columns


class _Block(NamedTuple):
    """Tiles of ``lanes``, in blocks of ``rows`` by ``columns``. What is written ``past`` the caches
    is read along rows, which are columns of the result: whole ones, as threads share out others."""

    lanes: int
    rows: int
    columns: int
    past: bool


def _passes(s: Schedule, nest: Nest, machine: Machine) -> bool:
    """Whether the copy is written past the caches: where none holds it, or where it is the
    kernel's result and only a third one would that is far behind a large second one. Lines that
    are written far apart come from there as slowly as from memory. Rows must be whole lines."""
    size = nest.tensors[0].dtype.itemsize
    if not machine.past_bytes or nest.compute.axes[-1].extent * size % LINE_BYTES:
        return False
    lone = machine.l2 >= LARGE_L2 and len(list(blocks_of(s.program.body))) == 1
    least = machine.l2 if lone else machine.past_bytes
    return points(nest) * size > least


def _block(nest: Nest, across: Axis, loops: int, machine: Machine, past: bool) -> _Block | None:
    """Whole blocks, enough of them for the threads; None where tiles four by four do as well."""
    from ...intrinsics.transpose import line_of
    from ...intrinsics.transpose_blocks import tiles_beside

    dtype, last = nest.tensors[0].dtype, nest.compute.axes[-1]
    lanes = min(machine.vector_bytes // dtype.itemsize, MOST_LANES)
    body = nest.compute.body[0]
    assert isinstance(body, Load)
    if body.source.shape[-1] * dtype.itemsize % LINE_BYTES:
        return None  # rows begin at different places of a line, so tiles cannot
    shares = 2 * machine.threads if loops == 2 else 1
    if past:
        side = line_of(dtype) or lanes
        wide = side * tiles_beside(side, dtype)
        columns = _side(last.extent, max(last.extent // shares, LEAST_SIDE, wide))
        if across.extent >= side and columns >= wide:
            return _Block(side, across.extent, columns, past=True)
    rows = _side(across.extent, min(max(across.extent // shares, LEAST_SIDE), MOST_ROWS))
    columns = _side(last.extent, MOST_COLUMNS)
    if line_of(dtype) or lanes < 4 or not rows or not columns or min(rows, columns) < lanes:
        return None
    return _Block(lanes, rows, columns, past=False)


def _side(extent: int, most: int) -> int:
    """The largest part of ``extent`` up to ``most`` that divides it; 0 where that is a small
    one."""
    least = min(LEAST_SIDE // 2, extent)
    return next((n for n in range(min(most, extent), least - 1, -1) if extent % n == 0), 0)


def _in_blocks(s: Schedule, nest: Nest, loops: dict[Axis, Var], across: Axis, block: _Block) -> Var:
    """``for i: for j`` -> ``for i_0: for j_0: transpose_block``."""
    from ...intrinsics.transpose_blocks import transpose_block

    lanes, height, width, past = block
    intrinsic = transpose_block(lanes, nest.tensors[0].dtype, height, width, past)
    others, rows, last = _sides(loops, across)
    rows_far, row = s.split(rows, [None, height])
    columns_far, column = s.split(last, [None, width])
    far = (columns_far, rows_far) if past else (rows_far, columns_far)
    s.reorder(*others, *far, row, column)
    s.tensorize(s.blockize(row), intrinsic.name)
    return others[0] if others and extent_of(s, others[0]) > 1 else far[0]


def _in_registers(
    s: Schedule,
    nest: Nest,
    loops: dict[Axis, Var],
    across: Axis,
    lanes: int,
    flips: tuple[bool, bool],
    near: int,
) -> Var:
    """``for i: for j`` -> ``for i_0: for j_0: transpose_tile``, ``near`` by ``near`` tiles at a
    time; what is left at the edges is copied element by element."""
    from ...intrinsics.transpose import transpose_tile

    intrinsic = transpose_tile(lanes, nest.tensors[0].dtype, flips)
    others, rows, last = _sides(loops, across)
    s.reorder(*others, rows, last)
    row_tile, row = s.split(rows, [None, lanes], tail=_tail(across, lanes))
    rows_far, rows_near = s.split(row_tile, [None, _near(extent_of(s, row_tile), near)])
    s.reorder(rows_far, last, rows_near, row)
    column_tile, column = s.split(last, [None, lanes], tail=_tail(nest.compute.axes[-1], lanes))
    columns_far, columns_near = s.split(column_tile, [None, _near(extent_of(s, column_tile), near)])
    s.reorder(columns_far, rows_near, columns_near, row, column)
    s.tensorize(s.blockize(row), intrinsic.name)
    return others[0] if others and extent_of(s, others[0]) > 1 else rows_far


def _is_crowded(nest: Nest, across: Axis, lanes: int) -> bool:
    """Whether the rows of a tile, as it is read or written, lie so near to whole pages apart that
    the nearest cache has no room for them all at once."""
    body, last, size = nest.compute.body[0], nest.compute.axes[-1], nest.tensors[0].dtype.itemsize
    assert isinstance(body, Load)
    apart = (step(body, last) or 0) * size, last.extent * size
    off = [abs((n + PAGE // 2) % PAGE - PAGE // 2) for n in apart]
    return lanes * min(off) < 2 * LINE_BYTES


def _near(tiles: int, most: int) -> int:
    """How many tiles, side by side, to do before going on: what pages and lines at hand hold."""
    return next(n for n in range(most, 0, -1) if tiles % n == 0)


def _tail(axis: Axis, lanes: int) -> str:
    return "cut" if axis.extent % lanes else "guard"
