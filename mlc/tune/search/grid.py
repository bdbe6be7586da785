"""Grid search: every candidate in turn."""

from __future__ import annotations

from ..candidate import Candidate
from .search import Search


class Grid(Search):
    """All of the space in order, as far as the budget goes."""

    def draw(self, count: int) -> list[Candidate]:
        """The next candidates of the grid."""
        if not hasattr(self, "_rest"):
            self._rest = self.space.grid()
        found: list[Candidate] = []
        for candidate in self._rest:
            if self.fresh.is_new(candidate):
                found.append(candidate)
                if len(found) == count:
                    break
        return found
