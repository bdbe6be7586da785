"""Contractions: tiles of operands in shared memory, a tile of results in the registers of a thread.

All of them, matrix products and convolutions alike, become ``Y[b.., m, n] += A[b.., k, m] * B[b..,
k, n]`` over copies of the operands that exist in shared memory alone, tile by tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.expr import Axis, Load, Var
from ...ir.lanes import padded_load
from ...ir.program import (
    Accumulate,
    Block,
    Buffer,
    For,
    Store,
    blocks_of,
    reads_of,
    writes_of,
)
from ...ir.rewrite import variables_of
from ..buffers import buffer_key
from ..schedule import Schedule
from .gpu_nests import bind_grid, chain_of, lanes_along, only_block, step_along
from .gpu_rows import roles_of
from .vectors import extent_of, next_power_of_two

if TYPE_CHECKING:
    from .gpu import GpuMachine

BANKS = 32  # of shared memory
LEAST = 4  # rows, columns and steps; with fewer there is too little to share
UNROLLED = 256  # statements to write out at most; the compiler unrolls on its own, too
DEPTH = 16  # steps of the reduction between two barriers
AHEAD = 2  # iterations between the copy of a tile and its use
PIECE = 16  # bytes that a thread reads at once


@dataclass(frozen=True, eq=False)
class Operands:
    """The roles of the axes of a block, each group in the block's order."""

    lhs: Load
    rhs: Load
    spatial: tuple[Axis, ...]
    batch: tuple[Axis, ...]
    m: tuple[Axis, ...]
    n: tuple[Axis, ...]
    k: tuple[Axis, ...]


@dataclass(frozen=True)
class GpuTile:
    """A block of ``side * side`` threads makes ``side * rows`` by ``side * columns`` elements."""

    side: int
    rows: int
    columns: int
    depth: int


def operands_of(block: Block) -> Operands | None:
    """The roles if the block folds two loads, each of which is used many times."""
    body = block.body
    if not isinstance(body, Accumulate) or block.init is None or len(body.values) != 1:
        return None
    loads = reads_of(body)
    if len(loads) != 2 or not body.combiner.commutative:
        return None
    one, two = ({v for i in node.indices for v in variables_of(i)} for node in loads)
    spatial = [it.axis for it in block.iters if not it.axis.is_reduce]
    k = tuple(it.axis for it in block.iters if it.axis.is_reduce)
    if not all(axis in one or axis in two or axis.extent == 1 for axis in k):
        return None
    batch = tuple(a for a in spatial if (a in one) == (a in two) and a.extent > 1)
    n = tuple(a for a in spatial if a in two and a not in one)
    m = tuple(a for a in spatial if a not in {*batch, *n})
    lhs, rhs = loads
    last = [axis for axis in spatial if axis in {*m, *n}][-1:]
    if last and last[0] in set(m):  # neighbouring threads make neighbouring elements
        lhs, rhs, m, n = rhs, lhs, n, m
    if min(points(m), points(n), points(k)) < LEAST:
        return None
    return Operands(lhs, rhs, tuple(spatial), batch, m, n, k)


def points(axes: Sequence[Axis]) -> int:
    return prod(axis.extent for axis in axes)


def choose_tile(roles: Operands, machine: GpuMachine) -> GpuTile:
    """The largest tile of which there are enough for all processors."""
    side = min(16, isqrt(machine.most_threads))
    m, n, b = points(roles.m), points(roles.n), points(roles.batch)
    most = 8 if roles.lhs.dtype.itemsize <= 4 else 4
    depth = min(DEPTH, next_power_of_two(points(roles.k)))

    def fits(each: int, extent: int) -> bool:
        return each == 1 or side * each < 2 * extent

    sizes = [(r, c) for r in (8, 4, 2, 1) for c in (8, 4, 2, 1) if max(r, c) <= most]
    sizes = [(r, c) for r, c in sizes if fits(r, m) and fits(c, n) and max(r, c) <= 2 * min(r, c)]
    sizes.sort(key=lambda size: -size[0] * size[1])
    for rows, columns in sizes:
        if b * -(-m // (side * rows)) * -(-n // (side * columns)) >= machine.processors:
            return GpuTile(side, rows, columns, depth)
    return GpuTile(side, *sizes[-1], depth) if sizes else GpuTile(side, 1, 1, depth)


def schedule_contraction(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A contraction, and what follows it point by point, as one kernel::

    for i: for j: for k:                   for bm: for bn: for ty: for tx:
        Y[i, j] += A[i, k] * B[k, j]           for k0:
    for i: for j:                     ->           fetch A_reindex, B_reindex, two ahead
        C[i, j] = f(Y[i, j])                       for k1: for i: for j: Y[i, j] += ...
                                               for i: for j: C[i, j] = f(Y[i, j])
    """
    block, chain = only_block(nests[0]), chain_of(nests[0])
    if block is None or roles_of(block, chain) is None:
        return False
    roles = operands_of(block)
    if roles is None:
        return False
    tile = choose_tile(roles, machine)
    name = block.name
    fetches, (first, *rest) = as_matrices(s, name, roles, tile, nests[1:])
    *batch, rows, columns, depth = s.loops(name)
    m0, m1, m2 = s.split(rows, [None, tile.side, tile.rows])
    n0, n1, n2 = s.split(columns, [None, tile.side, tile.columns])
    k0, k1 = s.split(depth, [None, tile.depth])
    s.reorder(*batch, m0, n0, m1, n1, k0, k1, m2, n2)
    s.reverse_compute_at(first, n1)
    finished = [first]
    for follower in rest:
        try:
            s.reverse_compute_at(follower, n1)
        except ScheduleError:
            break
        finished.append(follower)
    hold(s, name, "local")
    bind_grid(s, batch, m0, n0)
    s.bind(m1, "threadIdx.y")
    s.bind(n1, "threadIdx.x")
    for (fetch, along), each in zip(fetches, (1, tile.columns), strict=True):
        _fetch(s, fetch, along, k0, tile, machine, each)
    for follower in finished:
        _finish(s, follower, n1, machine)
    init = s.decompose_reduction(name, k0)
    inner = s.loops(init)
    for var in (m2, n2, *inner[-2:]):
        s.unroll(var)
    if tile.rows * tile.columns * tile.depth <= UNROLLED:
        s.unroll(k1)
    else:
        s.unroll(k1, max(UNROLLED // (tile.rows * tile.columns), 1))
    if extent_of(s, k0) > AHEAD:
        s.pipeline(k0, [0, 0, AHEAD])
    return True


def _fetch(
    s: Schedule,
    name: str,
    along: int,
    loop: Var,
    tile: GpuTile,
    machine: GpuMachine,
    each: int,
) -> None:
    """The tile that ``name`` copies, by all threads of the block together, neighbours in memory by
    neighbouring threads, some at once where that can be. ``each`` neighbours are then read by one
    of the threads that lie along x."""
    hold(s, name, "shared")
    s.compute_at(name, loop)
    *rest, deep, wide = loops_inside(s, name, loop)
    if along == 0:
        s.reorder(wide, deep)
        deep, wide = wide, deep
    team = tile.side * tile.side
    lanes = lanes_along(s, s.block(name), wide, machine) if along else 1
    lane = None
    if lanes > 1 and extent_of(s, deep) * extent_of(s, wide) % (lanes * team) == 0:
        wide, lane = s.split(wide, [None, lanes])
    flat = s.fuse(*rest, deep, wide)
    if extent_of(s, flat) > team:
        flat = s.split(flat, [None, team])[1]
    lines, columns = s.split(flat, [None, tile.side])
    s.bind(lines, "threadIdx.y")
    s.bind(columns, "threadIdx.x")
    if lane is not None:
        s.vectorize(lane)
    deep_axis = len(writes_of(s.block(name).body)[0][1]) - 2
    _by_pieces(s, name, each)
    if along == 0:  # neighbouring threads write different rows: those begin in other banks
        ((buffer, _),) = writes_of(s.block(name).body)
        s.storage_align(name, buffer, deep_axis, BANKS, 4)


def _by_pieces(s: Schedule, name: str, each: int) -> None:
    """Of ``each`` neighbours that a thread reads, all first pieces of 16 bytes lie before all
    second ones: threads that read at once find theirs in different banks."""
    ((buffer, indices),) = writes_of(s.block(name).body)
    lanes = PIECE // buffer.dtype.itemsize
    if each <= lanes or each % lanes:
        return
    *outer, last = (f"a{d}" for d in range(len(indices)))
    places = [*outer, f"{last} // {lanes} % {each // lanes}", f"{last} // {each}"]
    names = ", ".join([*outer, last])
    s.transform_layout(name, 0, f"lambda {names}: ({', '.join(places)}, {last} % {lanes})")


def _finish(s: Schedule, name: str, thread: Var, machine: GpuMachine) -> None:
    """The results of a thread: written out, some at once where that can be."""
    inner = loops_inside(s, name, thread)
    if inner:
        lanes = lanes_along(s, s.block(name), inner[-1], machine)
        if lanes > 1:
            inner[-1], lane = s.split(inner[-1], [None, lanes])
            s.vectorize(lane)
    for var in inner:
        s.unroll(var)


def loops_inside(s: Schedule, name: str, loop: Var) -> list[Var]:
    """The loops around a block inside ``loop``."""
    around = s.loops(name)
    return list(around[next(d for d, var in enumerate(around) if var is loop) + 1 :])


def hold(s: Schedule, name: str, scope: str) -> None:
    """What the block writes lives in ``scope``."""
    for buffer, _ in writes_of(s.block(name).body):
        s.set_scope(buffer_key(s.program, buffer), scope)


def _flat(names: Sequence[str], axes: Sequence[Axis]) -> str:
    """The number of a point of ``axes`` as a text."""
    text = "0"
    for name, axis in zip(names, axes, strict=True):
        text = name if text == "0" else f"({text}) * {axis.extent} + {name}"
    return text


def _map_text(axes: Sequence[Axis], groups: Sequence[Sequence[Axis]]) -> str:
    """The index map from ``axes`` to one axis for each group."""
    names = {axis: f"a{d}" for d, axis in enumerate(axes)}
    parts = [_flat([names[a] for a in group], group) for group in groups]
    return f"lambda {', '.join(names.values())}: ({', '.join(parts)},)"


def as_matrices(
    s: Schedule,
    name: str,
    roles: Operands,
    tile: GpuTile,
    nests: Sequence[For],
    in_order: bool = False,
) -> tuple[list[tuple[str, int]], list[str]]:
    """Copies of the operands, [.., k, m] and [.., k, n], and of the result, [.., m, n], padded to
    whole tiles; ``in_order`` leaves k last where neighbours in memory lie along it. Returns the
    blocks that copy the operands, each with the dimension that neighbours in memory lie along, and
    the blocks that take the result, as :func:`_followers` says."""
    block = s.block(name)
    axes = [it.axis for it in block.iters]
    body = block.body
    assert isinstance(body, Accumulate)
    fetches: list[tuple[str, int]] = []
    layouts: list[tuple[str, str]] = []
    single: list[tuple[Axis, ...]] = [(axis,) for axis in roles.batch]
    others = {*roles.batch, *roles.k}
    for node in (roles.lhs, roles.rhs):
        used = {v for index in node.indices for v in variables_of(index)}
        own = [axis for axis in axes if axis in used]
        near = [a for a in own if step_along(node.source, node.indices, a) in (1, -1)]
        places = [n for n in reads_of(s.block(name).body) if n.source is node.source]
        place = next(n for n, other in enumerate(places) if other is node)
        copy = s.reindex(name, node.source, place if len(places) > 1 else None)
        _inline_padding(s, node.source, copy)
        along = 0 if near and all(a.is_reduce for a in near) else 1
        pair = [tuple(a for a in roles.k if a in used), tuple(a for a in own if a not in others)]
        groups = [group for group in single if group[0] in used]
        groups += reversed(pair) if in_order and along == 0 else pair
        fetches.append((copy, along))
        layouts.append((copy, _map_text(own, groups)))
        s.transform_block_layout(*layouts[-1])
    last = s.reindex(name, body.buffers[0])
    followers = _followers(s, roles, last, nests)
    layouts.append((name, _map_text(roles.spatial, [*single, roles.m, roles.n])))
    s.transform_block_layout(name, _map_text(axes, [*single, roles.m, roles.n, roles.k]))
    for writer, text in layouts:
        s.transform_layout(writer, 0, text)
    sizes = (tile.side * tile.rows, tile.side * tile.columns, tile.depth)
    extents = [points(group) for group in (roles.m, roles.n, roles.k)]
    if any(extent % size for extent, size in zip(extents, sizes, strict=True)):
        made = s.pad_einsum(name, [1] * len(single) + list(sizes))
        padded = dict.fromkeys(made)
        for d, (copy, along) in enumerate(fetches):
            if f"{copy}_pad" in padded:
                s.compute_inline(copy)
                fetches[d] = (f"{copy}_pad", along)
        if f"{last}_pad" in padded:
            s.compute_inline(f"{last}_pad")
    return fetches, followers


def pads(block: Block) -> Buffer | None:
    """What the block makes, if that is an array with zeros around it."""
    body = block.body
    is_padding = isinstance(body, Store) and padded_load(body.value) is not None
    return body.buffer if is_padding and isinstance(body, Store) else None


def _inline_padding(s: Schedule, source: object, user: str) -> None:
    """What only pads ``source`` is no array of its own where ``user`` alone reads it."""
    for block in blocks_of(s.program.body):
        if pads(block) is source and [b.name for b in s.consumers(block.name)] == [user]:
            s.compute_inline(block.name)


def _followers(s: Schedule, roles: Operands, last: str, nests: Sequence[For]) -> list[str]:
    """The blocks that take the result where it is made, in order: ``last``, or what comes after it
    point by point, with all that only hands elements on inlined."""
    spatial = [it.axis for it in s.block(last).iters]
    names = [last]
    for nest in nests:
        block = only_block(nest)
        if block is None or block.is_reduction or len(block.iters) != len(spatial):
            break
        same = zip(block.iters, spatial, strict=True)
        if any(it.axis.extent != axis.extent for it, axis in same):
            break
        made = {buffer for n in names for buffer, _ in writes_of(s.block(n).body)}
        if not made.intersection(node.source for node in reads_of(block)):
            break
        names.append(block.name)
    out: list[str] = []
    for d, each in enumerate(names):
        rest = set(names[d + 1 :])
        if rest and all(block.name in rest for block in s.consumers(each)):
            try:
                s.compute_inline(each)
                continue
            except ScheduleError:
                pass
        axes = [it.axis for it in s.block(each).iters]
        where = dict(zip(roles.spatial, axes, strict=True))
        groups = [*((axis,) for axis in roles.batch), roles.m, roles.n]
        flat = [tuple(where[a] for a in group) for group in groups]
        s.transform_block_layout(each, _map_text(axes, flat))
        out.append(each)
    return out
