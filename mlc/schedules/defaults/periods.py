"""Loops that come back to the same elements, as of `np.tile` and `np.kron`."""

from __future__ import annotations

from ...ir.expr import Apply, Axis, Const, Var
from ...ir.rewrite import postorder, variables_of
from ...te.program import Nest
from ..schedule import Schedule
from .machine import Machine
from .vectors import extent_of, lanes_for

SHORT_ROW = 8
LEAST = 32  # elements of a period that vectors run within
FILLED = 0.5  # of a vector, which shorter ones fill, too
MANY = 4  # turns of vectors that come back to the same lanes


def cut_period(s: Schedule, name: str, nest: Nest, loop: Var, machine: Machine) -> list[Var]:
    """``for i: b[i] = a[i % n]`` -> ``for i_0: for i_1: b[i_0 * n + i_1] = a[i_1]``, where what the
    block reads depends on its axis by ``// n`` and ``% n`` alone and ``n`` divides its extent. Of
    short periods there are none that fill vectors, or too few for `short_periods`."""
    axis = next((it.axis for it in s.block(name).iters if it.binding is loop), None)
    if axis is None:
        return [loop]
    period, extent = _period(nest, axis), extent_of(s, loop)
    if period is None or period >= extent or extent % period:
        return [loop]
    if period < LEAST:
        lanes = lanes_for(nest, extent, machine)
        is_part = lanes % period == 0 and period < lanes  # whole ones of them are picked by lane
        if is_part or period < FILLED * lanes or extent >= MANY * period * lanes:
            return [loop]
    outer, inner = s.split(loop, [None, period])
    return [outer, inner]


def short_periods(s: Schedule, name: str, nest: Nest, loop: Var, machine: Machine) -> Var | None:
    """``for i: b[i] = a[i // 3]`` -> ``for i_0: for i_1 in range(3): for i_2 in range(16)``, so
    that each lane reads at a constant distance from the first; returns the outer loop."""
    axis = next((it.axis for it in s.block(name).iters if it.binding is loop), None)
    period = None if axis is None else _period(nest, axis)
    lanes = lanes_for(nest, extent_of(s, loop), machine)
    if period is None or not 1 < period < LEAST or extent_of(s, loop) < MANY * period * lanes:
        return None
    outer: Var
    outer, vector, lane = s.split(loop, [None, period, lanes])
    s.unroll(vector)
    s.vectorize(lane)
    return outer


def short_rows(s: Schedule, nest: Nest, row: Var, place: Var, machine: Machine) -> Var | None:
    """``for i: for j in range(3): b[i, j]`` -> ``for i_0: for i_1 in range(3): for i_2 in
    range(16)`` over all elements of ``b`` in order, where a row does not fill a vector; returns the
    outer loop."""
    short, rows = extent_of(s, place), extent_of(s, row)
    lanes = lanes_for(nest, rows, machine)
    if not 1 < short <= min(SHORT_ROW, lanes // 2) or rows < 4 * lanes:
        return None
    outer: Var
    outer, vector, lane = s.split(s.fuse(row, place), [None, short, lanes])
    s.unroll(vector)
    s.vectorize(lane)
    return outer


def _period(nest: Nest, axis: Axis) -> int | None:
    """The only number that ``axis`` is divided by where its elements are chosen; None without."""
    found: set[int] = set()
    for part in nest.compute.body:
        for node in postorder(part):
            if isinstance(node, Apply) and node.fn in ("floordiv", "mod"):
                by = node.args[1]
                if node.args[0] is axis and isinstance(by, Const):
                    found.add(int(by.value))
                elif any(v is axis for v in variables_of(node)):
                    return None
    return found.pop() if len(found) == 1 else None
