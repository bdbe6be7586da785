"""sample_categorical: one of several numbers, drawn by chance or decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.program import Program
from ...records import dataclass
from ..refusal import Refusal
from ..step import Decision, Step

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class SampleCategorical(Step):
    """Number ``decision`` of ``candidates``. The program stays as it is."""

    candidates: tuple[int, ...]
    probabilities: tuple[float, ...] | None = None
    decision: int = -1

    def check(self, program: Program) -> Refusal | str | None:
        if any(not isinstance(c, int) or isinstance(c, bool) for c in self.candidates):
            return (
                "candidates are whole numbers; to choose among other things, sample their places: "
                "things[s.sample_categorical(range(len(things)))]"
            )
        if not 0 <= self.decision < len(self.candidates):
            return (
                f"the decision must be a place among the {len(self.candidates)} candidates, "
                f"counted from 0, got {self.decision}"
            )
        return weights_problem(len(self.candidates), self.probabilities)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return program, (Decision(self.candidates[self.decision]),)


def weights_problem(count: int, probabilities: tuple[float, ...] | None) -> str | None:
    """Why ``probabilities`` do not suit ``count`` candidates, or None."""
    if probabilities is None:
        return None
    if len(probabilities) != count or any(p < 0 for p in probabilities) or not sum(probabilities):
        return (
            f"probabilities must be {count} numbers >= 0, not all 0, one for each candidate; "
            f"got {list(probabilities)}"
        )
    return None


def sample_categorical(
    s: Schedule,
    candidates: Sequence[int],
    probabilities: Sequence[float] | None = None,
    decision: int | None = None,
) -> int:
    """One of ``candidates``, chosen by ``probabilities``; ``decision`` names its place instead.

    ``width = s.sample_categorical([4, 8, 16])``, then ``s.split(j, [None, width])``::

        for j in range(64):      ->      for j0 in range(8):
            B[j] = A[j]                      for j1 in range(8):
                                                 B[j0 * 8 + j1] = A[j0 * 8 + j1]

    The program stays as it is. A step that is given the number depends on the decision: change
    that in the trace's text, and the step changes. Arithmetic on it gives a plain number. Refused:
    a place that is none of the candidates', and candidates that are no whole numbers.
    """
    weights = None if probabilities is None else tuple(map(float, probabilities))
    if decision is None:
        problem = weights_problem(len(candidates), weights)
        if problem is not None or not candidates:
            raise ScheduleError(problem or "there are no candidates to choose from")
        (decision,) = s.random.choices(range(len(candidates)), weights)
    (chosen,) = s.take(SampleCategorical(tuple(candidates), weights, decision))
    return chosen  # type: ignore[no-any-return]
