"""Thirty ordinary functions, as a program has many of them: what their first calls take in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def scaled(x: Any, y: Any) -> Any:
    return 2.0 * x + y


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def clipped(x: Any) -> Any:
    return np.clip(x, -1.0, 1.0)


def masked(x: Any, y: Any) -> Any:
    return np.where(x > y, x - y, 0.0)


def polynomial(x: Any) -> Any:
    return ((0.5 * x + 1.0) * x - 2.0) * x + 3.0


def distance(x: Any, y: Any) -> Any:
    return np.sqrt(np.sum((x - y) ** 2))


def cosine(x: Any, y: Any) -> Any:
    return np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y))


def centred(m: Any) -> Any:
    return m - m.mean(axis=0)


def standardised(m: Any) -> Any:
    return (m - np.mean(m, axis=0)) / (np.std(m, axis=0) + 1e-6)


def softmax(m: Any) -> Any:
    e = np.exp(m - np.max(m, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def best(m: Any) -> Any:
    return np.argmax(m, axis=1)


def extremes(m: Any) -> Any:
    return np.min(m), np.max(m)


def row_sums(m: Any) -> Any:
    return m.sum(axis=1)


def any_negative(m: Any) -> Any:
    return np.any(m < 0.0, axis=1)


def running(x: Any) -> Any:
    return np.cumsum(x)


def differences(x: Any) -> Any:
    return np.diff(x)


def neighbours(x: Any) -> Any:
    return (x[:-2] + x[1:-1] + x[2:]) / 3.0


def stencil(m: Any) -> Any:
    return m[1:-1, 1:-1] * 0.5 + 0.125 * (m[:-2, 1:-1] + m[2:, 1:-1] + m[1:-1, :-2] + m[1:-1, 2:])


def transposed(m: Any) -> Any:
    return np.ascontiguousarray(m.T)


def reversed_rows(m: Any) -> Any:
    return m[:, ::-1] + 1.0


def joined(x: Any, y: Any) -> Any:
    return np.concatenate([x, y])


def table(x: Any, y: Any) -> Any:
    return np.stack([x, y, x * y], axis=1)


def looked_up(m: Any, i: Any) -> Any:
    return m[i]


def one_hot(i: Any) -> Any:
    return (i[:, None] == np.arange(10)).astype(np.float32)


def product(m: Any, x: Any) -> Any:
    return m @ x


def outer(x: Any, y: Any) -> Any:
    return np.outer(x, y)


def gram(m: Any) -> Any:
    return m.T @ m


def ordered(x: Any) -> Any:
    return np.sort(x)


def rotated(x: Any, y: Any) -> Any:
    return np.cos(0.3) * x - np.sin(0.3) * y, np.sin(0.3) * x + np.cos(0.3) * y


def _of(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {function.__name__: function for function in functions}


FUNCTIONS = _of(
    scaled, relu, sigmoid, clipped, masked, polynomial, distance, cosine, centred, standardised,
    softmax, best, extremes, row_sums, any_negative, running, differences, neighbours, stencil,
    transposed, reversed_rows, joined, table, looked_up, one_hot, product, outer, gram, ordered,
    rotated,
)  # fmt: skip


def inputs(function: Callable[..., Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Arrays for one of them, by the names of its arguments."""
    rng = np.random.default_rng(0)
    code = function.__code__
    arrays = {
        "x": rng.standard_normal(64, dtype=np.float32),
        "y": rng.standard_normal(64, dtype=np.float32),
        "m": rng.standard_normal((64, 64), dtype=np.float32),
        "i": rng.integers(0, 10, 32),
    }
    return tuple(arrays[name] for name in code.co_varnames[: code.co_argcount])
