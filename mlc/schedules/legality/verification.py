"""Checks counter-examples by running the indices: a refusal must never lie either."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.expr import Expr
from ...ir.program import Program, blocks_of
from ..refusal import Point, Witness
from .accesses import Access, accesses_of, accesses_of_block
from .symbolic import NotCovered, Values
from .terms import Terms

_ACTIONS = {  # what combines reads, too
    "read": ("reads",),
    "write": ("writes",),
    "combine": ("combines into", "reads"),
}


def verify(program: Program, witness: Witness) -> bool:
    """Whether both iterations of ``witness`` touch its element as it says, at least one changes it,
    and they are two.

    The values may be those of loops, or those of the axes of the block. What depends on data is
    taken to be as the witness needs it.
    """
    groups = [accesses_of(program).rows]
    groups += [accesses_of_block(block).rows for block in blocks_of(program.body)]
    moved = witness.first.values != witness.second.values
    return any(
        (a.changes or b.changes) and (moved or a is not b)
        for rows in groups
        for a in _touching(rows, witness.first, witness)
        for b in _touching(rows, witness.second, witness)
    )


def _touching(rows: list[Access], point: Point, witness: Witness) -> Iterator[Access]:
    for row in rows:
        if (
            row.buffer.name != witness.buffer
            or row.block != point.block
            or point.action not in _ACTIONS[row.kind]
            or tuple(loop.var.name for loop in row.loops) != tuple(n for n, _ in point.values)
            or not all(0 <= v < f.extent for f, (_, v) in zip(row.loops, point.values))
        ):
            continue
        values = Values(Terms())
        for loop in row.loops:
            values.bind(loop.var, loop.extent)
        frame = [value for _, value in point.values]
        starts = [_value(values, index, frame) for index in row.indices]
        inside = all(
            start is None or start <= at < start + extent
            for start, extent, at in zip(starts, row.extents, witness.element)
        )
        if inside and all(_value(values, guard, frame) in (None, True) for guard in row.guards):
            yield row


def _value(values: Values, expr: Expr, frame: list[int]) -> int | None:
    """The value of an index or a guard; None if it depends on data."""
    try:
        return int(values.index(expr)(frame))
    except NotCovered:
        return None
