"""unannotate: a hint on a loop or a block is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Block, Program
from ...records import dataclass
from ..refusal import Refusal
from ..step import Step, block_name
from .annotate import target_annotations, with_annotations

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Unannotate(Step):
    """``target``, a loop or the name of a block, without its hint ``key``."""

    target: Var | str
    key: str

    def check(self, program: Program) -> Refusal | str | None:
        hints = dict(target_annotations(program, self.target))
        if self.key in ("thread", "grain"):
            return f"{self.key!r} belongs to the kind of the loop; undo the step that set it"
        if self.key not in hints:
            name = self.target if isinstance(self.target, str) else self.target.name
            return f"{name} has no hint {self.key!r}; it has {', '.join(hints) or 'none'}"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        hints = target_annotations(program, self.target)
        kept = tuple((k, v) for k, v in hints if k != self.key)
        return with_annotations(program, self.target, kept), ()


def unannotate(s: Schedule, target: Var | Block | str, key: str) -> None:
    """Takes a hint from a loop or a block.

    ``s.unannotate(i, "unroll_depth")``::

        for i in T.serial(64, annotations={'unroll_depth': 4}):   ->   for i in range(64):

    Refused where there is none of that key.
    """
    name = target if isinstance(target, Var) else block_name(target)
    s.take(Unannotate(name, key))
