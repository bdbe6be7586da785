"""Elementwise functions write over the arrays that they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

Array = np.ndarray[Any, Any]
DRAWN = np.random.default_rng(0)


def add(x: Array, y: Array) -> Any:
    return x + y


def chain(x: Array, y: Array) -> Any:
    return np.where(x > 0.5, np.tanh(x) * y[:1] - x * x, x) + np.exp(-x)


def turned(x: Array, y: Array) -> Any:
    return x - x[::-1] + y


def scaled(x: Array, y: Array) -> Any:
    return x / x.sum(axis=-1, keepdims=True) - y.max()


FUNCTIONS: list[Callable[[Array, Array], Any]] = [add, chain, turned, scaled]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3, 5), (1031,), (97, 131), (2, 20_000), (257, 512)])
def test_what_is_read_may_be_written(function: Any, shape: tuple[int, ...]) -> None:
    x, y = DRAWN.random((2, *shape), dtype=np.float32)
    want = function(x, y)
    jitted = mlc.jit(function)

    @mlc.jit
    def assigned(x: Array, y: Array) -> None:
        x[...] = function(x, y)

    expected = jitted(x, y)
    np.testing.assert_allclose(expected, want, rtol=1e-4, atol=1e-5)
    for place in (0, 1):
        given = [x.copy(), y.copy()]
        assert jitted(*given, out=given[place]) is given[place]
        assert np.array_equal(given[place], expected)
    given = [x.copy(), y.copy()]
    assert assigned(*given) is None
    assert np.array_equal(given[0], expected) and np.array_equal(given[1], y)


def test_only_kernels_that_read_the_place_they_write() -> None:
    def is_in_place(function: Any) -> bool:
        jitted = mlc.jit(function)
        jitted(x, y)
        ((entry,),) = jitted._entries.values()
        return bool(entry.is_in_place)

    x = y = np.ones((40, 50))
    assert is_in_place(add) and is_in_place(lambda x, y: np.tanh(x) * y * y - x * x)
    assert not is_in_place(chain) and not is_in_place(turned) and not is_in_place(scaled)
    assert not is_in_place(lambda x, y: (x + y, x - y))
    assert not is_in_place(lambda x, y: np.cumsum(x, axis=0))
    assert not is_in_place(lambda x, y: x + x[3])
