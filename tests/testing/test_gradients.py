"""Gradients against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
import mlc.testing


def loss(x: Any, w: Any, b: float) -> Any:
    return (np.tanh(x @ w + b) ** 2).sum()


def slopes(x: Any, w: Any, b: float) -> Any:
    t = np.tanh(x @ w + b)
    d = 2 * t * (1 - t * t)
    return np.outer(d, w), x.T @ d, d.sum()


def forgetful(x: Any, w: Any, b: float) -> Any:
    gx, gw, gb = slopes(x, w, b)
    return gx, gw * 1.01, gb


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [3, 100])
def test_right_ones_pass(dtype: str, rows: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((rows, 4)).astype(dtype), rng.standard_normal(4).astype(dtype)
    mlc.testing.check_gradients(loss, x, w, 0.25, gradient=slopes)
    mlc.testing.check_gradients(mlc.jit(loss), x, w, 0.25, gradient=mlc.jit(slopes))


@pytest.mark.parametrize("rows", [3, 100])
def test_a_wrong_one_is_told_with_a_test_to_paste(rows: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((rows, 4)), rng.standard_normal(4)
    with pytest.raises(AssertionError, match=r"the gradient of argument 1 is .* at") as caught:
        mlc.testing.check_gradients(loss, x, w, 0.25, gradient=forgetful)
    assert "mlc.testing.check_gradients(loss, x, w, b, gradient=forgetful)" in str(caught.value)
    assert "def forgetful" in str(caught.value)


def test_a_gradient_far_smaller_than_the_function_is_seen() -> None:
    mlc.testing.check_gradients(
        lambda x: 1e3 + (x**3).sum(), np.array([0.1, 2.0]), gradient=lambda x: 3 * x**2
    )
    with pytest.raises(AssertionError, match=r"argument 0 is 0.06 at"):
        mlc.testing.check_gradients(
            lambda x: 1e3 + (x**3).sum(), np.array([0.1, 2.0]), gradient=lambda x: [6 * x**2][0]
        )


@pytest.mark.parametrize(
    ("function", "args", "gradient", "text"),
    [
        (lambda x: x.sum(), (np.arange(3),), lambda x: x, "no argument holds floats"),
        (lambda x: x * 2, (np.ones(3),), lambda x: x, r"the function returned shape \(3,\)"),
        (lambda x: x.sum(), (np.ones(3),), lambda x: (x, x), "1 arguments hold floats, and the"),
    ],
)
def test_refusals(function: Any, args: Any, gradient: Any, text: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=text):
        mlc.testing.check_gradients(function, *args, gradient=gradient)


def test_a_wrong_shape_is_said() -> None:
    with pytest.raises(AssertionError, match=r"shape \(2,\) instead of \(3,\)"):
        mlc.testing.check_gradients(lambda x: x.sum(), np.ones(3), gradient=lambda x: np.ones(2))
