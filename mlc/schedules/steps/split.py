"""split: one loop becomes several nested ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.expr import Expr, Var, apply, const
from ...ir.program import For, LoopKind, Program, Stmt, seq, walk
from ...records import dataclass, replace
from ..step import Step, add_predicate, find_loop, replace_loop, substitute_stmt

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule

TAILS = ("guard", "cut", "shift", "pad")


@dataclass(frozen=True)
class Split(Step):
    """``loop`` as nested loops of ``factors`` iterations, at most one of which is None."""

    loop: Var
    factors: tuple[int | None, ...]
    tail: str = "guard"

    def within(self) -> Var | None:
        # What is cut off gets names that are new in all the program; padding may be read anywhere.
        return None if self.tail in ("cut", "pad") else self.loop

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        factors = self.factors
        if (
            len(factors) < 2
            or sum(f is None for f in factors) > 1
            or any(f is not None and (not isinstance(f, int) or f < 1) for f in factors)
        ):
            return f"factors must be two or more sizes >= 1 with at most one None, got {factors}"
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already; split it before that"
        if loop.annotations:
            return (
                f"loop {self.loop.name} has annotations, which would be lost; "
                "split it before annotate"
            )
        if self.tail not in TAILS:
            return f"tail must be one of {', '.join(TAILS)}, got {self.tail!r}"
        total = prod(f or 1 for f in factors)
        if None not in factors and total < loop.extent:
            return (
                f"factors {factors} cover {total} of {loop.extent} iterations of "
                f"{self.loop.name}; iteration {total} would be lost: use None for one factor"
            )
        if loop.extent == 0 and None not in factors:
            return (
                f"loop {self.loop.name} has no iterations, and factors {factors} would make "
                f"{total} of them: use None for one factor"
            )
        extents = self._extents(loop)
        return None if prod(extents) == loop.extent else self._tail_refusal(program, loop, extents)

    def _tail_refusal(
        self, program: Program, loop: For, extents: list[int]
    ) -> Refusal | str | None:
        inner = prod(extents[1:])
        if self.tail in ("cut", "shift"):
            if inner > loop.extent:
                return (
                    f"the inner loops take {inner} iterations and {self.loop.name} has "
                    f"{loop.extent}, so there is no whole tile; use smaller factors or tail='guard'"
                )
            if loop.extent % inner == 0:
                return None
        # What only other tails than "guard" need is loaded for them.
        match self.tail:
            case "cut":
                from ..cutting import cut_refusal

                return cut_refusal(loop, (loop.extent // inner * inner,))
            case "shift":
                from ..tails import shift_refusal

                return shift_refusal(program, loop, extents[1:])
            case "pad":
                from ..tails import pad_refusal

                return pad_refusal(program, loop, prod(extents))
            case _:
                return None

    def _extents(self, loop: For) -> list[int]:
        known = prod(f or 1 for f in self.factors)
        return [-(-loop.extent // known) if f is None else int(f) for f in self.factors]

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        loop = find_loop(program, self.loop)
        extents = self._extents(loop)
        inner = prod(extents[1:])
        fresh = tuple(Var(f"{self.loop.name}_{n}") for n in range(len(extents)))
        rest: list[Stmt] = []
        shifted = False
        if self.tail in ("cut", "shift") and prod(extents) != loop.extent:
            whole = loop.extent // inner
            extents[0] = whole
            if loop.extent % inner and self.tail == "cut":
                from ..cutting import cut

                (loop, last), _ = cut(program, loop, (whole * inner,))
                rest.append(last)
            elif loop.extent % inner:
                extents[0] = whole + 1
                shifted = True
        index: Expr = fresh[0]
        if shifted:
            last_start = const(loop.extent - inner, index.dtype)
            first, *others = fresh
            index = apply("minimum", first * inner, last_start)
            for n, var in enumerate(others, 2):
                index = index + var * prod(extents[n:]) if n < len(extents) else index + var
        else:
            for var, extent in zip(fresh[1:], extents[1:], strict=True):
                index = index * extent + var
        body = substitute_stmt(loop.body, {loop.var: index})
        if self.tail == "pad" and prod(extents) != loop.extent:
            from ..tails import padded_axes

            ranges = {n.var: n.extent for n in walk(program.body) if isinstance(n, For)}
            ranges.update(zip(fresh, extents, strict=True))
            body = padded_axes(body, ranges)
        elif prod(extents) != loop.extent and self.tail == "guard":
            body = add_predicate(body, index < loop.extent)
        for var, extent in zip(reversed(fresh), reversed(extents), strict=True):
            body = For(var, extent, body)
        return replace_loop(program, self.loop, lambda _: seq(body, *rest)), fresh

    def adapted(self, program: Program) -> Step | None:
        """The outermost factor follows from the extent that there is now."""
        loop = find_loop(program, self.loop)
        if None in self.factors or len(self.factors) < 2:
            return None
        inner = prod(f or 1 for f in self.factors[1:])
        return replace(self, factors=(-(-loop.extent // inner), *self.factors[1:]))


def split(
    s: Schedule, loop: Var, factors: Sequence[int | None], tail: str = "guard"
) -> tuple[Var, ...]:
    """One loop becomes several nested ones; returns them, outermost first.

    ``i0, i1 = s.split(i, [None, 4])``::

        for i in range(10):          for i0 in range(3):
            B[i] = A[i]        ->        for i1 in range(4):
                                             if i0 * 4 + i1 < 10:
                                                 B[i0 * 4 + i1] = A[i0 * 4 + i1]

    At most one factor is None; it follows from the others. Points and their order stay the same,
    so a split is always legal. Where the factors overshoot the extent, ``tail`` says what happens::

        "guard"   blocks get the predicate i < n, as above
        "cut"     for i0 in range(2): for i1 in range(4): ..., then for i_1 in range(2): ...
        "shift"   the last tile begins earlier, at n - 4, and does some points a second time
        "pad"     the points beyond n are computed too

    Refused: factors that lose iterations; loops that are no longer serial. "shift" is refused for
    blocks that combine into what is there from before: a point done twice would count twice. "pad"
    is refused where a point beyond n leaves its buffer, or somebody might see what it writes.
    """
    if not isinstance(factors, Iterable):
        inner = factors if isinstance(factors, int) else 4
        raise ScheduleError(f"expected a list of factors, such as [None, {inner}], got {factors!r}")
    return s.take(Split(loop, tuple(factors), tail))
