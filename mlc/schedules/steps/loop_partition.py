"""loop_partition: one loop becomes several, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import LoopKind, Program, seq
from ...records import dataclass
from ..cutting import cut, cut_refusal
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class LoopPartition(Step):
    """``loop`` cut at ``points``."""

    loop: Var
    points: tuple[int, ...]

    def check(self, program: Program) -> Refusal | str | None:
        return partition_refusal(program, self.loop, self.points)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return partitioned(program, self.loop, self.points)


def partition_refusal(program: Program, var: Var, points: tuple[int, ...]) -> str | None:
    """Why the loop over ``var`` cannot be cut at ``points``, or None."""
    loop = find_loop(program, var)
    if loop.kind is not LoopKind.SERIAL:
        return f"loop {var.name} is {loop.kind.value} already; cut it before that"
    ends = (0, *points, loop.extent)
    are_whole = all(hasattr(point, "__index__") for point in points)
    if not points or not are_whole or any(a >= b for a, b in pairwise(ends)):
        return (
            f"loop {var.name} is cut at rising points between 1 and {loop.extent - 1}, "
            f"got {list(points)}"
        )
    return cut_refusal(loop, points)


def partitioned(
    program: Program, var: Var, points: tuple[int, ...]
) -> tuple[Program, tuple[Any, ...]]:
    """The program with the loop over ``var`` cut at ``points``, and the loops over the parts."""
    parts, _ = cut(program, find_loop(program, var), points)
    changed = replace_loop(program, var, lambda _: seq(*parts))
    return changed, tuple(part.var for part in parts)


def loop_partition(s: Schedule, loop: Var, points: Sequence[int]) -> tuple[Var, ...]:
    """One loop becomes several, one after the other; returns them.

    ``i0, i1, i2 = s.loop_partition(i, [1, 7])``::

        for i in range(8):               for i0 in range(1): B[i0] = A[i0]
            B[i] = A[i]          ->      for i1 in range(6): B[i1 + 1] = A[i1 + 1]
                                         for i2 in range(1): B[i2 + 7] = A[i2 + 7]

    The blocks of later parts are copies under new names. Points and their order stay the same.
    Refused for points outside the loop, and where it is not clear which part initialises a
    reduction.
    """
    return s.take(LoopPartition(loop, tuple(points)))
