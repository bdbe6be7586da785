"""Dicts that a function makes and puts into lists are changed through the lists."""

from __future__ import annotations

from typing import Any

import numpy as np

import mlc


class Mixture:
    def __init__(self, x: Any) -> None:
        self.parts: list[dict[str, Any]] = []
        for i in range(2):
            part = {}
            part["mean"] = x[i]
            part["spread"] = x[i] * 2
            self.parts.append(part)

    def step(self, x: Any) -> None:
        for i in range(2):
            mean = self.parts[i]["mean"] * 0.5 + x[2]
            self.parts[i]["mean"], self.parts[i]["spread"] = mean, mean * 3


def fitted(x: Any) -> Any:
    mixture = Mixture(x)
    for _ in range(30):
        mixture.step(x)
    return mixture.parts[0]["mean"], mixture.parts[1]["spread"]


def test_items_of_dicts_in_a_list_are_set_in_loops() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    for found, wanted in zip(mlc.jit(fitted)(x), fitted(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


class Clusters:
    """Iterations of its loops over parts are long, and each changes a dict."""

    def __init__(self, x: Any) -> None:
        self.parts = [{"mean": x[i], "weight": 1.0} for i in range(2)]
        self.history: list[Any] = []
        self.nearest: Any = None

    def far(self, x: Any, part: dict[str, Any]) -> Any:
        out = np.zeros(len(x))
        for n, row in enumerate(x):
            out[n] = part["weight"] * np.sum((row - part["mean"]) ** 2)
        return out

    def step(self, x: Any) -> None:
        far = np.zeros((len(x), 2))
        for i in range(2):
            far[:, i] = self.far(x, self.parts[i])
        self.nearest = far.argmin(axis=1)
        self.history.append(far.min(axis=1))
        share = np.exp(-far)
        for i in range(2):
            part = share[:, i] / share.sum(axis=1)
            self.parts[i]["mean"] = (part[:, None] * x).sum(axis=0) / part.sum()
            self.parts[i]["weight"] = self.parts[i]["weight"] * 0.9 + 0.1

    def is_done(self) -> Any:
        if len(self.history) < 2:
            return False
        return np.abs(self.history[-1] - self.history[-2]).max() < 1e-6


def clustered(x: Any, most: int) -> Any:
    clusters = Clusters(x)
    for _ in range(most):
        clusters.step(x)
        if clusters.is_done():
            break
    return clusters.nearest, clusters.parts[0]["mean"], clusters.parts[1]["weight"]


def test_short_loops_change_dicts_while_a_list_grows_and_an_attribute_is_none_at_first() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    for found, wanted in zip(mlc.jit(clustered)(x, 60), clustered(x, 60), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
