"""Kernels that fold rows and go on with what is folded, such as softmax: a few rows at a time.

The fold of a row ends with a wait for its last lanes, and what needs the result waits, too. Where
the parts have loops of their own over a few rows, the next row begins meanwhile::

    for i in range(n):                      for i0 in range(n // 2):
        max[i] = ...                            for i in two rows: max[i] = ...
        for j: e[i, j] = exp(x - max)   ->      for i in two rows: for j: e[i, j] = ...
        sum[i] = ...                            for i in two rows: sum[i] = ...
        for j: y[i, j] = e / sum                for i in two rows: for j: y[i, j] = ...
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from ...te.program import Nest, Tiling
from ...te.tensor import Tensor
from .access import loads_in, reduce_axes
from .joined_folds import is_joined
from .machine import Machine

MOST_ROWS = 16  # by then no row waits


def rows_in_turn(nests: Sequence[Nest], shared: int, machine: Machine) -> Tiling:
    """How ``nests`` share their first ``shared`` axes: as many rows at a time as fill half of the
    nearest cache, which leaves room for those that come next. Where nothing as long as a row comes
    out, that is fewer: a processor sees the end of a row that it only folds while it waits."""
    starts = [*turns(nests, 0, shared, machine), len(nests)]
    rows = 1
    if shared and len(starts) > 2:
        extent = nests[0].compute.axes[shared - 1].extent
        taken, stored = _row_bytes(nests, shared)
        most = machine.l1 // (2 if stored >= taken // 2 else 8) // max(taken + stored, 1)
        most = min(most, MOST_ROWS, extent // (2 * machine.threads))
        rows = next((n for n in range(most, 1, -1) if extent % n == 0), 1)
    if rows == 1:
        return Tiling((1,) * shared)
    together = tuple((a, b) for a, b in pairwise(starts) if b > a + 1)
    return Tiling((1,) * (shared - 1) + (rows,), together=together)


def turns(nests: Sequence[Nest], start: int, shared: int, machine: Machine) -> list[int]:
    """Which of ``nests`` from number ``start`` on begin loops of their own: those that fold what
    others have just stored, unless they do so in one loop, or wait for what others have folded a
    whole row to."""
    apart, folded = [start], set[Tensor]()
    for position, nest in enumerate(nests[start:], start):
        before = nests[position - 1] if position > start else None
        stored = before is not None and reduce_axes(nest) and not reduce_axes(before)
        if stored and before is not None and is_joined(before, nest, shared, machine):
            stored = False
        if stored or not folded.isdisjoint(n.source for n in loads_in(nest)):
            apart.append(position)
            folded.clear()
        if reduce_axes(nest):
            folded.update(t for t in nest.tensors if prod(t.shape[shared:]) == 1)
    return apart


def _row_bytes(nests: Sequence[Nest], shared: int) -> tuple[int, int]:
    """Bytes of a row of all that goes in, and of what comes out."""
    made = {t for nest in nests for t in nest.tensors}
    read = {n.source for nest in nests for n in loads_in(nest)}

    def each(tensors: set[Tensor]) -> int:
        found = [(prod(t.shape[shared:]), t.dtype.itemsize) for t in tensors]
        return sum(n * size for n, size in found if n > 1)

    return each(read - made), each(made - read)
