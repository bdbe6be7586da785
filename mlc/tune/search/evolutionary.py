"""Evolutionary search: the fastest have children, a model chooses which of them are tried."""

from __future__ import annotations

from collections.abc import Iterator

from ..candidate import Candidate
from .search import Search

_PARENTS = 12  # the fastest that have children
_NEWCOMERS = 0.2  # the share of a generation that is drawn by chance
_CHOICE = 4  # children bred for each that is tried, once the model knows something
_WORTH = 12.0  # candidates bred and looked at in the time of a trial, for that to pay
_UNSEEN = 4  # of so many candidates, one is tried without the model's advice


class Evolutionary(Search):
    """Mutation of decisions and crossover among the fastest, and some newcomers."""

    def draw(self, count: int) -> Iterator[Candidate]:
        """A generation."""
        if len(self.best) < 3:
            yield from self.fresh.take(count, lambda: self.space.sample(self.random))
        elif not self._is_model_worth_it():
            yield from self.fresh.take(count, self._child)
        else:
            # While those are built, the others are bred: nobody waits for the model.
            unseen = -(-count // _UNSEEN)
            yield from self.fresh.take(unseen, self._child)
            count -= unseen
            ranked = self.model.ranked(list(self.fresh.take(_CHOICE * count, self._child)))
            for late in ranked[count:]:  # they may be bred again
                self.fresh.forget(late)
            yield from ranked[:count]

    def _is_model_worth_it(self) -> bool:
        """Whether trials take so long that it pays to breed many and to try those chosen."""
        if self.model is None:
            return False
        bred = self.space.seconds / max(len(self.fresh.known), 1)
        if self.trial_seconds < _WORTH * (bred + self.model.look_seconds):
            return False
        return bool(self.model.is_trusted)

    def _child(self) -> Candidate | None:
        rng = self.random
        if rng.random() < _NEWCOMERS:
            return self.space.sample(rng)
        parent = self._parent()
        if rng.random() < 0.3:
            child = self.space.crossover(parent, self._parent(), rng)
            if child is not None:
                return child
        return self.space.mutate(parent, rng, rng.choice((1, 1, 2, 3)))

    def _parent(self) -> Candidate:
        """One of the fastest; the faster, the likelier."""
        parents = [candidate for _, candidate in self.best[:_PARENTS]]
        weights = [1.0 / (rank + 1) for rank in range(len(parents))]
        return self.random.choices(parents, weights)[0]
