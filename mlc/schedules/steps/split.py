"""split: one loop becomes several nested ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...ir.expr import Expr, Var
from ...ir.program import For, LoopKind, Program, Stmt
from ..refusal import Refusal
from ..step import Step, add_predicate, find_loop, replace_loop, substitute_stmt

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Split(Step):
    """``for i in range(n)`` -> ``for i0 in range(ceil(n / f)): for i1 in range(f)``.

    Inside, ``i = i0 * f + i1``. At most one factor is None and follows from the others. Where the
    factors overshoot the extent, the blocks inside get the predicate ``i < n``. Always legal: order
    and points stay the same.
    """

    loop: Var
    factors: tuple[int | None, ...]

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        open_factors = sum(f is None for f in self.factors)
        if (
            len(self.factors) < 2
            or open_factors > 1
            or any(f is not None and f < 1 for f in self.factors)
        ):
            return (
                f"factors must be two or more sizes >= 1 with at most one None, got {self.factors}"
            )
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already; split it before that"
        product = 1
        for factor in self.factors:
            product *= factor or 1
        if not open_factors and product < loop.extent:
            return (
                f"factors {self.factors} cover {product} of {loop.extent} iterations of "
                f"{self.loop.name}; iteration {product} would be lost: use None for one factor"
            )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        loop = find_loop(program, self.loop)
        known = 1
        for factor in self.factors:
            known *= factor or 1
        extents = [-(-loop.extent // known) if f is None else f for f in self.factors]
        fresh = tuple(Var(f"{self.loop.name}_{n}") for n in range(len(extents)))
        index: Expr = fresh[0]
        for var, extent in zip(fresh[1:], extents[1:], strict=True):
            index = index * extent + var
        total = 1
        for extent in extents:
            total *= extent

        def change(loop: For) -> Stmt:
            body = substitute_stmt(loop.body, {loop.var: index})
            if total != loop.extent:
                body = add_predicate(body, index < loop.extent)
            for var, extent in zip(reversed(fresh), reversed(extents), strict=True):
                body = For(var, extent, body)
            return body

        return replace_loop(program, self.loop, change), fresh


def split(s: Schedule, loop: Var, factors: Sequence[int | None]) -> tuple[Var, ...]:
    """See :class:`Split`; returns the loops, outermost first."""
    return s.take(Split(loop, tuple(factors)))
