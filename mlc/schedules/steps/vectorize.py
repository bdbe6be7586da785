"""vectorize: the iterations of a loop run in the lanes of vector registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Store, blocks_of, walk
from ...records import dataclass, replace
from ..legality import accesses_of, carried_dependence
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


MOST_LANES = 1024


@dataclass(frozen=True)
class Vectorize(Step):
    """``loop`` in the lanes of vector registers."""

    is_concurrent: ClassVar[bool] = True

    loop: Var

    def within(self) -> Var | None:
        return self.loop

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
        if loop.extent < 2 or is_fold(program, loop):
            return None
        return carried_dependence(program, self.loop)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return replace_loop(
            program, self.loop, lambda loop: replace(loop, kind=LoopKind.VECTORIZED)
        ), ()


def is_fold(program: Program, loop: For) -> bool:
    """Whether all that ``loop`` changes is combined into, by a combiner that is commutative, and
    read nowhere else in it: then its lanes may be folded in a fixed tree."""
    for block in blocks_of(loop.body):  # an init between the lanes would throw some away
        if block.init is not None:
            from ..legality.starts import starts_once  # reductions alone ask for it

            if not starts_once(block, {loop.var: loop.extent}):
                return False
    combiners: dict[object, object] = {}
    found = accesses_of(loop).rows
    rows = [row for row in found if not row.is_init]
    for start in found:  # and so would one after another block has combined what all lanes hold
        if start.is_init and any(
            r.buffer is start.buffer and r.block != start.block and r.position < start.position
            for r in rows
        ):
            return False
    for row in rows:
        if row.kind == "combine" and row.combiner is not None and row.combiner.commutative:
            if combiners.setdefault(row.buffer, row.combiner) is not row.combiner:
                return False
        elif row.changes:
            return False
    inits = {n for b in blocks_of(loop.body) if b.init is not None for n in walk(b.init)}
    stores = [n for n in walk(loop.body) if isinstance(n, Store) and n not in inits]
    if any(n.buffer in combiners for n in stores):
        return False  # lanes that store X[i] + e would each begin with the old X[i]
    return not any(row.kind == "read" and row.buffer in combiners for row in rows)


def vectorize(s: Schedule, loop: Var) -> None:
    """The iterations of ``loop`` run in the lanes of vector registers.

    ``s.vectorize(j)``::

        for j in range(8):      ->      for j in T.vectorized(8):

    A vectorized loop is innermost but for unrolled ones. Refused where one iteration needs what
    another leaves; a loop that only folds, with a commutative combiner, folds its lanes in a fixed
    tree.
    """
    s.take(Vectorize(loop))
