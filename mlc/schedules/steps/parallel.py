"""parallel: the iterations of a loop run on the threads of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Stmt, walk
from ...records import dataclass, replace
from ..legality import accesses_of, carried_dependence
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


@dataclass(frozen=True)
class Parallel(Step):
    """``loop`` on the threads of the pool, at least ``grain`` iterations at once."""

    is_concurrent: ClassVar[bool] = True

    loop: Var
    grain: int = 1

    def within(self) -> Var | None:
        return self.loop

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        if self.grain < 1:
            return f"grain must be at least one iteration, got {self.grain}"
        for inner in walk(loop.body):
            if isinstance(inner, For) and inner.kind in (LoopKind.PARALLEL, LoopKind.BOUND):
                return (
                    f"loop {self.loop.name} holds loop {inner.var.name}, which is "
                    f"{inner.kind.value} already; one level of parallelism only"
                )
        for around in accesses_of(program).loops[self.loop][:-1]:
            if around.kind in (LoopKind.PARALLEL, LoopKind.BOUND, LoopKind.VECTORIZED):
                return (
                    f"loop {self.loop.name} stands inside loop {around.var.name}, which is "
                    f"{around.kind.value} already; one level of parallelism only"
                )
        return carried_dependence(program, self.loop)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        def change(loop: For) -> Stmt:
            hints = loop.annotations
            if self.grain > 1:
                hints = (*hints, ("grain", self.grain))
            return replace(loop, kind=LoopKind.PARALLEL, annotations=hints)

        return replace_loop(program, self.loop, change), ()


def parallel(s: Schedule, loop: Var, grain: int = 1) -> None:
    """The iterations of ``loop`` run on the threads of the pool, at least ``grain`` in one task.

    ``s.parallel(i)``::

        for i in range(64):      ->      for i in T.parallel(64):

    Refused where two iterations touch the same element and one of them changes it, and inside or
    around another parallel loop or one that is bound to threads of a grid.
    """
    s.take(Parallel(loop, grain))
