"""Nests of independent points over the same elements: one kernel, each thread its own elements."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import prod
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.expr import Var
from ...ir.program import For, blocks_of
from ..legality import carried_dependence
from ..schedule import Schedule
from ..step import find_loop
from .gpu_nests import bind_flat, chain_of, lanes_along, most_lanes, only_block
from .gpu_rows import keep_near
from .vectors import extent_of

if TYPE_CHECKING:
    from .gpu import GpuMachine


def schedule_points_together(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """Consecutive nests over the same elements, each of which needs its own of the others alone:
    what they hand each other stays with the thread::

        for i: for j: T[i, j] = f(A[i, j])        for block: for thread:
        for i: for j: B[i, j] = g(T[i, j])   ->       for lane in 4: T[..] = f(A[..])
                                                      for lane in 4: B[..] = g(T[..])
    """
    shape = [loop.extent for loop in chain_of(nests[0])]

    def is_like(nest: For) -> bool:
        block = only_block(nest)
        return (
            block is not None
            and not block.is_reduction
            and [loop.extent for loop in chain_of(nest)] == shape
            and not any(carried_dependence(s.program, loop.var) for loop in chain_of(nest))
        )

    group = list(takewhile(is_like, nests))
    if len(group) < 2:
        return False
    lanes, most = machine.vector_bytes, most_lanes(prod(shape), machine)
    for nest in group:
        block = only_block(nest)
        assert block is not None
        lanes = min(lanes, lanes_along(s, block, chain_of(nest)[-1].var, machine, most))
    if prod(shape) < lanes * machine.warp:
        lanes = 1
    joined, inner = _flat(s, group[0], lanes)
    vectors = [inner]
    for nest in group[1:]:
        try:
            with s.part("join"):
                own, inner = _flat(s, nest, lanes)
                joined = s.merge(joined, own)
        except ScheduleError:
            break
        vectors.append(inner)
    if len(vectors) < 2:
        return False
    names = [block.name for block in blocks_of(find_loop(s.program, joined))]
    keep_near(s, joined, names, "local", 1, machine)
    bind_flat(s, [joined], machine)
    for lane in vectors:
        if lane is not None and extent_of(s, lane) > 1:
            s.vectorize(lane)
    return True


def _flat(s: Schedule, nest: For, lanes: int) -> tuple[Var, Var | None]:
    """The loops of a nest as one, but for ``lanes`` neighbours in a loop of their own."""
    loops = [loop.var for loop in chain_of(nest)]
    lane = None
    if lanes > 1:
        loops[-1], lane = s.split(loops[-1], [None, lanes])
    return (s.fuse(*loops) if len(loops) > 1 else loops[0]), lane
