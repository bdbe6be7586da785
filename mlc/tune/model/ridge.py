"""The model that learns during a run: least squares on features, kept near the analytic guess; or
boosted trees, where there is a package for them and they turn out to order candidates better."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...looking.machine import Facts, this_machine
from ..candidate import Candidate
from ..workload import Workload
from .boosted import Boosted
from .features import Features, features

_NEEDED = 8  # observations until there is anything to fit
_NEEDED_BY_TREES = 24
_STRENGTH = 2.0  # of the pull towards the analytic guess, in observations
_KEPT = 200  # observations that count, the latest


class CostModel:
    """Guesses the logarithm of a candidate's time.

    The first guess is the analytic one. Once there are observations a linear correction is fitted,
    which is pulled towards none. ``is_trusted`` says that the model, asked about each observation
    as if it had not seen it, puts pairs of them in the right order clearly more often than not.
    ``agreement`` has that share of pairs for each kind of guess: "analytic", "linear" and "trees".
    """

    def __init__(
        self, workload: Workload, facts: Facts | None = None, trees: Boosted | None = None
    ) -> None:
        self.workload = workload
        self.facts = facts or this_machine()
        self.trees = trees
        self.agreement: dict[str, float] = {}
        self._fitted = 0  # observations that the trees were last shown
        self._shown: Any = np.empty(0)
        self._is_right = False
        self._seen: list[tuple[Candidate, float]] = []  # what is not looked at yet
        self._looks = 0
        self._look_seconds = 0.0
        self._rows: list[Features] = []
        self._times: list[float] = []
        self._fit: tuple[Any, Any, Any] | None = None

    def features(self, candidate: Candidate) -> Features | None:
        """What the model sees of a candidate."""
        began = time.perf_counter()
        found = features(candidate.program(self.workload), self.facts)
        self._looks += 1
        self._look_seconds += time.perf_counter() - began
        return found

    @property
    def look_seconds(self) -> float:
        """What it takes to look at one candidate; found out with one, where none was seen yet."""
        if not self._looks and self._seen:
            self.features(self._seen[-1][0])
        return self._look_seconds / max(self._looks, 1)

    def predict(self, rows: Sequence[Features]) -> list[float]:
        """Guesses for rows of features: logarithms to base 2 of times, up to a constant."""
        shares = self.agreement
        if self.trees and shares.get("trees", 0.0) > shares.get("linear", 0.0):
            guesses = self.trees.guess(rows)
            if guesses is not None:
                return guesses
        if self._fit is None:
            return [float(row[0]) for row in rows]
        mean, spread, weights = self._fit
        return [float(row[0] + _expanded(row, mean, spread) @ weights) for row in rows]

    def learn(self, candidate: Candidate, seconds: float) -> None:
        """One more observation, in any unit of time that is the same for all. It costs nothing
        until the model is asked something."""
        if seconds > 0:
            self._seen.append((candidate, seconds))

    @property
    def is_trusted(self) -> bool:
        """Whether its guesses are worth following."""
        self._catch_up()
        return self._is_right

    def _catch_up(self) -> None:
        seen, self._seen = self._seen[-_KEPT:], []
        for candidate, seconds in seen:
            row = self.features(candidate)
            if row is not None:
                self._rows = [*self._rows, row][-_KEPT:]
                self._times = [*self._times, float(np.log2(seconds))][-_KEPT:]
        if seen and len(self._rows) >= _NEEDED:
            self._refit()

    def ranked(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, what promises most first; those of which nothing is known last."""
        self._catch_up()
        rows = [self.features(candidate) for candidate in candidates]
        known = [n for n, row in enumerate(rows) if row is not None]
        guesses = dict(zip(known, self.predict([r for r in rows if r is not None]), strict=True))
        order = sorted(range(len(rows)), key=lambda n: guesses.get(n, float("inf")))
        return [candidates[n] for n in order]

    def _refit(self) -> None:
        x, y = np.array(self._rows), np.array(self._times)
        mean, spread = x.mean(0), x.std(0) + 1e-6
        design = np.array([_expanded(row, mean, spread) for row in x])
        target = y - x[:, 0]
        pull = np.full(design.shape[1], _STRENGTH)
        pull[0] = 1e-6  # the constant is free
        inverse = np.linalg.inv(design.T @ design + np.diag(pull))
        weights = inverse @ design.T @ target
        self._fit = mean, spread, weights
        # Leaving one out needs no second fit: residuals grow by what each point pulled itself.
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        residual = (target - design @ weights) / np.maximum(1 - leverage, 1e-3)
        self.agreement["analytic"] = _agreement(x[:, 0], y)
        self.agreement["linear"] = _agreement(y - residual, y)
        self._grow()
        self._is_right = max(self.agreement["linear"], self.agreement.get("trees", 0.0)) > 0.6

    def _grow(self) -> None:
        """Looks at what the trees have learned meanwhile, and shows them what is known now."""
        if self.trees is None or self.trees.is_busy or len(self._rows) < _NEEDED_BY_TREES:
            return
        guesses = self.trees.held_out
        if guesses is not None:
            self.agreement["trees"] = _agreement(guesses, self._shown)
        if len(self._rows) >= self._fitted + _NEEDED or len(self._rows) == _KEPT:
            self._fitted, self._shown = len(self._rows), np.array(self._times)
            self.trees.fit(self._rows, self._times)

    def close(self) -> None:
        """End the process of the trees."""
        if self.trees is not None:
            self.trees.close()


def _expanded(row: Features, mean: Any, spread: Any) -> Any:
    return np.concatenate([[1.0], (row - mean) / spread])


def _agreement(guesses: Any, times: Any) -> float:
    """The share of pairs that are in the right order; those that differ little do not count."""
    right = total = 0
    for i in range(len(times)):
        for j in range(i):
            if abs(times[i] - times[j]) > 0.1:
                total += 1
                right += bool((guesses[i] > guesses[j]) == (times[i] > times[j]))
    return right / total if total else 0.0
