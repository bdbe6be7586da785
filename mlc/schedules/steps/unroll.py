"""unroll: the iterations of a loop are written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import LoopKind, Program
from ...records import dataclass, replace
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule

FACTOR = "unrolled_by"  # the hint that keeps the factor


@dataclass(frozen=True)
class Unroll(Step):
    """``loop`` with its iterations written out, or with ``factor`` of them at a time."""

    loop: Var
    factor: int | None = None

    def within(self) -> Var | None:
        return self.loop

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        if self.factor is not None and not 1 < self.factor <= loop.extent:
            return (
                f"factor must be from 2 to the extent of loop {self.loop.name}, which is "
                f"{loop.extent}, got {self.factor}"
            )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        if self.factor is not None:
            from .annotate import with_annotation

            return with_annotation(program, self.loop, FACTOR, int(self.factor)), ()
        return replace_loop(
            program, self.loop, lambda loop: replace(loop, kind=LoopKind.UNROLLED)
        ), ()


def unroll(s: Schedule, loop: Var, factor: int | None = None) -> None:
    """The iterations of ``loop`` are written out one after the other. Always legal.

    ``s.unroll(i)``::

        for i in range(4):      ->      for i in T.unrolled(4):

    With a ``factor`` the loop stays, and native code does so many iterations in each turn. What is
    left over at the end is done one by one, so the extent need not be a multiple. It may be from 2
    to the extent.
    """
    s.take(Unroll(loop, factor))
