"""reorder: the loops of one perfect nest in another order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Stmt
from ...records import dataclass, replace
from ..legality import reorder_violation
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


@dataclass(frozen=True)
class Reorder(Step):
    """``loops``, all in one chain in which every loop holds just the next, in this order."""

    loops: tuple[Var, ...]

    def within(self) -> Var | None:
        return self.loops[0] if self.loops else None

    def check(self, program: Program) -> Refusal | str | None:
        if len({id(v) for v in self.loops}) < max(len(self.loops), 2):
            return "reorder takes two or more loops, each once"
        chain = self._chain(program)
        if chain is None:
            names = ", ".join(v.name for v in self.loops)
            return f"loops {names} do not lie in one chain of perfectly nested loops"
        if any(loop.kind is not LoopKind.SERIAL for loop in chain):
            return (
                "only serial loops can be reordered; reorder before parallel, vectorize or unroll"
            )
        return reorder_violation(program, chain, self.loops)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        chain = self._chain(program)
        assert chain is not None
        order = iter(self.loops)
        extents = {loop.var: loop for loop in chain}
        slots = [next(order) if self._has(loop.var) else loop.var for loop in chain]

        def change(_: For) -> Stmt:
            body: Stmt = chain[-1].body
            for var in reversed(slots):
                body = replace(extents[var], body=body)
            return body

        return replace_loop(program, chain[0].var, change), ()

    def _has(self, var: Var) -> bool:
        return any(v is var for v in self.loops)

    def _chain(self, program: Program) -> list[For] | None:
        """From the outermost named loop to the innermost, or None."""
        wanted = {id(v) for v in self.loops}
        for first in self.loops:
            chain, node, missing = [], find_loop(program, first), set(wanted)
            stmt: Stmt = node
            while isinstance(stmt, For) and missing:
                chain.append(stmt)
                missing.discard(id(stmt.var))
                stmt = stmt.body
            if not missing:
                return chain
        return None

    def text(self, names: Mapping[Any, str]) -> str:
        return f"s.reorder({', '.join(names[v] for v in self.loops)})"


def reorder(s: Schedule, *loops: Var) -> None:
    """The named loops take each other's places, so that they come in the order given.

    ``s.reorder(k, i)``::

        for i in range(4):                     for k in range(6):
            for j in range(5):         ->          for j in range(5):
                for k in range(6): ...                 for i in range(4): ...

    Refused where two iterations that touch the same element would change places and one of them
    changes it, but for updates with a commutative combiner; and for loops that are no longer
    serial or hold more than the next one.
    """
    s.take(Reorder(loops))
