"""add_unit_loop: a loop of one iteration around a block or a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Block, For, LoopKind, Program
from ...records import dataclass
from ..legality import accesses_of
from ..refusal import Refusal
from ..step import Step, block_name, find_loop, loops_around, replace_block, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class AddUnitLoop(Step):
    """A loop of one iteration around ``target``, a loop or the name of a block."""

    target: Var | str

    def check(self, program: Program) -> Refusal | str | None:
        if isinstance(self.target, str):
            around = tuple(loops_around(program, self.target))
        else:
            find_loop(program, self.target)
            around = accesses_of(program).loops[self.target][:-1]
        lanes = [loop for loop in around if loop.kind is LoopKind.VECTORIZED]
        if lanes:
            return (
                f"loop {lanes[0].var.name} is vectorized and would hold another loop; "
                "add_unit_loop before vectorize"
            )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        unit = Var("u")
        if isinstance(self.target, str):
            changed = replace_block(program, self.target, lambda block: For(unit, 1, block))
        else:
            changed = replace_loop(program, self.target, lambda loop: For(unit, 1, loop))
        return changed, (unit,)


def add_unit_loop(s: Schedule, target: Var | Block | str) -> Var:
    """Puts a loop of one iteration around a block or a loop; returns it.

    ``u = s.add_unit_loop("B")``::

        with T.block("B"):          ->      for u in T.serial(1):
            B[0] = A[0] * 2.0                   with T.block("B"):
                                                    B[0] = A[0] * 2.0

    A place for others to be computed at, and for threads to be bound to. Refused inside vectorized
    loops, which hold no others.
    """
    name = target if isinstance(target, Var) else block_name(target)
    (unit,) = s.take(AddUnitLoop(name))
    return unit  # type: ignore[no-any-return]
