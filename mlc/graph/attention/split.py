"""Attention of few rows over many keys: each block goes over a part of the keys, and a second
kernel puts the parts together::

    part p:    peak[p], total[p], sums[p] of its keys         one block for each part
    largest = max of peak; factor[p] = 2**(peak[p] - largest)
    out = sum of sums[p] * factor[p] / sum of total[p] * factor[p]

The order of sums is fixed. Peaks are those of what 2 is raised to.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from ...dtypes import float32
from ...ir.expr import apply, const
from ...ir.program import Buffer
from ...ops.programs import unflattened
from ...records import dataclass
from ...te.classify import points
from .grid import WARP, whens
from .held import is_held
from .parts import Attention, over

if TYPE_CHECKING:
    from .kernel import AttentionKernel

MOST_ROWS = 64  # those of one block
BLOCKS = 8 * 132  # of one warp each, that have enough of memory under way
LEAST_KEYS = 256  # of a part


@dataclass(frozen=True, eq=False)
class Parts:
    """What the first kernel leaves to the second: by batch, part, row and column."""

    peaks: Buffer
    totals: Buffer
    sums: Buffer


def split_count(found: Attention) -> int:
    """Into how many parts the keys go; 1 where there are blocks enough without that."""
    if not is_held(found) or found.row.extent > MOST_ROWS:
        return 1
    most = found.key.extent // LEAST_KEYS
    return max(1, min(most, -(-BLOCKS // max(points(found.batch), 1))))


def places_for_parts(kernel: AttentionKernel) -> Parts:
    """Memory between the two kernels."""
    w, found = kernel.w, kernel.found
    rows = (points(found.batch), kernel.splits, found.row.extent)
    return Parts(
        w.memory("peaks", rows, float32),
        w.memory("totals", rows, float32),
        w.memory("parts", (*rows, found.column.extent), float32),
    )


def put_together(kernel: AttentionKernel, parts: Parts) -> None:
    """The second kernel: a block for each row, a thread for each column."""
    w, found = kernel.w, kernel.found
    columns = found.column.extent
    threads = -(-columns // WARP) * WARP
    with w.bound(points(found.batch), "blockIdx.y", "batch") as batch:
        places = unflattened(batch, [a.extent for a in found.batch])
        put = dict(zip(found.batch, places, strict=True))
        with w.bound(found.row.extent, "blockIdx.x", "row") as row:
            with w.bound(threads, "threadIdx.x", "column") as column:
                with whens(w, [column < columns] if columns < threads else []):
                    largest = w.place("largest", (1,), float32, "local")
                    total = w.place("total", (1,), float32, "local")
                    made = w.place("made", (1,), float32, "local")
                    factor = w.place("factor", (1,), float32, "local")
                    w.store(largest, (0,), const(-inf, float32))
                    with w.loop(kernel.splits, "p") as p:
                        peak = parts.peaks[batch, p, row]
                        w.store(largest, (0,), apply("maximum", largest[0], peak))
                    w.store(total, (0,), const(0, float32))
                    w.store(made, (0,), const(0, float32))
                    with w.loop(kernel.splits, "p") as p:
                        peak = parts.peaks[batch, p, row]
                        w.store(factor, (0,), apply("exp2", peak - largest[0]))
                        count = parts.totals[batch, p, row] * factor[0]
                        w.store(total, (0,), total[0] + count)
                        value = parts.sums[batch, p, row, column] * factor[0]
                        w.store(made, (0,), made[0] + value)
                    at = {**put, found.row: row, found.column: column}
                    to = [over(place, at, {}) for place in found.places]
                    w.store(kernel.result, to, made[0] / total[0])
