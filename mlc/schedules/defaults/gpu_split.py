"""Contractions with few results and many steps: the steps are shared out among blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.program import Accumulate, For, writes_of
from ..buffers import buffer_key
from ..schedule import Schedule
from .gpu_contraction import hold, operands_of, points
from .gpu_nests import chain_of, only_block
from .gpu_rows import extents, roles_of
from .gpu_wgmma import side_for_groups

if TYPE_CHECKING:
    from .gpu import GpuMachine

SIDE = 64  # rows and columns that a block makes with few loads for each
STEPS = 256  # that a part should have at least


def split_contractions(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> None:
    """A contraction with fewer tiles than processors -> parts of it, and the sum of those::

        for i: for j: for k:             for c in 8: for i: for j: for k:
            Y[i, j] += A[i, k] * B[k, j]     Y_rf[c, i, j] += A[i, c * 512 + k] * B[...]
        for i: for j:                ->  for i: for j:
            C[i, j] = f(Y[i, j])             for c in 8: Y[i, j] += Y_rf[c, i, j]
                                             C[i, j] = f(Y[i, j])

    Both are kernels, so the order is fixed: the same bits in every run.
    """
    for n, nest in enumerate(nests):
        try:
            with s.part("split_contractions"):
                _split(s, nest, machine, nests[n + 1 :])
        except ScheduleError:
            continue


def _split(s: Schedule, nest: For, machine: GpuMachine, later: Sequence[For]) -> None:
    block, chain = only_block(nest), chain_of(nest)
    if block is None or block.predicate is not None:
        return
    loops, roles = roles_of(block, chain), operands_of(block)
    if loops is None or roles is None or not isinstance(block.body, Accumulate):
        return
    side = side_for_groups(block, roles, machine) or SIDE
    tiles = points(roles.batch) * -(-points(roles.m) // side) * -(-points(roles.n) // side)
    most = min(machine.processors // tiles, points(roles.k) // STEPS)
    spatial, reduce = loops
    counts = [
        (count, loop)
        for loop, extent in zip(reduce, extents(nest, reduce), strict=True)
        if (count := max((n for n in range(1, most + 1) if extent % n == 0), default=1)) > 1
    ]
    if not counts:
        return
    count, loop = max(counts, key=lambda row: row[0])
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
