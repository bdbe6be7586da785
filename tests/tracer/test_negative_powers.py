"""Integers to negative integer powers: NumPy's ValueError, wherever the exponents come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

WORDS = r"^Integers to negative integer powers are not allowed\."
X = np.array([0, 1, 2, -3])
GOOD = np.array([1, 0, 2, 3])
BAD = np.array([1, -1, 2, 3])


def in_place(x: Any, n: Any) -> Any:
    y = x.copy()
    y **= n
    return y


def into(x: Any, n: Any) -> Any:
    return np.power(x, n, out=np.zeros_like(x))


def in_a_loop(x: Any, n: Any) -> Any:
    total = 0
    for i in range(np.sum(n < 9)):
        total += x[i] ** n[i]
    return total


def until(x: Any, n: Any) -> Any:
    low = x.min()
    while low < 20:  # which does not end with what a negative power gives
        low = (low + 5) ** n.min() + 1
    return low


def selected(x: Any, n: Any) -> Any:
    return (x[x > 0] ** n[x > 0]).sum()


FUNCTIONS = [
    lambda x, n: x**n,
    lambda x, n: 2**n,
    lambda x, n: (x > 0) ** n.astype(np.int8),
    lambda x, n: np.power(x, n, dtype=np.int16, casting="unsafe"),
    lambda x, n: np.power.outer(x, n),
    lambda x, n: np.power.reduce(n),
    lambda x, n: np.power.accumulate(np.stack([x, n]), axis=0),
    lambda x, n: np.power.reduceat(n, [0, 3]),
    in_place, into, in_a_loop, selected,
]  # fmt: skip


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_negative_exponent_ends_the_call(function: Callable[..., Any], target: str) -> None:
    compiled = mlc.jit(function, target=target)
    np.testing.assert_array_equal(compiled(X, GOOD), function(X, GOOD))
    with pytest.raises(ValueError, match=WORDS):
        function(X, BAD)
    with pytest.raises(ValueError, match=WORDS):
        compiled(X, BAD)
    np.testing.assert_array_equal(compiled(X, GOOD), function(X, GOOD))


def test_a_loop_that_would_not_end_ends() -> None:
    with pytest.raises(ValueError, match=WORDS):
        mlc.jit(until)(X, BAD)


@pytest.mark.parametrize("n", [-1, np.int64(-1), np.array([-1]), np.array(-2, np.int8)])
def test_numbers(n: Any) -> None:
    for function in (lambda x, n: x**n, lambda x, _: x**n):
        with pytest.raises(ValueError, match=WORDS):
            mlc.jit(function)(X, n)


def test_a_branch_that_is_not_taken_refuses_nothing() -> None:
    def inverse(x: Any, n: Any) -> Any:
        if n < 0:
            return x**-1
        if n > 5:
            return x ** (-n)
        return x**n

    compiled = mlc.jit(inverse)
    np.testing.assert_array_equal(compiled(X, np.int64(2)), X**2)
    for n in (-1, 6):
        with pytest.raises(ValueError, match=WORDS):
            compiled(X, np.int64(n))


def test_where() -> None:
    def function(x: Any, n: Any, mask: Any) -> Any:
        return np.power(x, n, where=mask, out=np.full_like(x, 7))

    compiled = mlc.jit(function)
    np.testing.assert_array_equal(compiled(X, BAD, BAD > 0), function(X, BAD, BAD > 0))
    with pytest.raises(ValueError, match=WORDS):
        compiled(X, BAD, BAD < 2)
    selecting = mlc.jit(lambda x, n: (x[n > 0] ** n[n > 0]).sum())
    assert selecting(X, BAD) == (X[BAD > 0] ** BAD[BAD > 0]).sum()


def test_nothing_raised_to_a_power_is_no_error() -> None:
    nothing = np.zeros((0, 4), int)
    assert mlc.jit(lambda x, n: x**n)(nothing, BAD).shape == (0, 4)


NATURAL = [
    lambda x, n: x ** n.astype(np.uint8),
    lambda x, n: x ** n.astype(np.uint16).astype(int),
    lambda x, n: x ** (n > 0),
    lambda x, n: x ** (n % 7),
    lambda x, n: x ** (n & 7),
    lambda x, n: x ** np.clip(n, 0, 5),
    lambda x, n: x ** np.arange(4),
    lambda x, n: x.astype(float) ** n,
    lambda x, n: np.float_power(x, n),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", NATURAL)
def test_what_cannot_be_negative_is_not_looked_at(function: Callable[..., Any]) -> None:
    compiled = mlc.jit(function)
    np.testing.assert_allclose(compiled(X, BAD), function(X, BAD))
    assert "select_where(" not in str(compiled.lower(X, BAD).graph)


def test_the_index_of_a_loop_is_not_looked_at() -> None:
    @mlc.jit
    def doubled(n: int) -> Any:
        total = 0
        for i in range(n):
            total += 2**i
        return total

    assert doubled(10) == 1023
    assert "select_where(" not in str(doubled.lower(10).graph)


def test_other_exponents_are_looked_at() -> None:
    assert "select_where(" in str(mlc.jit(lambda x, n: x**n).lower(X, GOOD).graph)
