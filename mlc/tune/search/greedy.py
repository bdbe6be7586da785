"""Greedy refinement: from the best so far to its neighbours, and from a new place when stuck."""

from __future__ import annotations

from collections.abc import Iterator

from ..candidate import Candidate
from .search import Search


class Greedy(Search):
    """Tries what differs from the best by one place of one decision; when all of that is known, it
    draws by chance."""

    _around: Candidate | None = None
    _steps: Iterator[Candidate] = iter(())

    def draw(self, count: int) -> Iterator[Candidate]:
        """Neighbours of the best, then others."""
        while count and self.best:
            if self.best[0][1] is not self._around:
                self._around = self.best[0][1]
                self._steps = self.space.neighbours(self._around, self.random)
            step = next(self._steps, None)
            if step is None:
                break
            if self.fresh.is_new(step):
                count -= 1
                yield step
        yield from self.fresh.take(count, lambda: self.space.sample(self.random))
