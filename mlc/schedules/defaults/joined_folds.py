"""What makes a long row, and a fold over it, as one loop.

A row that the nearest cache does not hold would be read again from further away::

    for j in range(n): e[j] = exp(x[j])         for j in range(n):
    for j in range(n): total += e[j]        ->      e[j] = exp(x[j])
                                                    total += e[j]

Shorter rows stay as they are: a loop of its own keeps the partial results in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from ...errors import ScheduleError
from ...te.program import Nest
from ..schedule import Schedule
from ..step import find_loop
from .access import loads_in, reduce_axes
from .machine import Machine
from .vectors import extent_of

FEW = 1 << 16  # iterations: that a merge is right takes longer to prove than it gains


def join_folds(
    s: Schedule, names: Sequence[str], nests: Sequence[Nest], depth: int, machine: Machine
) -> None:
    """Merge the loops of neighbours among ``nests`` inside ``depth`` shared loops, where the second
    folds what the first makes. Blocks have ``names``; loops must be marked, but not for reading
    ahead."""
    for n, (made, fold) in enumerate(pairwise(nests)):
        if reduce_axes(made) or not reduce_axes(fold) or len(made.tensors) != 1:
            continue
        (tensor,) = made.tensors
        row = prod(tensor.shape[depth:]) * tensor.dtype.itemsize
        if row <= machine.l1 // 2 or tensor not in {load.source for load in loads_in(fold)}:
            continue
        _join(s, names[n], names[n + 1], depth)


def _join(s: Schedule, made: str, fold: str, depth: int) -> None:
    """Merge the outermost private loop of ``made`` with that of ``fold`` that has as many
    iterations, if only loops of one iteration stand around that."""
    outer, *_ = s.loops(made)[depth:]
    units = []
    for loop in s.loops(fold)[depth:]:
        if extent_of(s, loop) > 1:
            break
        units.append(loop)
    else:
        return
    extent = extent_of(s, outer)
    if extent != extent_of(s, loop) or extent > FEW:
        return
    if any(find_loop(s.program, v).kind.value != "serial" for v in (outer, loop, *units)):
        return
    if units:
        s.reorder(loop, *units)
    try:
        s.merge(outer, loop)
    except ScheduleError:  # a later part of the row is needed, or something stands between
        return
