"""Large contractions of 16-bit floats on Hopper's tensor cores, of boxes that come on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...dtypes import DType
from ...intrinsics.boxes import WIDE, load_box, wgmma_boxes, why_no_boxes
from ...intrinsics.wgmma import ROWS, THREADS
from ...ir.expr import Axis, Load, Var
from ...ir.program import For, writes_of
from ..schedule import Schedule
from .gpu_contraction import (
    BANKS,
    GpuTile,
    as_matrices,
    hold,
    loops_inside,
    operands_of,
    points,
)
from .gpu_nests import bind_grid, chain_of, only_block
from .gpu_rows import roles_of
from .gpu_tensor_cores import GAP, kind_for_tensor_cores, spread
from .gpu_wgmma import ARCHITECTURE, STEPS, choose_group_tile
from .vectors import extent_of

if TYPE_CHECKING:
    from .gpu import GpuMachine

AHEAD = 3  # iterations between the load of a box and its use, at most


def schedule_boxes(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A large contraction of 16-bit floats, and what follows it point by point, as one kernel::

    for i: for j: for k:              for bm: for bn:
        Y[i, j] += A[i, k] * B[k, j]      for group: fill the tiles of Y
    for i: for j:                         for k0:
        C[i, j] = f(Y[i, j])       ->         load boxes of A and B, three iterations ahead
                                              for group: multiply boxes
                                          for group: store the tiles of Y to shared memory
                                          for i: for lane: C[...] = f(Y[...])  # all together

    Operands are read right from where they are: rows begin at multiples of 16 bytes.
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
    tile = choose_group_tile(roles, machine, is_box=True)
    if tile is None or len(roles.k) > 1 or points(roles.k) < 2 * STEPS:
        return False
    if not (_is_array(roles.lhs) and _is_array(roles.rhs)):
        return False
    name = block.name
    height, width = tile.block
    padded = GpuTile(ROWS, height // ROWS, width // ROWS, STEPS)
    fetches, followers = as_matrices(s, name, roles, padded, nests[1:], in_order=True)
    for fetch, along in fetches:
        if along:
            _as_panels(s, fetch)
        hold(s, fetch, "shared")
    turned = [along for _, along in fetches]
    orders = ("km" if turned[0] else "mk", "kn" if turned[1] else "nk")
    family = wgmma_boxes(kind, tile.columns, *orders)
    ((sums, _),) = writes_of(s.block(name).body)
    stored = s.cache_write(name, sums, family.sums.scope_c)
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
    for fetch, _ in fetches:
        s.compute_at(fetch, k0)
        row = loops_inside(s, fetch, k0)[-2]
        s.tensorize(row, load_box(kind, extent_of(s, row)))
    for follower in followers:
        spread(s, follower, n0, {"y": tile.groups, "x": THREADS}, machine)
    init = s.decompose_reduction(name, k0)
    s.tensorize(loops_inside(s, init, m1)[-2], family.sums.fill)
    if turned[1] and tile.columns > WIDE:
        s.split(n1, [None, WIDE])
    s.tensorize(m2, family.product)
    s.tensorize(loops_inside(s, stored, m1)[-2], family.sums.store)
    s.pipeline(k0, [0, 0, min(AHEAD, extent_of(s, k0) - 1)])
    return True


def _as_panels(s: Schedule, name: str) -> None:
    """``[.., k, m]`` as ``[.., m // 64, k, m % 64]``: rows of a box."""
    axes = [f"a{d}" for d in range(len(s.block(name).iters))]
    *batch, k, m = axes
    places = [*batch, f"{m} // {WIDE}", k, f"{m} % {WIDE}"]
    text = f"lambda {', '.join(axes)}: ({', '.join(places)})"
    s.transform_block_layout(name, text)
    s.transform_layout(name, 0, text)


def _is_array(node: Load) -> bool:
    """Whether ``node`` is an element of an array, an axis for each index. Views of the caller's may
    begin anywhere."""
    buffer = node.source
    if buffer.strides is not None:
        return False
    plain = all(isinstance(index, (Axis, Var)) for index in node.indices)
    box = (*(1,) * (len(node.indices) - 1), WIDE)
    return plain and why_no_boxes(buffer, box) is None
