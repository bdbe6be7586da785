"""Grid search: every candidate in turn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..candidate import Candidate
from .search import Search


class Grid(Search):
    """All of the space in order, as far as the budget goes."""

    def draw(self, count: int) -> Iterator[Candidate]:
        """The next candidates of the grid."""
        if not hasattr(self, "_rest"):
            self._rest = (c for c in self.space.grid() if self.fresh.is_new(c))
        yield from islice(self._rest, count)
