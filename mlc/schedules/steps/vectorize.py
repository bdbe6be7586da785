"""vectorize: the iterations of a loop run in the lanes of vector registers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, walk
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule

MOST_LANES = 1024


@dataclass(frozen=True)
class Vectorize(Step):
    """``for i in T.serial(n)`` -> ``for i in T.vectorized(n)``.

    A vectorized loop must be innermost but for unrolled ones; one that feeds a reduce axis folds
    its lanes in a fixed tree, which needs a commutative combiner.
    """

    loop: Var

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        if loop.extent > MOST_LANES:
            return (
                f"loop {self.loop.name} has {loop.extent} iterations; "
                "split it by a vector width first"
            )
        inside = [n for n in walk(loop.body) if isinstance(n, For)]
        if any(n.kind is not LoopKind.UNROLLED for n in inside):
            return f"loop {self.loop.name} holds other loops; only the innermost can be vectorized"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return replace_loop(
            program, self.loop, lambda loop: replace(loop, kind=LoopKind.VECTORIZED)
        ), ()


def vectorize(s: Schedule, loop: Var) -> None:
    """See :class:`Vectorize`."""
    s.take(Vectorize(loop))
