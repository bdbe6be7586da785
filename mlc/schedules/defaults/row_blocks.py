"""Kernels of several contractions over the same rows, such as attention: blocks of rows.

Every nest makes a block of rows before the next nest starts, so that what the nests hand each other
stays in the cache. Contractions run in register tiles inside the block; what lies between two of
them runs row by row, in common loops.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import field, replace
from itertools import pairwise
from math import prod

from ...ir.expr import Var
from ...ir.program import Buffer, reads_of
from ...ir.rewrite import variables_of
from ...records import dataclass
from ...te.program import Nest, Tiling
from ...te.tensor import Constant, Placeholder, Tensor
from ..schedule import Schedule
from .access import loads_in, points, reduce_axes, step
from .contraction import (
    FEW_PACK_ROWS,
    FEW_SUMS,
    LATENCY,
    Roles,
    Tile,
    choose_tile,
    find_roles,
    pack_axis,
    pack_operands,
    unroll_steps,
)
from .machine import LINE_BYTES, Machine
from .row_turns import turns
from .vectors import extent_of, private_loops, split_roles

MOST_ROWS = 64
SHORT_BYTES = 1024  # of rows, which are gone through faster than the fold of one ends
EVENED = 0.93  # of the cycles, which must be left for another width of tiles to pay
HIGH = 6  # rows, of two multiply-adds in each cycle for what takes four to load
FEW_STEPS = 64  # with fewer, sums are taken up and put down too often
MUCH = 1 << 26  # multiply-adds, a twentieth of whose time is worth making more code
NEARLY = 0.8  # of the rows of a tile, which is as good as all of them


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """Nests in blocks of ``rows`` along the last of ``shared`` axes; ``before`` runs first.
    ``tiles`` holds the register tiles of those that are contractions, and ``parts`` those copies
    among ``before`` of which each of the other axes needs a part of its own, that stays near."""

    before: list[Nest]
    nests: list[Nest]
    tiles: dict[Nest, Tile]
    tiling: Tiling
    parts: list[Nest] = field(default_factory=list)


def plan_row_blocks(
    nests: Sequence[Nest],
    shared: int,
    machine: Machine,
    factored: Callable[[Nest], list[Nest]],
) -> RowBlocks | None:
    """How to run ``nests`` by blocks of rows; None if fewer than two of them are contractions along
    the rows. ``factored`` spreads the other folds over lanes."""
    products = {n: t for n in nests if (t := _tile(n, shared, machine)) is not None}
    if len(products) < 2:
        return None
    nests = _early(nests, products)
    made = {t for nest in nests for t in nest.tensors}
    out: list[Nest] = []
    before: list[Nest] = []
    tiles: dict[Nest, Tile] = {}
    together: list[tuple[int, int]] = []
    start = 0
    for nest in nests:
        tile = products.get(nest)
        if tile is None:
            out.extend(factored(nest))
            continue
        roles = find_roles(nest)
        assert roles is not None
        *packing, main = pack_operands(nest, roles, tile.columns, machine)
        if any(n.source in made for p in packing for n in loads_in(p)):
            packing, main = [], nest  # a block of what is made here is read as it lies
        elif not packing and nest.compute.axes[shared - 1].extent >= FEW_PACK_ROWS:
            *packing, main = _lines(nest, roles, tile, shared, made, machine)
        before.extend(packing)
        together += _in_turn(out, start, shared, machine)
        out.append(main)
        tiles[main] = tile
        start = len(out)
    together += _in_turn(out, start, shared, machine)
    rows = _rows(nests, shared, max(tiles.values(), key=lambda t: t.rows), machine)
    tiling = Tiling((1,) * (shared - 1) + (rows,), together=tuple(together))
    batch = tuple(a.extent for a in nests[0].compute.axes[: shared - 1])
    parts = [nest for nest in before if _is_part(nest, batch, machine)]
    return RowBlocks(before, out, tiles, tiling, parts)


def _in_turn(nests: list[Nest], start: int, shared: int, machine: Machine) -> list[tuple[int, int]]:
    """Which of the ``nests`` from ``start`` on take rows in common loops: all of them; in turns
    where rows are short."""
    apart = turns(nests, start, shared, machine)
    made = [t for nest in nests[start:] for t in nest.tensors]
    if max((_row_bytes(t, shared) for t in made), default=0) > SHORT_BYTES:
        apart = [start]
    return [(a, b) for a, b in pairwise([*apart, len(nests)]) if b > a + 1]


def _row_bytes(tensor: Tensor, shared: int) -> int:
    return prod(tensor.shape[shared:]) * tensor.dtype.itemsize


def _lines(
    nest: Nest, roles: Roles, tile: Tile, shared: int, made: set[Tensor], machine: Machine
) -> list[Nest]:
    """The nest, after a copy of what the columns load where each thread can make one for each point
    of the other axes: an array that was passed begins anywhere, and each of its vectors may lie in
    two cache lines. AMD's processors with 512 bits load them as fast as they multiply."""
    batch = tuple(a.extent for a in nest.compute.axes[: shared - 1])
    found = [n for n in loads_in(nest) if step(n, roles.n) == 1 and n.source not in made]
    if len(found) != 1 or prod(batch) < 2 * machine.threads or machine.looks_ahead:
        return [nest]
    (node,) = found
    used = {v for index in node.indices for v in variables_of(index)}
    axes = [a for a in (*nest.compute.axes, *reduce_axes(nest)) if a in used]
    if roles.m in used or not isinstance(node.source.op, Placeholder):
        return [nest]
    copy, main = pack_axis(nest, node, axes, roles.n, tile.columns)
    return [copy, main] if _is_part(copy, batch, machine) else [nest]


def _is_part(nest: Nest, batch: tuple[int, ...], machine: Machine) -> bool:
    """Whether ``nest`` copies as much for each point of ``batch`` as can wait in the cache for its
    rows to go by."""
    (tensor, *others), loads = nest.tensors, loads_in(nest)
    if others or reduce_axes(nest) or tensor.shape[: len(batch)] != batch or prod(batch) == 1:
        return False
    if any(isinstance(node.source.op, Constant) for node in loads):
        return False
    return prod(tensor.shape[len(batch) :]) * tensor.dtype.itemsize <= machine.l2 // 4


def _early(nests: Sequence[Nest], products: Collection[Nest]) -> list[Nest]:
    """The nests, those that need no result of the product before them moved in front of it: what
    they read of a row is at hand there."""
    out: list[Nest] = []
    for nest in nests:
        read = {n.source for n in loads_in(nest)}
        place = len(out)
        while place and nest not in products and read.isdisjoint(out[place - 1].tensors):
            place -= 1
        moved = any(other in products for other in out[place:])
        out.insert(place if moved else len(out), nest)
    return out


def _tile(nest: Nest, shared: int, machine: Machine) -> Tile | None:
    axes = nest.compute.axes
    roles = find_roles(nest)
    if roles is None or len(axes) != shared + 1:
        return None
    if roles.n is not axes[-1] or roles.m is not axes[shared - 1]:
        return None
    tile = choose_tile(nest, roles, machine)
    vectors = -(-roles.n.extent // tile.lanes)
    if vectors % tile.vectors:
        wider = _wider(tile, roles.m.extent, machine)
        before = _cycles(tile, roles.m.extent, vectors)
        if wider is not None and _cycles(wider, roles.m.extent, vectors) < EVENED * before:
            return wider
    whole = [n for n in range(tile.rows, 0, -1) if roles.m.extent % n == 0]
    few = points(nest) < MUCH and whole[0] * tile.vectors >= FEW_SUMS
    if few or whole[0] >= NEARLY * tile.rows:  # rows without a rest take half the code
        tile = replace(tile, rows=whole[0])
    return tile


def _wider(tile: Tile, rows: int, machine: Machine) -> Tile | None:
    """The tile with one more vector and as many rows as registers hold, if several."""
    across = tile.vectors + 1
    most = min((machine.registers - 1 - across) // across, rows)
    return Tile(most, across, tile.lanes) if most > 2 else None


def _cycles(tile: Tile, rows: int, vectors: int) -> float:
    """Cycles that a step of the reduction takes for all tiles, those at the edges among them:
    multiply-adds, two at a time, or the wait for what the step before has made."""

    def each(high: int, across: int) -> float:
        return max(high * across / 2, LATENCY) + 0.25 if high and across else 0.0

    return sum(
        many * (vectors // tile.vectors * each(high, tile.vectors))
        + many * each(high, vectors % tile.vectors)
        for high, many in ((tile.rows, rows // tile.rows), (rows % tile.rows, 1))
    )


def _rows(nests: Sequence[Nest], shared: int, tile: Tile, machine: Machine) -> int:
    """Rows of a block, as many as leave room in the cache for operands: such that all blocks are
    alike, and register tiles take the least time for them; else whole tiles."""
    extent = nests[0].compute.axes[shared - 1].extent
    widest = max(_row_bytes(t, shared) for nest in nests for t in nest.tensors)
    most = max(min(machine.l2 // 4 // max(widest, 1), MOST_ROWS, extent), 1)
    alike = [n for n in range(most, most // 2, -1) if extent % n == 0]
    if not alike:
        return max(most // tile.rows, 1) * tile.rows
    return min(alike, key=lambda n: _cycles(tile, n, tile.vectors) / n)


def schedule_row_block(
    s: Schedule, name: str, nest: Nest, shared: int, tile: Tile, machine: Machine
) -> None:
    """A contraction inside a block of rows: columns, then register rows, then the reduction, as
    much of it at once as leaves what the columns load in the nearest cache: the next rows, or the
    next columns where there are no more rows, find it there."""
    block = s.block(name)
    (*row, column), reduce = split_roles(s, block, private_loops(s, block, shared), nest)
    rows: list[Var] = []  # none in a block of one row, which has no loop for it
    if row:
        *rows, row[0] = s.split(row[0], [None, tile.rows])
    columns, vectors, lanes = s.split(column, [None, tile.vectors, tile.lanes])
    outer = [columns, *rows]
    at_once = _steps_at_once([extent_of(s, var) for var in reduce], nest, tile, machine)
    if at_once < extent_of(s, reduce[0]):
        far, reduce[0] = s.split(reduce[0], [None, at_once])
        outer.insert(1 if any(extent_of(s, var) > 1 for var in rows) else 0, far)
    s.reorder(*outer, *reduce, *row, vectors, lanes)
    for var in (*row, vectors):
        s.unroll(var)
    unroll_steps(s, reduce[-1], tile, is_alone=len(reduce) == 1)
    s.vectorize(lanes)
    if rows and machine.vector_bytes >= LINE_BYTES:
        for matrix in _rows_from_afar(s, name, nest, machine):
            s.prefetch(name, matrix, rows[0])


def _rows_from_afar(s: Schedule, name: str, nest: Nest, machine: Machine) -> list[Buffer]:
    """What was passed, is more than the second cache holds, and of which each tile reads rows of
    its own: a few lines each, for which it would wait as it begins. The next tile's are asked for
    while this one is multiplied."""
    block = s.block(name)
    lanes = block.iters[len(nest.compute.axes) - 1].axis
    read = (n for n in reads_of(block) if all(lanes not in set(variables_of(i)) for i in n.indices))
    passed = dict.fromkeys(n.source for n in read if n.source in s.program.params)
    return [b for b in passed if b.size * b.dtype.itemsize > machine.l2]


def _steps_at_once(extents: list[int], nest: Nest, tile: Tile, machine: Machine) -> int:
    """How many steps of the outermost loop of a reduction to do before going on; they divide it.
    All of them where the second cache gives high tiles what they wait for in time."""
    first, *inner = extents
    each = prod(inner) * tile.columns * nest.tensors[0].dtype.itemsize
    if tile.rows >= HIGH and first * each <= machine.l2 // 8:
        return first
    most = machine.l1 * 2 // 3 // each
    fits = [n for n in range(min(most, first), 0, -1) if first % n == 0]
    return fits[0] if fits and fits[0] * prod(inner) >= FEW_STEPS else first
