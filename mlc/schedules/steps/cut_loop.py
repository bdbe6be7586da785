"""cut_loop: one loop becomes two, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Program
from ...records import dataclass
from ..refusal import Refusal
from ..step import Step
from .loop_partition import partition_refusal, partitioned

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class CutLoop(Step):
    """``loop`` cut at ``point``."""

    loop: Var
    point: int

    def check(self, program: Program) -> Refusal | str | None:
        return partition_refusal(program, self.loop, (self.point,))

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return partitioned(program, self.loop, (self.point,))


def cut_loop(s: Schedule, loop: Var, point: int) -> tuple[Var, Var]:
    """One loop becomes two, one after the other; returns both.

    ``head, tail = s.cut_loop(i, 6)``::

        for i in range(8):               for head in range(6): B[head] = A[head]
            B[i] = A[i]          ->      for tail in range(2): B[tail + 6] = A[tail + 6]

    The case of one point of loop_partition. Refused for a point outside the loop, and where it is
    not clear which part initialises a reduction.
    """
    first, second = s.take(CutLoop(loop, point))
    return first, second
