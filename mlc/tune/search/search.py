"""Search: what all searches do. A search proposes candidates and observes how they did."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from ..candidate import Candidate
from ..space import Fresh, Space


class Search(ABC):
    """Proposes each candidate once; deterministic for a seed and what it observes.

    ``model`` is a :class:`mlc.tune.model.ridge.CostModel`, or None. Expert seeds come first.
    """

    def __init__(self, space: Space, seed: int = 0, model: Any = None) -> None:
        self.space = space
        self.random = random.Random(seed)
        self.model = model
        self.fresh = Fresh(space.workload)
        self.seeds = iter(space.seeds(self.random))
        self.trial_seconds = 0.0  # what a trial takes, as far as the tuner has said
        self.best: list[tuple[float, Candidate]] = []  # fastest first

    def propose(self, count: int) -> Iterator[Candidate]:
        """Up to ``count`` candidates to try next, each when it is asked for; none if the space is
        exhausted."""
        while count and (seed := next(self.seeds, None)) is not None:
            if self.fresh.is_new(seed):
                count -= 1
                yield seed
        if count:
            yield from self.draw(count)

    @abstractmethod
    def draw(self, count: int) -> Iterator[Candidate]:
        """Up to ``count`` candidates after the seeds."""

    def observe(self, candidate: Candidate, seconds: float | None) -> None:
        """How a candidate did; None if it does not run, or is wrong."""
        if seconds is not None and self.model is not None:
            self.model.learn(candidate, seconds)
        if seconds is not None and candidate.kind == "trace" and candidate.decisions:
            self.best.append((seconds, candidate))
            self.best.sort(key=lambda pair: pair[0])
