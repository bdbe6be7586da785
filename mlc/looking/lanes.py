"""How accesses go along a loop: next to each other, in steps, all over the place, or not at all."""

from __future__ import annotations

from ..ir.expr import Var
from ..ir.program import Buffer, For, LoopKind
from ..schedules.legality.accesses import Access
from .nests import Nest, depends, stride_along


def pattern(row: Access, var: Var) -> str:
    """``"contiguous"``, ``"same element"``, ``"stride 128"`` or ``"gathered"``."""
    if not depends(row, var):
        return "same element"
    stride = stride_along(row, var)
    if stride is None:
        return "gathered"
    return {0: "same element", 1: "contiguous"}.get(stride, f"stride {stride}")


def patterns(rows: list[Access], var: Var) -> dict[Buffer, str]:
    """How each buffer is accessed along the loop; the worst where there are several ways."""
    order = ("same element", "contiguous")
    found: dict[Buffer, str] = {}
    for row in rows:
        name = pattern(row, var)
        old = found.get(row.buffer, "same element")
        if old in order and (name not in order or order.index(name) >= order.index(old)):
            found[row.buffer] = name
    return found


def lane_loop(loops: tuple[For, ...]) -> For | None:
    """The loop whose iterations are neighbours in time: the vector loop, else the innermost."""
    vector = [loop for loop in loops if loop.kind is LoopKind.VECTORIZED]
    found = vector or [loop for loop in loops if loop.extent > 1] or loops
    return found[-1] if found else None


def heaviest_rows(nest: Nest) -> list[Access]:
    """The accesses of the statements that run most often; those of inits are not among them."""
    rows = [row for row in nest.accesses if not row.is_init] or nest.accesses

    def runs(row: Access) -> int:
        total = 1
        for loop in row.loops:
            total *= loop.extent
        return total

    most = max(map(runs, rows), default=0)
    blocks = {row.block for row in rows if runs(row) == most}
    return [row for row in rows if row.block in blocks and runs(row) == most]
