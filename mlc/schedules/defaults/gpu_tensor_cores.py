"""Contractions of small types on tensor cores: tiles of a block in shared memory, of a warp in
fragments, and what follows from shared memory again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from ...dtypes import DType, bfloat16, float16, float32, int8, int32
from ...intrinsics.mma import Mma, mma
from ...ir.expr import Apply, Cast, Load, Var
from ...ir.intrinsic import intrinsic_named
from ...ir.program import Accumulate, Block, For, reads_of, writes_of
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
from .gpu_nests import bind_grid, chain_of, lanes_along, only_block
from .gpu_rows import roles_of
from .vectors import extent_of

if TYPE_CHECKING:
    from .gpu import GpuMachine

SIDE = 16  # of the tiles of one intrinsic
LEAST = 8  # rows, columns and steps; with fewer most of a tile would be empty
AHEAD = 2  # iterations between the copy of a tile and its use
GAP = 16  # bytes between rows of shared memory
SUMS_GAP = 32  # bytes between rows of sums, which threads write two at a time
_KINDS = {float16: float32, bfloat16: float32, int8: int32}  # what is added up in which type


@dataclass(frozen=True)
class WarpTile:
    """A block of ``across * along`` warps makes ``rows * across`` by ``columns * along`` elements,
    ``depth`` steps between two barriers; rows and columns are those of a warp."""

    rows: int
    columns: int
    across: int
    along: int
    depth: int = 32

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        return self.rows * self.across, self.columns * self.along


# A warp reads rows + columns from shared memory for rows * columns products: of 64 x 32 that takes
# longer than the products do on Hopper.
TILES = (
    WarpTile(64, 64, 2, 2),
    WarpTile(64, 64, 1, 2),
    WarpTile(32, 32, 2, 2),
    WarpTile(32, 16, 1, 4),
    WarpTile(16, 16, 2, 2),
    WarpTile(16, 16, 1, 2),
    WarpTile(16, 16, 1, 1),
)


def kind_for_tensor_cores(block: Block, precision: str = "") -> DType | str | None:
    """What the block multiplies and adds up in a wider type, as :func:`mma` names it: two floats of
    16 bits, bytes, or, where ``precision`` says so, "tf32"; None for anything else."""
    body = block.body
    if not isinstance(body, Accumulate) or body.combiner.fn != "add" or len(body.values) != 1:
        return None
    total = body.buffers[0].dtype
    match body.values[0]:
        case Apply(fn="mul", args=(Cast(value=Load() as a), Cast(value=Load() as b))):
            if a.dtype is b.dtype and _KINDS.get(a.dtype) is total:
                return a.dtype
        case Apply(fn="mul", args=(Load() as a, Load() as b)) if precision == "tf32":
            if a.dtype is b.dtype is total is float32:
                return "tf32"
    return None


def choose_warp_tile(roles: Operands, machine: GpuMachine, step: int = SIDE) -> WarpTile | None:
    """The largest tile of which there are enough for all processors; None where all are too large
    for what there is. One intrinsic takes ``step`` steps."""
    m, n, k, b = (points(axes) for axes in (roles.m, roles.n, roles.k, roles.batch))
    if min(m, n, k) < LEAST:
        return None

    def fits(tile: WarpTile) -> bool:
        rows, columns = tile.block
        return rows < 2 * max(m, SIDE // 2 + 1) and columns < 2 * max(n, SIDE // 2 + 1)

    fitting = [tile for tile in TILES if fits(tile)]
    depth = TILES[0].depth if k % TILES[0].depth == 0 or k % SIDE and k > SIDE else SIDE
    depth = max(depth, step)
    for tile in fitting:
        rows, columns = tile.block
        if b * -(-m // rows) * -(-n // columns) >= machine.processors or tile is fitting[-1]:
            return WarpTile(tile.rows, tile.columns, tile.across, tile.along, depth)
    return None


def schedule_tensor_cores(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A contraction of small types, and what follows it point by point, as one kernel::

    for i: for j: for k:              for bm: for bn:
        Y[i, j] += A[i, k] * B[k, j]      for wm: for wn:                    # the warps
    for i: for j:                             fill the tiles of Y
        C[i, j] = f(Y[i, j])       ->         for k0:
                                                  fetch A_reindex, B_reindex together
                                                  for k1: load tiles of A and B
                                                          for i: for j: multiply tiles
                                              store the tiles of Y to shared memory
                                          for i: for lane: C[...] = f(Y[...])  # all together
    """
    block, chain = only_block(nests[0]), chain_of(nests[0])
    if block is None or roles_of(block, chain) is None:
        return False
    kind = kind_for_tensor_cores(block, machine.precision)
    roles = None if kind is None else operands_of(block)
    if kind is None or roles is None:
        return False
    step = mma(kind).depth
    tile = choose_warp_tile(roles, machine, step)
    if tile is None:
        return False
    name = block.name
    height, width = tile.block
    padded = GpuTile(SIDE, height // SIDE, width // SIDE, tile.depth)
    fetches, followers = as_matrices(s, name, roles, padded, nests[1:], in_order=True)
    orders = [
        ("mk" if along == 0 else "km", "nk" if along == 0 else "kn")[d]
        for d, (_, along) in enumerate(fetches)
    ]
    family = mma(kind, SIDE, *orders)
    ((sums, _),) = writes_of(s.block(name).body)
    stored = s.cache_write(name, sums, family.scope_c)
    loads = []
    for (copy, _), scope in zip(fetches, (family.scope_a, family.scope_b), strict=True):
        ((made, _),) = writes_of(s.block(copy).body)
        loads.append(s.cache_read(name, made, scope))
    *batch, rows, columns, depth = s.loops(name)
    m0, m1, m2, m3 = s.split(rows, [None, tile.across, tile.rows // SIDE, SIDE])
    n0, n1, n2, n3 = s.split(columns, [None, tile.along, tile.columns // SIDE, SIDE])
    k0, k1, k2 = s.split(depth, [None, tile.depth // step, step])
    s.reorder(*batch, m0, n0, m1, n1, k0, k1, m2, n2, m3, n3, k2)
    for each in (stored, *followers):
        s.reverse_compute_at(each, n0)
    s.reverse_compute_at(stored, n1)
    hold(s, stored, "shared")
    part_rows(s, stored, SUMS_GAP)
    n0 = bind_grid(s, batch, m0, n0)
    for var, thread in ((m1, "threadIdx.z"), (n1, "threadIdx.y")):
        if extent_of(s, var) > 1:  # else its iteration would have shared memory of its own
            s.bind(var, thread)
    for copy in loads:
        s.compute_at(copy, k1)
    threads = {"z": tile.across, "y": tile.along, "x": machine.warp}
    for (fetch, _), call in zip(fetches, (family.load_a, family.load_b), strict=True):
        hold(s, fetch, "shared")
        if not intrinsic_named(call).mixes:
            part_rows(s, fetch, GAP)
        s.compute_at(fetch, k0)
        spread(s, fetch, k0, threads, machine)
    for follower in followers:
        spread(s, follower, n0, threads, machine)
    _as_calls(s, name, family, loads, stored, (k0, k1, n1, m3))
    for var in (m2, n2, k1):
        s.unroll(var)
    if extent_of(s, k0) > AHEAD:
        s.pipeline(k0, [0, 0, AHEAD])
    return True


def part_rows(s: Schedule, name: str, gap: int) -> None:
    """Rows of what the block writes begin in other banks, at multiples of ``gap`` bytes."""
    ((buffer, indices),) = writes_of(s.block(name).body)
    s.storage_align(name, buffer, len(indices) - 2, BANKS, gap // buffer.dtype.itemsize)


def _as_calls(
    s: Schedule,
    name: str,
    family: Mma,
    loads: Sequence[str],
    stored: str,
    loops: tuple[Var, Var, Var, Var],
) -> None:
    """Every loop over a tile becomes a call."""
    k0, k1, n1, m3 = loops
    init = s.decompose_reduction(name, k0)
    s.tensorize(m3, family.product)
    sizes = {"m": SIDE, "n": SIDE, "k": family.depth}
    for block, loop, call, scope in (
        (init, n1, family.fill, family.scope_c),
        (loads[0], k1, family.load_a, family.scope_a),
        (loads[1], k1, family.load_b, family.scope_b),
        (stored, n1, family.store, family.scope_c),
    ):
        rows, columns = (sizes[letter] for letter in scope[-2:])
        inner = loops_inside(s, block, loop)
        if call == family.fill and len(inner) == 4:
            i0, j0, i1, j1 = inner
        else:
            *_, i, j = inner
            (i0, i1), (j0, j1) = s.split(i, [None, rows]), s.split(j, [None, columns])
            s.reorder(i0, j0, i1, j1)
        s.tensorize(i1, call)
        s.unroll(i0)
        s.unroll(j0)


def spread(s: Schedule, name: str, loop: Var, threads: dict[str, int], machine: GpuMachine) -> None:
    """A block inside ``loop`` on all threads of the block, neighbours on neighbouring threads, some
    at once where that can be. ``threads`` are the extents of the block by direction."""
    inner = loops_inside(s, name, loop)
    block = s.block(name)
    touched = [*(node.source for node in reads_of(block)), *(b for b, _ in writes_of(block.body))]
    widest = max(b.dtype.itemsize for b in touched)
    lanes = lanes_along(s, block, inner[-1], machine, machine.vector_bytes // widest)
    team = prod(threads.values())
    total = prod(extent_of(s, var) for var in inner)
    while lanes > 1 and (extent_of(s, inner[-1]) % lanes or total % (lanes * team)):
        lanes //= 2
    lane = None
    if lanes > 1:
        inner[-1], lane = s.split(inner[-1], [None, lanes])
    flat = s.fuse(*inner) if len(inner) > 1 else inner[0]
    used = {direction: extent for direction, extent in threads.items() if extent > 1}
    _, *parts = s.split(flat, [None, *used.values()])
    for var, direction in zip(parts, used, strict=True):
        s.bind(var, f"threadIdx.{direction}")
    if lane is not None:
        s.vectorize(lane)
