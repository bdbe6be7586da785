"""Random search: each candidate is drawn from the space by itself."""

from __future__ import annotations

from collections.abc import Iterator

from ..candidate import Candidate
from .search import Search


class Random(Search):
    """Draws by chance, with the probabilities that the templates name."""

    def draw(self, count: int) -> Iterator[Candidate]:
        """New candidates by chance."""
        yield from self.fresh.take(count, lambda: self.space.sample(self.random))
