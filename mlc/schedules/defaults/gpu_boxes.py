"""Large contractions of 16-bit floats on Hopper's tensor cores, of boxes that come on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...dtypes import DType
from ...intrinsics.boxes import WIDE, load_box, wgmma_boxes, why_no_boxes
from ...ir.affine import as_sum
from ...ir.expr import Axis, Expr, Load, Var
from ...ir.program import For
from ..schedule import Schedule
from .gpu_contraction import hold, loops_inside, points
from .gpu_tensor_cores import SUMS_GAP
from .gpu_wgmma import HALVES_GAP, STEPS, GroupTile, wanted_product
from .vectors import extent_of

if TYPE_CHECKING:
    from .gpu import GpuMachine

AHEAD = 3  # iterations between the load of a box and its use, at most
CLUSTER = 2  # blocks, each of which asks for half of what both multiply
PARTS = (128, 64, 32)  # columns that are handed on at a time


def schedule_boxes(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """A large contraction of 16-bit floats, and what follows it point by point, as one kernel::

    for i: for j: for k:              for bm: for bn:
        Y[i, j] += A[i, k] * B[k, j]      for group: fill the tiles of Y
    for i: for j:                         for k0:
        C[i, j] = f(Y[i, j])       ->         load boxes of A and B, three iterations ahead
                                              for group: multiply boxes
                                          for group: for part of the columns:
                                              store it to shared memory
                                              for i: for lane: C[...] = f(Y[...])

    Where there are more tiles than processors, a block goes through several of them, and boxes of
    the next one come while results are stored. Operands are read right from where they are: rows
    begin at multiples of 16 bytes. Tiles may reach past the end: boxes bring zeros from there.
    """
    if not machine.boxes:
        return False
    product = wanted_product(nests, machine, is_box=True)
    if product is None or len(product.roles.k) > 1 or points(product.roles.k) < 2 * STEPS:
        return False
    if not (_is_array(product.roles.lhs) and _is_array(product.roles.rhs)):
        return False
    fetches, followers = product.copies(s, nests)
    for fetch, along in fetches:
        if along:
            _as_panels(s, fetch)
        hold(s, fetch, "shared")
    turned = [along for _, along in fetches]
    orders = ("km" if turned[0] else "mk", "kn" if turned[1] else "nk")
    family = wgmma_boxes(product.kind, product.tile.columns, *orders)
    ahead = min(AHEAD, -(-points(product.roles.k) // STEPS) - 1)
    slots = (ahead + 1) * (STEPS * sum(product.tile.block) * product.kind.itemsize + 16)
    room = machine.shared_most - slots
    kind = product.converted(s, followers)
    parts = [n for n in PARTS if n <= product.tile.columns and (kind or n < PARTS[0])]
    part = next((n for n in parts if _handed(product.tile, n, kind) <= room), parts[-1])
    loops = product.cut(s, family.sums, followers, part, *product.walk(machine))
    for fetch, _ in fetches:
        s.compute_at(fetch, loops.k0)
        row = loops_inside(s, fetch, loops.k0)[-2]
        s.tensorize(row, load_box(product.kind, extent_of(s, row)))
    product.begin_and_end(s, loops, family.sums, machine)
    if turned[1] and product.tile.columns > WIDE:
        s.split(loops.n1, [None, WIDE])
    s.tensorize(loops.m2, family.product)
    is_even = extent_of(s, loops.n0) % CLUSTER == 0
    s.pipeline(loops.k0, [0, 0, ahead], apart=True, cluster=CLUSTER if is_even else 1)
    return True


def _handed(tile: GroupTile, part: int, kind: DType | None) -> int:
    """Bytes of shared memory that ``part`` columns of sums take on their way, as float32 or as a
    narrower ``kind``."""
    row = part * 4 + SUMS_GAP if kind is None else part * kind.itemsize + HALVES_GAP
    return tile.block[0] * row


def _as_panels(s: Schedule, name: str) -> None:
    """``[.., k, m]`` as ``[.., m // 64, k, m % 64]``: rows of a box."""
    axes = [f"a{d}" for d in range(len(s.block(name).iters))]
    *batch, k, m = axes
    places = [*batch, f"{m} // {WIDE}", k, f"{m} % {WIDE}"]
    text = f"lambda {', '.join(axes)}: ({', '.join(places)})"
    s.transform_block_layout(name, text)
    s.transform_layout(name, 0, text)


def _is_part(index: Expr) -> bool:
    """Whether ``index`` is ``part * 128 + k``, of parts that begin at multiples of a box."""
    total = as_sum(index)
    steps = sorted(step for _, step in total.terms)
    return total.constant == 0 and len(steps) == 2 and steps[0] == 1 and steps[1] % WIDE == 0


def _is_array(node: Load) -> bool:
    """Whether ``node`` is an element of an array, an axis for each index, or parts of one that are
    counted by another. Views of the caller's may begin anywhere."""
    buffer = node.source
    if buffer.strides is not None:
        return False
    plain = all(isinstance(index, (Axis, Var)) or _is_part(index) for index in node.indices)
    box = (*(1,) * (len(node.indices) - 1), WIDE)
    return plain and why_no_boxes(buffer, box) is None
