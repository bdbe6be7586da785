"""parallel: the iterations of a loop run on the threads of the pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import LoopKind, Program
from ..legality import parallel_violation
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Parallel(Step):
    """``for i in T.serial(n)`` -> ``for i in T.parallel(n)``.

    A parallel loop may feed spatial axes only: two of its iterations must never write the same
    element.
    """

    loop: Var
    grain: int = 1

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        return parallel_violation(program, loop)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        hints = (("grain", self.grain),)
        return replace_loop(
            program,
            self.loop,
            lambda loop: replace(loop, kind=LoopKind.PARALLEL, annotations=hints),
        ), ()


def parallel(s: Schedule, loop: Var, grain: int = 1) -> None:
    """See :class:`Parallel`; a task gets at least ``grain`` iterations."""
    s.take(Parallel(loop, grain))
