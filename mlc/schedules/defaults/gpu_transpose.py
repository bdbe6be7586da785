"""Copies that turn what they read: tiles in shared memory, so that neighbouring threads both read
and write neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ...ir.expr import Axis, Load, Var
from ...ir.program import Block, For, Store, reads_of
from ...ir.rewrite import variables_of
from ..schedule import Schedule
from .gpu_nests import bind_grid, chain_of, only_block, step_along
from .gpu_rows import roles_of, touched_buffers

if TYPE_CHECKING:
    from .gpu import GpuMachine

LINES = 8  # rows of a tile that are read at once
WORD = 4  # bytes that a thread should read at once


def turned_load(block: Block) -> tuple[Load, Axis, Axis] | None:
    """A load whose neighbours lie along another axis than those of the store: (load, its axis, the
    axis of the store)."""
    body = block.body
    if not isinstance(body, Store) or block.predicate is not None:
        return None
    axes = [it.axis for it in block.iters if it.axis.extent > 1]
    last = next((a for a in axes if step_along(body.buffer, body.indices, a) == 1), None)
    loads = reads_of(body)
    for node in loads:
        if last is None or sum(other.source is node.source for other in loads) > 1:
            continue
        if step_along(node.source, node.indices, last) in (0, 1, None):
            continue
        for axis in axes:
            if axis is not last and step_along(node.source, node.indices, axis) == 1:
                return node, axis, last
    return None


def schedule_transpose(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A nest that reads along another axis than it writes::

    for i: for j:                     for block: for k: for ty: for tx:
        B[i, j] = A[j, i]     ->          A_shared[k * 8 + ty, tx] = A[...]
                                          for k: for ty: for tx: B[...] = A_shared[tx, k * 8 + ty]

    Of elements of 1 or 2 bytes a thread reads and writes as many as 4 bytes hold, where there are
    tiles enough for all processors.
    """
    block, chain = only_block(nests[0]), chain_of(nests[0])
    if block is None or block.is_reduction or roles_of(block, chain) is None:
        return False
    found = turned_load(block)
    side = max(machine.warp, LINES)
    if found is None or min(found[1].extent, found[2].extent) < side // 2:
        return False
    node, across, last = found
    lanes = _lanes(block, across, last, side, machine)
    side *= lanes
    loop_of = {it.axis: it.binding for it in block.iters}
    row, column = loop_of[across], loop_of[last]
    assert isinstance(row, Var) and isinstance(column, Var)
    others = [one.var for one in chain if one.var is not row and one.var is not column]
    copy = s.cache_read(block, node.source, "shared", [block])
    moved = [d for d, index in enumerate(node.indices) if last in set(variables_of(index))]
    if moved and moved[-1] < node.source.ndim - 1:  # rows begin in different banks
        s.storage_align(copy, 0, moved[-1], machine.warp, 1)
    r0, r1, r2 = s.split(row, [None, side // LINES, LINES])
    c0, c1 = s.split(column, [None, side])
    s.reorder(*others, r0, c0, r1, r2, c1)
    s.compute_at(copy, c0)
    around = s.loops(copy)
    *_, line, lane = around
    if around[-3] is not c0:
        return False
    _, line = s.split(line, [None, LINES])
    within = []
    if lanes > 1:
        (c1, first), (lane, second) = (s.split(var, [None, lanes]) for var in (c1, lane))
        within = [first, second]
    bind_grid(s, others, r0, c0)
    for loop, thread in ((r2, "y"), (c1, "x"), (line, "y"), (lane, "x")):
        s.bind(loop, f"threadIdx.{thread}")
    for loop in within:
        s.vectorize(loop)
    return True


def _lanes(block: Block, across: Axis, last: Axis, side: int, machine: GpuMachine) -> int:
    """How many neighbours a thread takes at once."""
    widest = max(buffer.dtype.itemsize for buffer in touched_buffers(block))
    lanes = WORD // widest
    if lanes < 2 or across.extent % lanes or last.extent % lanes:
        return 1
    points = prod(it.axis.extent for it in block.iters)
    return lanes if points >= machine.processors * (side * lanes) ** 2 else 1
