"""What makes a long row, and a fold over it, as one loop.

A row that the nearest cache does not hold would be read again from further away::

    for j in range(n): e[j] = exp(x[j])         for j in range(n):
    for j in range(n): total += e[j]        ->      e[j] = exp(x[j])
                                                    total += e[j]

Shorter rows stay as they are: a loop of its own keeps the partial results in registers. But where
the row is made by long chains of instructions, such as those of exp, the fold takes no time beside
them, and rows need only be longer than its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from ...errors import ScheduleError
from ...te.program import Nest, Tiling
from ..schedule import Schedule
from ..step import find_loop
from .access import loads_in, reduce_axes
from .machine import Machine
from .vectors import extent_of, is_long

LONG_ROW = 4096  # bytes, while which are made the fold of the row before comes to its end
FEW = 1 << 16  # iterations: that a merge is right takes longer to prove than it gains


def join_folds(
    s: Schedule, names: Sequence[str], nests: Sequence[Nest], tiling: Tiling, machine: Machine
) -> None:
    """Merge the loops of neighbours among ``nests``, where the second folds what the first makes.
    Blocks have ``names``; loops must be marked, but not for reading ahead."""
    for n, (made, fold) in enumerate(pairwise(nests)):
        alike = tiling.depth(n) == tiling.depth(n + 1)
        if alike and is_joined(made, fold, len(tiling.sizes), machine):
            _join(s, names[n], names[n + 1])


def is_joined(made: Nest, fold: Nest, shared: int, machine: Machine) -> bool:
    """Whether ``fold`` folds the long rows that ``made`` makes, inside ``shared`` common axes."""
    if reduce_axes(made) or not reduce_axes(fold) or len(made.tensors) != 1:
        return False
    (tensor,) = made.tensors
    row = prod(tensor.shape[shared:]) * tensor.dtype.itemsize
    is_far = row >= LONG_ROW if is_long(made.compute.body) else row > machine.l1 // 2
    return is_far and tensor in {load.source for load in loads_in(fold)}


def _join(s: Schedule, made: str, fold: str) -> None:
    """Merge the outermost private loop of ``made`` with that of ``fold`` that has as many
    iterations, if only loops of one iteration stand around that."""
    shared = sum(a is b for a, b in zip(s.loops(made), s.loops(fold), strict=False))
    outer, *_ = s.loops(made)[shared:]
    units = []
    for loop in s.loops(fold)[shared:]:
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
