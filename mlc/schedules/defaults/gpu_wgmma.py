"""Large contractions of 16-bit floats on Hopper's tensor cores: groups of four warps multiply tiles
of 64 rows right from shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from operator import is_
from typing import TYPE_CHECKING

from ...dtypes import DType, float32
from ...intrinsics.wgmma import KINDS, PIECE, ROWS, THREADS, Wgmma, wgmma, wgmma_store
from ...ir.expr import Cast, Load, Var
from ...ir.program import Block, For, Store, writes_of
from ...records import dataclass
from ..schedule import Schedule
from .gpu_contraction import (
    GpuTile,
    Operands,
    as_matrices,
    hold,
    loops_inside,
    operands_of,
    points,
)
from .gpu_nests import bind_grid, chain_of, only_block
from .gpu_rows import roles_of
from .gpu_tensor_cores import (
    AHEAD,
    SUMS_GAP,
    kind_for_tensor_cores,
    part_rows,
    spread,
)
from .vectors import extent_of

if TYPE_CHECKING:
    from .gpu import GpuMachine

ARCHITECTURE = "sm_90a"
BAND = 8  # tiles, so that 132 blocks are 8 by 16 tiles or so
PAIR = 2  # tiles of rows, so that neighbours multiply them by the same columns
STEPS = 64  # of the reduction between two barriers
SIDE = 128  # rows and columns of a tile, where the reduction is shared out among blocks
HALVES_GAP = 16  # bytes between rows of sums that are 16-bit floats already
FULL = 0.9  # of the processors that have a tile, at least
USED = (0.9, 0.75)  # of what tiles multiply that reach past the ends of arrays, the best first


@dataclass(frozen=True)
class GroupTile:
    """``groups`` of four warps in a block, one below the other, each with 64 rows."""

    groups: int
    columns: int

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        return self.groups * ROWS, self.columns


TILES = (GroupTile(2, 256), GroupTile(2, 128), GroupTile(2, 64), GroupTile(1, 64))


def side_for_groups(block: Block, roles: Operands, machine: GpuMachine) -> int:
    """The side of the tiles that groups make of a product with few results; 0 where none do."""
    kind = kind_for_tensor_cores(block)
    if machine.architecture != ARCHITECTURE or not isinstance(kind, DType) or not kind.is_float:
        return 0
    return 0 if points(roles.m) % SIDE or points(roles.n) % SIDE else SIDE


def choose_group_tile(
    roles: Operands, machine: GpuMachine, is_box: bool = False
) -> GroupTile | None:
    """The largest tile that divides what there is, of which there are enough for most processors;
    None where none is: smaller tiles do better then. With ``is_box`` tiles may reach past the end
    of an axis, by not too much, and stay within the last one of several."""
    m, n, k, b = (points(axes) for axes in (roles.m, roles.n, roles.k, roles.batch))
    for least, tile in product(USED if is_box else (1,), TILES):
        rows, columns = tile.block
        high, wide, deep = -(-m // rows), -(-n // columns), -(-k // STEPS)
        if m * n * k < least * high * rows * wide * columns * deep * STEPS:
            continue
        several = [(roles.m, rows), (roles.n, columns)]
        if is_box and any(axes[1:] and axes[-1].extent % size for axes, size in several):
            continue
        if b * high * wide >= FULL * machine.processors:
            return tile
    return None


def wanted_product(
    nests: Sequence[For], machine: GpuMachine, is_box: bool = False
) -> GroupProduct | None:
    """The product that ``nests`` begin with, if it is one for groups of four warps."""
    if machine.architecture != ARCHITECTURE:
        return None
    block, chain = only_block(nests[0]), chain_of(nests[0])
    if block is None or roles_of(block, chain) is None:
        return None
    kind = kind_for_tensor_cores(block)
    roles = None if kind is None else operands_of(block)
    if roles is None or not isinstance(kind, DType) or not kind.is_float:
        return None
    tile = choose_group_tile(roles, machine, is_box)
    return None if tile is None else GroupProduct(block.name, kind, roles, tile)


@dataclass(frozen=True)
class GroupProduct:
    """A product that groups of four warps do; and its loops, once it is cut into tiles."""

    name: str
    kind: DType
    roles: Operands
    tile: GroupTile

    def copies(self, s: Schedule, nests: Sequence[For]) -> tuple[list[tuple[str, int]], list[str]]:
        """As :func:`as_matrices`."""
        height, width = self.tile.block
        padded = GpuTile(ROWS, height // ROWS, width // ROWS, STEPS)
        return as_matrices(s, self.name, self.roles, padded, nests[1:], in_order=True)

    def cut(
        self,
        s: Schedule,
        sums: Wgmma,
        followers: Sequence[str],
        part: int = 0,
        blocks: int = 0,
        band: int = 1,
    ) -> GroupLoops:
        """The loops over tiles on the grid, and over groups on the threads. With ``part``, each
        group hands its sums on by itself, so many columns at a time, converted already where that
        is all that follows. With ``blocks`` there are no
        more of them than that, each of which goes through several tiles. ``band`` tiles of rows
        come one after the other before the next of columns."""
        ((made, _),) = writes_of(s.block(self.name).body)
        stored = s.cache_write(self.name, made, sums.scope_c)
        gap = SUMS_GAP
        if part and self.converted(s, followers) is not None:
            s.compute_inline(stored)
            (stored,) = followers
            followers, gap = [s.cache_write(stored, 0, "shared")], HALVES_GAP
        *batch, rows, columns, depth = s.loops(self.name)
        m0, m1, m2 = s.split(rows, [None, self.tile.groups, ROWS])
        n0, n1 = s.split(columns, [None, self.tile.columns])
        k0, k1 = s.split(depth, [None, STEPS])
        tiles = [n0]
        if band > 1:
            m0, m00 = s.split(m0, [None, band])
            tiles.append(m00)
        s.reorder(*batch, m0, *tiles, m1, k0, m2, n1, k1)
        for each in (stored, *followers):
            s.reverse_compute_at(each, tiles[-1])
        s.reverse_compute_at(stored, m1)
        if part:
            row, column = loops_inside(s, stored, m1)
            parts, column = s.split(column, [None, part])
            s.reorder(parts, row, column)
            for each in followers:
                s.reverse_compute_at(each, parts)
        hold(s, stored, "shared")
        part_rows(s, stored, gap)
        if blocks:
            n0 = _walk_grid(s, [*batch, m0], tiles, blocks)
        else:
            n0 = bind_grid(s, batch, m0, s.fuse(*tiles) if tiles[1:] else n0)
        if self.tile.groups > 1:
            s.bind(m1, "threadIdx.y")
        last = parts if part else None
        return GroupLoops(stored, tuple(followers), n0, m1, m2, n1, k0, k1, last)

    def converted(self, s: Schedule, followers: Sequence[str]) -> DType | None:
        """The 16-bit type that sums are converted to, if nothing else is done with them, and all
        sums of a tile are wanted."""
        rows, columns = self.tile.block
        if points(self.roles.m) % rows or points(self.roles.n) % columns:
            return None
        body = s.block(followers[0]).body if len(followers) == 1 else None
        match body:
            case Store(buffer=buffer, indices=at, value=Cast(value=Load(indices=places))):
                same = len(at) == len(places) and all(map(is_, at, places))
                return buffer.dtype if same and buffer.dtype in KINDS else None
        return None

    def walk(self, machine: GpuMachine) -> tuple[int, int]:
        """How many blocks go through all tiles in as many turns as processors need for them, all
        with the same number of tiles, 0 where none do or one turn is enough; and how many tiles of
        rows come one after the other."""
        rows, columns = self.tile.block
        m, n, b = (points(axes) for axes in (self.roles.m, self.roles.n, self.roles.batch))
        m, n = -(-m // rows), -(-n // columns)
        bands = self.bands(m, n)
        turns = -(-b * m * n // machine.processors)
        if turns < 2 or b * m * n % turns:
            return 0, bands[0]
        blocks = b * m * n // turns
        for band in bands:
            if blocks >= n * band:
                fits = blocks % (n * band) == 0 and m // band % (blocks // (n * band)) == 0
            else:
                fits = blocks % band == 0 and n % (blocks // band) == 0
            if fits:
                return blocks, band
        return 0, bands[0]

    def bands(self, rows: int, columns: int) -> tuple[int, ...]:
        """How many of so many tiles of rows may come one after the other before the next of
        columns, the best first: where there are many, blocks that run at once then share what they
        read, in the card's cache; and two blocks that do share the larger part of it."""
        if rows % BAND == 0 and columns > BAND:
            return (BAND,)
        height, width = self.tile.block
        return (PAIR, 1) if rows % PAIR == 0 and width >= height else (1,)

    @property
    def threads(self) -> dict[str, int]:
        """The extents of a block by direction."""
        return {"y": self.tile.groups, "x": THREADS}

    def begin_and_end(
        self,
        s: Schedule,
        loops: GroupLoops,
        sums: Wgmma,
        machine: GpuMachine,
    ) -> None:
        """What is done with the sums around the loop over steps."""
        for follower in loops.followers:
            if loops.parts is None:
                spread(s, follower, loops.n0, self.threads, machine)
            else:
                spread(s, follower, loops.parts, {"x": THREADS}, machine)
        init = s.decompose_reduction(self.name, loops.k0)
        s.tensorize(loops_inside(s, init, loops.m1)[-2], sums.fill)
        row, column = loops_inside(s, loops.stored, loops.m1)[-2:]
        ((buffer, _),) = writes_of(s.block(loops.stored).body)
        few = extent_of(s, column) < self.tile.columns or buffer.dtype is not float32
        s.tensorize(row, wgmma_store(extent_of(s, column), buffer.dtype) if few else sums.store)


@dataclass(frozen=True)
class GroupLoops:
    """The loops of a product in tiles: 0 counts tiles, the last one what is within. ``stored`` is
    the block that hands the sums on to the ``followers``."""

    stored: str
    followers: tuple[str, ...]
    n0: Var
    m1: Var
    m2: Var
    n1: Var
    k0: Var
    k1: Var
    parts: Var | None = None  # of the columns, handed on one after the other


def schedule_wgmma(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A large contraction of 16-bit floats, and what follows it point by point, as one kernel::

    for i: for j: for k:              for bm: for bn:
        Y[i, j] += A[i, k] * B[k, j]      for group: fill the tiles of Y
    for i: for j:                         for k0:
        C[i, j] = f(Y[i, j])       ->         fetch A_reindex, B_reindex together, 8 x 8 each
                                              for group: multiply tiles
                                          for group: store the tiles of Y to shared memory
                                          for i: for lane: C[...] = f(Y[...])  # all together
    """
    product = wanted_product(nests, machine)
    if product is None:
        return False
    family = wgmma(product.kind, product.tile.columns, STEPS)
    fetches, followers = product.copies(s, nests)
    for fetch, along in fetches:
        _as_pieces(s, fetch, along)
        hold(s, fetch, "shared")
    _, band = product.walk(machine)
    loops = product.cut(s, family, followers, band=band)
    for fetch, along in fetches:
        s.compute_at(fetch, loops.k0)
        _fetch(s, fetch, along, loops.k0, product.threads, machine)
    product.begin_and_end(s, loops, family, machine)
    pieces = [s.split(var, [None, PIECE]) for var in (loops.m2, loops.n1, loops.k1)]
    s.reorder(*(var for pair in pieces for var in pair))
    s.tensorize(pieces[0][0], family.product)
    if extent_of(s, loops.k0) > AHEAD:
        s.pipeline(loops.k0, [0, 0, AHEAD])
    return True


def _walk_grid(s: Schedule, outer: Sequence[Var], tiles: Sequence[Var], blocks: int) -> Var:
    """``blocks`` that go through the tiles of all loops, neighbours at once; returns the innermost
    loop over blocks. They divide what ``tiles`` count, or are several times as many."""
    columns, *bands = tiles
    band = prod(extent_of(s, var) for var in bands)
    turns, several = list(outer), []
    within = extent_of(s, columns) * band
    if blocks >= within:
        turn, some = s.split(turns.pop(), [None, blocks // within])
        several.append(some)
    else:
        turn, columns = s.split(columns, [None, blocks // band])
    turns.append(turn)
    last = s.fuse(columns, *bands) if bands else columns
    s.reorder(*several, last, *turns)
    for var, direction in zip([last, *several], "xy"):
        s.bind(var, f"blockIdx.{direction}")
    return last


def _as_pieces(s: Schedule, name: str, along: int) -> None:
    """``[.., m, k]``, or ``[.., k, m]`` where ``along`` is 1, as ``[.., m // 8, k // 8, m % 8,
    k % 8]``."""
    axes = [f"a{d}" for d in range(len(s.block(name).iters))]
    *batch, m, k = axes
    if along:
        m, k = k, m
    pieces = [f"{m} // {PIECE}", f"{k} // {PIECE}", f"{m} % {PIECE}", f"{k} % {PIECE}"]
    text = f"lambda {', '.join(axes)}: ({', '.join([*batch, *pieces])})"
    s.transform_block_layout(name, text)
    s.transform_layout(name, 0, text)


def _fetch(
    s: Schedule, name: str, along: int, loop: Var, threads: dict[str, int], machine: GpuMachine
) -> None:
    """Pieces by all threads of the block. Where neighbours in memory lie along the reduction, two
    threads take what lies side by side, and eight of them rows of other banks."""
    *_, m, k, row, step = loops_inside(s, name, loop)
    if along:
        s.reorder(k, step, m, row)
    else:
        k0, k1 = s.split(k, [None, 2])
        s.reorder(m, k0, row, k1, step)
    spread(s, name, loop, threads, machine)
