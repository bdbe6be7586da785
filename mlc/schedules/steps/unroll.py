"""unroll: the iterations of a loop are written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import LoopKind, Program
from ...records import dataclass, replace
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Unroll(Step):
    """``loop`` with its iterations written out."""

    loop: Var

    def within(self) -> Var | None:
        return self.loop

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return replace_loop(
            program, self.loop, lambda loop: replace(loop, kind=LoopKind.UNROLLED)
        ), ()


def unroll(s: Schedule, loop: Var) -> None:
    """The iterations of ``loop`` are written out one after the other. Always legal.

    ``s.unroll(i)``::

        for i in range(4):      ->      for i in T.unrolled(4):
    """
    s.take(Unroll(loop))
