"""Large contractions of 16-bit floats on Hopper's tensor cores: groups of four warps multiply tiles
of 64 rows right from shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...dtypes import DType
from ...intrinsics.wgmma import PIECE, ROWS, THREADS, wgmma
from ...ir.expr import Var
from ...ir.program import For, writes_of
from ..schedule import Schedule
from .gpu_contraction import (
    BANKS,
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
from .gpu_tensor_cores import AHEAD, GAP, kind_for_tensor_cores, spread
from .vectors import extent_of

if TYPE_CHECKING:
    from .gpu import GpuMachine

ARCHITECTURE = "sm_90a"
STEPS = 64  # of the reduction between two barriers


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


def choose_group_tile(
    roles: Operands, machine: GpuMachine, is_box: bool = False
) -> GroupTile | None:
    """The largest tile that divides what there is, of which there are enough for all processors;
    None where none is: smaller tiles do better then. ``is_box`` asks that a tile stays within the
    last of several axes."""
    m, n, k, b = (points(axes) for axes in (roles.m, roles.n, roles.k, roles.batch))
    for tile in TILES:
        rows, columns = tile.block
        if m % rows or n % columns or k % STEPS:
            continue
        if is_box and (roles.m[-1].extent % rows or roles.n[-1].extent % columns):
            continue
        if b * (m // rows) * (n // columns) >= machine.processors:
            return tile
    return None


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
    if machine.architecture != ARCHITECTURE:
        return False
    block, chain = only_block(nests[0]), chain_of(nests[0])
    if block is None or roles_of(block, chain) is None:
        return False
    kind = kind_for_tensor_cores(block)
    roles = None if kind is None else operands_of(block)
    if roles is None or not isinstance(kind, DType) or not kind.is_float:
        return False
    tile = choose_group_tile(roles, machine)
    if tile is None:
        return False
    name, family = block.name, wgmma(kind, tile.columns, STEPS)
    height, width = tile.block
    padded = GpuTile(ROWS, height // ROWS, width // ROWS, STEPS)
    fetches, followers = as_matrices(s, name, roles, padded, nests[1:], in_order=True)
    for fetch, along in fetches:
        _as_pieces(s, fetch, along)
        hold(s, fetch, "shared")
    ((sums, _),) = writes_of(s.block(name).body)
    stored = s.cache_write(name, sums, family.scope_c)
    *batch, rows, columns, depth = s.loops(name)
    m0, m1, m2 = s.split(rows, [None, tile.groups, ROWS])
    n0, n1 = s.split(columns, [None, tile.columns])
    k0, k1 = s.split(depth, [None, STEPS])
    s.reorder(*batch, m0, n0, m1, k0, m2, n1, k1)
    for each in (stored, *followers):
        s.reverse_compute_at(each, n0)
    s.reverse_compute_at(stored, m1)
    hold(s, stored, "shared")
    ((result, indices),) = writes_of(s.block(stored).body)
    s.storage_align(stored, result, len(indices) - 2, BANKS, GAP // result.dtype.itemsize)
    bind_grid(s, batch, m0, n0)
    if tile.groups > 1:
        s.bind(m1, "threadIdx.y")
    threads = {"y": tile.groups, "x": THREADS}
    for fetch, along in fetches:
        s.compute_at(fetch, k0)
        _fetch(s, fetch, along, k0, threads, machine)
    for follower in followers:
        spread(s, follower, n0, threads, machine)
    init = s.decompose_reduction(name, k0)
    s.tensorize(loops_inside(s, init, m1)[-2], family.fill)
    pieces = [s.split(var, [None, PIECE]) for var in (m2, n1, k1)]
    s.reorder(*(var for pair in pieces for var in pair))
    s.tensorize(pieces[0][0], family.product)
    s.tensorize(loops_inside(s, stored, m1)[-2], family.store)
    if extent_of(s, k0) > AHEAD:
        s.pipeline(k0, [0, 0, AHEAD])
    return True


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
