"""Nests whose statements all go over the same independent points, as scans of columns do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir.expr import Var
from ...ir.program import Allocate, Buffer, For, Seq
from ..buffers import buffer_key
from ..legality import carried_dependence
from ..schedule import Schedule
from ..step import find_loop
from .gpu_nests import chain_of, schedule_chain, threads_for

if TYPE_CHECKING:
    from .gpu import GpuMachine


def schedule_strips(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """Points that stand inside serial loops come outermost, onto threads::

    for p:                                  for p: for j on the grid:
        for j: out[0, j] = x[0, j]              out[0, j] = x[0, j]
        for i: for j:                  ->       for i:
            out[i + 1, j] = f(out[i, j])            out[i + 1, j] = f(out[i, j])
    """
    outer = chain_of(nests[0])
    body = outer[-1].body if outer else None
    held: tuple[Buffer, ...] = ()
    if isinstance(body, Allocate):
        held, body = body.buffers, body.body
    if not isinstance(body, Seq) or any(carried_dependence(s.program, one.var) for one in outer):
        return False
    chains = [chain_of(stmt) for stmt in body.stmts]
    if not all(chains):
        return False
    extent = max(loop.extent for loop in chains[0])
    points: list[Var] = []
    for chain in chains:
        loops = [loop.var for loop in chain]
        place = next((d for d, loop in enumerate(chain) if loop.extent == extent), None)
        if place is None or extent < machine.warp or carried_dependence(s.program, loops[place]):
            return False
        points.append(loops[place])
        if place:
            s.reorder(loops[place], *loops[:place])
    merged = points[0]
    for point in points[1:]:
        merged = s.merge(merged, point)
    if not held:
        return schedule_chain(s, [find_loop(s.program, outer[0].var)], machine)
    for buffer in held:  # of which each thread has an element
        s.set_scope(buffer_key(s.program, buffer), "local")
    strips = s.fuse(*(loop.var for loop in outer)) if len(outer) > 1 else outer[0].var
    grid, thread = s.split(merged, [None, threads_for(extent, machine)])
    s.bind(strips, "blockIdx.x")
    s.bind(grid, "blockIdx.y")
    s.bind(thread, "threadIdx.x")
    return True
