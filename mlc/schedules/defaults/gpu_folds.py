"""Folds over columns, and long folds of few results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.expr import Var
from ...ir.program import Accumulate, For, blocks_of
from ..buffers import buffer_key
from ..schedule import Schedule
from ..step import find_loop
from .gpu_nests import chain_of, only_block
from .gpu_rows import extents, folds_along_memory, is_fold, keep_near, roles_of

if TYPE_CHECKING:
    from .gpu import GpuMachine

CHUNK = 4096  # elements that a block of threads should have to fold at least
LINES = 8  # threads that share a column
TALL = 64  # elements; columns shorter than this are one thread's
RESIDENT = 8  # blocks of a processor: with fewer, too little memory is asked for at once


def split_long_folds(
    s: Schedule, nests: Sequence[For], machine: GpuMachine, parts: Collection[str] = ()
) -> None:
    """A fold of many elements into few results -> a fold of each chunk, and a fold of those::

    for k in 1 << 20: t += x[k]    ->    for c in 216: for k: t_rf[c] += x[c * 4855 + k]
                                         for c in 216: t += t_rf[c]

    The blocks ``parts`` are parts of something already.
    """
    for nest in nests:
        block = only_block(nest)
        if block is None or block.name in parts:
            continue
        try:
            with s.part("split_long_folds"):
                _split_fold(s, nest, machine)
        except ScheduleError:
            continue


def _split_fold(s: Schedule, nest: For, machine: GpuMachine) -> None:
    block, chain = only_block(nest), chain_of(nest)
    if block is None or not is_fold(block):
        return
    roles = roles_of(block, chain)
    if roles is None:
        return
    spatial, reduce = roles
    results, folded = prod(extents(nest, spatial)), prod(extents(nest, reduce))
    in_rows = folds_along_memory(block)
    teams = results if in_rows else -(-results // machine.warp)
    each = folded if in_rows else folded * min(results, machine.warp)
    chunks = min(RESIDENT * machine.processors // teams, each // CHUNK)
    if chunks < 2:
        return
    body = block.body
    assert isinstance(body, Accumulate)
    outer = find_loop(s.program, reduce[0]).extent
    whole = outer if outer >= chunks or len(reduce) == 1 else folded
    chunks = next((n for n in range(chunks, chunks // 2, -1) if whole % n == 0), chunks)
    loop = reduce[0] if outer >= chunks or len(reduce) == 1 else s.fuse(*reduce)
    chunk, _ = s.split(loop, [chunks, None])
    made = s.rfactor(chunk, body.buffers[0].ndim if in_rows else 0)
    order = s.loops(made)
    s.reorder(
        *([*spatial, chunk] if in_rows else [chunk, *spatial]), *_others(order, spatial, chunk)
    )
    parts = s.block(made).body
    buffers = parts.buffers if isinstance(parts, Accumulate) else ()
    for buffer in buffers:
        s.set_scope(buffer_key(s.program, buffer), "global")


def _others(loops: Sequence[Var], spatial: Sequence[Var], chunk: Var) -> list[Var]:
    known = {*spatial, chunk}
    return [var for var in loops if var not in known]


def schedule_columns(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A fold of many columns side by side, and what follows it point by point: a warp takes
    neighbouring columns, and some warps share them::

        for j: for k: t[j] += x[k, j]    ->    for block: for ty: for tx: (for k: t_rf[ty, tx] += x)
                                               for tx: for ty in 8: t[tx] += t_rf[ty, tx]
    """
    block, chain = only_block(nests[0]), chain_of(nests[0])
    if block is None or not is_fold(block):
        return False
    roles = roles_of(block, chain)
    if roles is None or not roles[0]:
        return False
    spatial, reduce = roles
    points = prod(extents(nests[0], spatial))
    s.reorder(*spatial, *reduce)
    column = s.fuse(*spatial) if len(spatial) > 1 else spatial[0]
    grid, lane = s.split(column, [None, machine.warp])
    length = prod(extents(nests[0], reduce))
    lanes: list[Var] = []
    for nest in nests[1:]:
        try:
            with s.part("join"):
                joined = _joined(s, grid, nest, points, machine)
        except ScheduleError:
            break
        if joined is None:
            break
        grid = joined[0]
        lanes.append(joined[1])
    if length >= TALL:
        folded = s.fuse(*reduce) if len(reduce) > 1 else reduce[0]
        rest, line = s.split(folded, [None, LINES])
        s.rfactor(line, 0)
        s.reorder(line, lane, rest)
        first, second = grid, s.loops(block.name)[0]
        grid = first if first is second else s.merge(first, second)
        s.bind(line, "threadIdx.y")
        s.bind(lane, "threadIdx.x")
        lanes = [s.loops(block.name)[1], *lanes]
        for each in lanes:  # the first of the warps alone goes on
            s.bind(s.split(each, [1, None])[0], "threadIdx.y")
        lanes = [s.loops(name)[2] for name in _names(s, grid)[1:]]
    else:
        lanes = [lane, *lanes]
    for each in lanes:
        s.bind(each, "threadIdx.x")
    keep_near(s, grid, _names(s, grid), "shared", 1, machine)
    s.bind(grid, "blockIdx.x")
    return True


def _names(s: Schedule, loop: Var) -> list[str]:
    return [block.name for block in blocks_of(find_loop(s.program, loop))]


def _joined(
    s: Schedule, grid: Var, nest: For, points: int, machine: GpuMachine
) -> tuple[Var, Var] | None:
    """The points of ``nest`` in the loop of those that made what they read, if there are as many:
    that loop, and the one for threads."""
    block, chain = only_block(nest), chain_of(nest)
    if block is None or block.is_reduction or prod(loop.extent for loop in chain) != points:
        return None
    loops = [loop.var for loop in chain]
    flat = s.fuse(*loops) if len(loops) > 1 else loops[0]
    outer, lane = s.split(flat, [None, machine.warp])
    return s.merge(grid, outer), lane
