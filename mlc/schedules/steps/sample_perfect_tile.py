"""sample_perfect_tile: factors of a loop, drawn by chance or decided."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.expr import Var
from ...ir.program import Program
from ...records import dataclass, replace
from ..refusal import Refusal
from ..step import Decision, Step, find_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class SamplePerfectTile(Step):
    """``n`` factors of the extent of ``loop``: ``decision``, whose last is at most
    ``max_innermost``. The program stays as it is."""

    loop: Var
    n: int
    max_innermost: int = 16
    decision: tuple[int, ...] = ()

    def check(self, program: Program) -> Refusal | str | None:
        extent = find_loop(program, self.loop).extent
        if self.n < 2:
            return f"a tile has two or more factors, got n={self.n}"
        chosen = self.decision
        if len(chosen) != self.n or any(f < 1 for f in chosen) or prod(chosen) != extent:
            return (
                f"the decision must be {self.n} factors of {extent}, the extent of "
                f"{self.loop.name}, got {list(chosen)}"
            )
        if chosen[-1] > self.max_innermost:
            return f"the innermost factor is {chosen[-1]}, more than {self.max_innermost}"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return program, tuple(map(Decision, self.decision))

    def adapted(self, program: Program) -> Step | None:
        """The largest factors that are not above those decided, from the innermost outwards."""
        rest = find_loop(program, self.loop).extent
        factors: list[int] = []
        for old in reversed(self.decision[1:]):
            factor = next(f for f in range(min(old, rest), 0, -1) if rest % f == 0)
            factors.append(factor)
            rest //= factor
        return replace(self, decision=(rest, *reversed(factors)))


@cache
def _count(extent: int, n: int) -> int:
    """In how many ways ``extent`` is a product of ``n`` factors."""
    if n == 1:
        return 1
    return sum(_count(extent // f, n - 1) for f in _divisors(extent))


@cache
def _divisors(extent: int) -> tuple[int, ...]:
    small = [f for f in range(1, int(extent**0.5) + 1) if extent % f == 0]
    return tuple(sorted({*small, *(extent // f for f in small)}))


def sample_perfect_tile(
    s: Schedule,
    loop: Var,
    n: int,
    max_innermost: int = 16,
    decision: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """``n`` factors whose product is the extent of ``loop``, for a split; the program stays.

    ``t0, t1 = s.sample_perfect_tile(i, 2)``, then ``s.split(i, [t0, t1])``::

        for i in range(64):      ->      for i0 in range(8):
            B[i] = A[i]                      for i1 in range(8):
                                                 B[i0 * 8 + i1] = A[i0 * 8 + i1]

    Each way to factor is as likely as any other whose last factor is at most ``max_innermost``;
    ``decision`` names one instead. A step that is given these numbers depends on the decision:
    change that in the trace's text, and the step changes. Arithmetic on them gives plain numbers.
    Refused: a decision that does not multiply to the extent.
    """
    if decision is None:
        extent, drawn = find_loop(s.program, loop).extent, list[int]()
        if n < 2 or extent < 1 or max_innermost < 1:
            raise ScheduleError(
                f"a tile has two or more factors of at least 1, got n={n} for {loop.name}, which "
                f"runs over {extent}, and max_innermost={max_innermost}"
            )
        for left in range(n, 1, -1):
            limit = max_innermost if left == n else extent
            choices = [f for f in _divisors(extent) if f <= limit]
            weights = [_count(extent // f, left - 1) for f in choices]
            (factor,) = s.random.choices(choices, weights)
            drawn.append(factor)
            extent //= factor
        decision = (extent, *reversed(drawn))
    return s.take(SamplePerfectTile(loop, n, max_innermost, tuple(decision)))
