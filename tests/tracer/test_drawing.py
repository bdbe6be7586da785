"""Random numbers drawn while tracing: arrays like all others, the same at each call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(4.0)


def in_place(x: Any) -> Any:
    w = np.random.uniform(-1, 1, 4)
    w -= x
    w[0] = x.sum()
    return w


def of_a_generator(x: Any) -> Any:
    w = np.random.default_rng(0).normal(size=4)
    w += x
    return w


def in_another_order(x: Any) -> Any:
    order = np.arange(4)
    np.random.shuffle(order)
    return x[order], x[np.random.permutation(4)], x[np.random.choice(np.arange(4), 2)]


@pytest.mark.parametrize("function", [in_place, of_a_generator, in_another_order])
def test_drawn_arrays_may_be_changed(function: Any) -> None:
    np.random.seed(0)
    wanted = function(X)
    np.random.seed(0)
    compiled = mlc.jit(function)
    for got, want in zip(compiled(X), wanted, strict=True):
        np.testing.assert_allclose(got, want)
    for got, want in zip(compiled(X), wanted, strict=True):  # drawn once, while tracing
        np.testing.assert_allclose(got, want)


def test_traced_values_are_not_shuffled() -> None:
    def shuffled(x: Any) -> Any:
        np.random.shuffle(x)
        return x

    with pytest.raises(mlc.UnsupportedError, match="would draw once, while tracing"):
        mlc.jit(shuffled)(X.copy())


def test_weights_that_are_drawn_kept_and_trained() -> None:
    class Regression:
        def fit(self, x: Any, y: Any) -> Any:
            self.w = np.random.uniform(-0.1, 0.1, x.shape[1])
            self.errors: list[Any] = []
            for _ in range(10):
                p = x @ self.w
                self.errors.append(np.mean((y - p) ** 2))
                self.w -= 0.01 * -(y - p) @ x
            return self

    x = np.random.default_rng(0).normal(size=(9, 3))
    ours, theirs = Regression(), Regression()
    np.random.seed(0)
    theirs.fit(x, x.sum(1))
    np.random.seed(0)
    mlc.jit(Regression.fit)(ours, x, x.sum(1))
    np.testing.assert_allclose(ours.w, theirs.w, rtol=1e-9)
    np.testing.assert_allclose(ours.errors, theirs.errors, rtol=1e-9)
    assert type(ours.w) is np.ndarray
