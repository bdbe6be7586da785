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
