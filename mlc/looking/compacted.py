"""Memory that lowering makes small, so that strides and sizes are those of what runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from math import prod

from ..ir.affine import linear_in
from ..ir.program import Buffer, For, LoopKind, Region
from ..schedules.legality.accesses import Access
from ..schedules.regions import union


def made_small(rows: Sequence[Access], params: Iterable[Buffer]) -> dict[Buffer, Buffer]:
    """For each allocated buffer, one iteration of some loops around all of its accesses needing a
    part of it alone, a buffer of the size of that part: see `mlc.lower.compact_buffers`."""
    own = set(params)
    found: dict[Buffer, list[Access]] = {}
    for row in rows:
        if row.buffer not in own:
            found.setdefault(row.buffer, []).append(row)
    out = {}
    for buffer, accesses in found.items():
        extents = _needed(buffer, accesses)
        if prod(extents) < prod(buffer.shape):
            out[buffer] = Buffer(buffer.name, extents, buffer.dtype, scope=buffer.scope)
    return out


def _needed(buffer: Buffer, rows: list[Access]) -> tuple[int, ...]:
    """The extents of what is alive at a time."""
    shared = rows[0].loops
    for row in rows[1:]:
        same = takewhile(lambda pair: pair[0] is pair[1], zip(shared, row.loops, strict=False))
        shared = tuple(loop for loop, _ in same)
    box = _box(rows, ())
    for depth, loop in enumerate(shared):
        if loop.kind not in (LoopKind.SERIAL, LoopKind.PARALLEL):
            break
        inner = _box(rows, shared[: depth + 1])
        if not _is_apart(inner, loop):
            break
        box = inner
    return tuple(map(min, box.extents, buffer.shape))


def _box(rows: list[Access], fixed: tuple[For, ...]) -> Region:
    """What is touched where the ``fixed`` loops stand still."""
    ranges = {loop.var: loop.extent for row in rows for loop in row.loops if loop not in fixed}
    box = union([Region(row.buffer, row.indices, row.extents) for row in rows], ranges)
    assert box is not None
    return box


def _is_apart(box: Region, loop: For) -> bool:
    """Whether iterations of ``loop`` touch boxes that do not overlap."""
    steps = (linear_in(start, loop.var) for start in box.starts)
    pairs = zip(steps, box.extents, strict=True)
    return loop.extent <= 1 or any(s is not None and abs(s) >= size for s, size in pairs)
