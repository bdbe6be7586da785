"""Contractions with few results and many steps: the steps are shared out among blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.expr import Var
from ...ir.program import Accumulate, Block, For, writes_of
from ..buffers import buffer_key
from ..schedule import Schedule
from .gpu_contraction import hold, operands_of, pads, points
from .gpu_nests import chain_of, only_block
from .gpu_rows import extents, roles_of
from .gpu_wgmma import side_for_groups

if TYPE_CHECKING:
    from .gpu import GpuMachine

SIDE = 64  # rows and columns that a block makes with few loads for each
STEPS = 256  # that a part should have at least
WHOLE = 64  # of which the steps of a part are a multiple, where that number is free


def split_contractions(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> set[str]:
    """A contraction with fewer tiles than processors -> parts of it, and the sum of those::

        for i: for j: for k:             for c in 8: for i: for j: for k:
            Y[i, j] += A[i, k] * B[k, j]     Y_rf[c, i, j] += A[i, c * 512 + k] * B[...]
        for i: for j:                ->  for i: for j:
            C[i, j] = f(Y[i, j])             for c in 8: Y[i, j] += Y_rf[c, i, j]
                                             C[i, j] = f(Y[i, j])

    Both are kernels, so the order is fixed: the same bits in every run. Steps that so many parts do
    not divide are padded: operands are read as 0 past the last one. Returns the blocks of parts.
    """
    parts: set[str] = set()
    for n, nest in enumerate(nests):
        try:
            with s.part("split_contractions"):
                parts |= _split(s, nest, machine, nests[n + 1 :])
        except ScheduleError:
            continue
    return parts


def _split(s: Schedule, nest: For, machine: GpuMachine, later: Sequence[For]) -> set[str]:
    block, chain = only_block(nest), chain_of(nest)
    if block is None or block.predicate is not None:
        return set()
    loops, roles = roles_of(block, chain), operands_of(block)
    if loops is None or roles is None or not isinstance(block.body, Accumulate):
        return set()
    side = side_for_groups(block, roles, machine) or SIDE
    tiles = points(roles.batch) * -(-points(roles.m) // side) * -(-points(roles.n) // side)
    most = min(machine.processors // tiles, points(roles.k) // STEPS)
    spatial, reduce = loops
    counts = [
        (count, loop)
        for loop, extent in zip(reduce, extents(nest, reduce), strict=True)
        if (count := max((n for n in range(1, most + 1) if extent % n == 0), default=1)) > 1
    ]
    count, loop = max(counts, key=lambda row: row[0], default=(1, reduce[-1]))
    if len(reduce) == 1 and 2 * count <= most:
        count, loop = _padded(s, block, points(roles.k), most)
    if count < 2:
        return set()
    chunk, _ = s.split(loop, [count, None])
    made = s.rfactor(chunk, 0)
    outer = {chunk, *spatial}
    inner = [var for var in s.loops(made) if var not in outer]
    s.reorder(chunk, *spatial, *inner)
    body = s.block(made).body
    for buffer in body.buffers if isinstance(body, Accumulate) else ():
        s.set_scope(buffer_key(s.program, buffer), "global")
    inside = s.loops(block.name)[len(spatial) - 1]
    users = {user.name for user in s.consumers(block.name)}
    inlined = set[str]()
    for follower in map(only_block, later):
        if follower is None or follower.is_reduction:
            break
        try:
            s.reverse_compute_at(follower.name, inside)
        except ScheduleError:
            break
        inlined.add(follower.name)
    sums = {buffer for buffer, _ in writes_of(s.block(block.name).body)}
    if users and users <= inlined and sums.isdisjoint(s.program.params):
        hold(s, block.name, "local")
    return {made}


def _padded(s: Schedule, block: Block, steps: int, most: int) -> tuple[int, Var]:
    """The one reduce axis of ``block`` as long as ``most`` parts of whole tiles, or some fewer;
    how many parts those are, and its loop. Copies of the operands, with zeros, are inlined where
    tiles of them are fetched."""
    each = -(-steps // (most * WHOLE)) * WHOLE
    count = -(-steps // each)
    if count > 1:
        s.pad_einsum(block.name, [count * each if it.axis.is_reduce else 1 for it in block.iters])
    return count, s.loops(block.name)[-1]


def padding_of(s: Schedule, nests: Sequence[For]) -> list[str]:
    """The blocks of the first of ``nests``, if they only pad operands of the one after them."""
    found: list[str] = []
    for nest in nests:
        block = only_block(nest)
        if block is None:
            return []
        if pads(block) is None:
            users = {user.name for name in found for user in s.consumers(name)}
            return found if users == {block.name} else []
        found.append(block.name)
    return []
