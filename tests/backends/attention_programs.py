"""Attention as NumPy has it, and arrays for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def draw(*shape: int, dtype: Any = np.float16) -> Array:
    """Normal numbers, the same for the same shape."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def plain(q: Array, k: Array, v: Array) -> Array:
    return softmax(q @ np.swapaxes(k, -1, -2) * q.dtype.type(0.125)) @ v


def masked(q: Array, k: Array, v: Array, first: int, step: int) -> Array:
    """Row i sees the first ``(i + first) * step`` keys."""
    s = q @ np.swapaxes(k, -1, -2) * q.dtype.type(0.125)
    rows, keys = np.arange(s.shape[-2])[:, None], np.arange(s.shape[-1])[None, :]
    return softmax(np.where(keys >= (rows + first) * step, q.dtype.type(-np.inf), s)) @ v


def assert_near(
    jitted: Callable[..., Any], fn: Callable[..., Any], arrays: tuple[Array, ...], bound: float
) -> None:
    """``jitted`` is as near to ``fn`` in float64 as ``bound`` says."""
    with np.errstate(invalid="ignore"):
        exact = fn(*(x.astype(np.float64) for x in arrays))
    np.testing.assert_allclose(jitted(*arrays).astype(np.float64), exact, rtol=0, atol=bound)
