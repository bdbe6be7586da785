"""reorder: the loops of one perfect nest in another order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Stmt
from ..legality import reorder_violation
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Reorder(Step):
    """``for i: for j: for k`` -> ``for k: for i: for j``: the named loops take each other's places.

    They must lie in one chain in which every loop holds just the next. If the innermost holds
    several blocks, the iterations of all loops must be independent. Around one block, spatial
    points are independent of each other and a reduction may be folded in any order only if its
    combiner is commutative; otherwise the reduce loops must keep their order.
    """

    loops: tuple[Var, ...]

    def check(self, program: Program) -> Refusal | str | None:
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

    def text(self, names: Mapping[Var, str]) -> str:
        return f"s.reorder({', '.join(names[v] for v in self.loops)})"


def reorder(s: Schedule, *loops: Var) -> None:
    """See :class:`Reorder`."""
    s.take(Reorder(loops))
