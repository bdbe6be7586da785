"""Loops in which a variable is None at first, and an array or a number later, are native."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

LONG = 6000  # iterations, more than are ever unrolled


def settled(x: Any) -> Any:
    before = None
    step = 0
    for step in range(LONG):  # noqa: B007
        new = 0.9995 * x + 1
        if before is not None and np.abs(new - before).max() < 1e-2:
            break
        before, x = new, new
    return x, step


def nearest(x: Any, y: Any) -> Any:
    best = None
    at = None
    for k in range(LONG):
        error = ((x * (k / 1000.0) - y) ** 2).sum()
        if best is None or error < best:
            best, at = error, k
    return best, at


def second(x: Any) -> Any:
    last, total = None, None
    for k in range(LONG):
        total = x if total is None else total + x
        if k > 0:
            last = x * k if last is None else last * 0.5 + x
    return last, total


def seldom(x: Any) -> Any:
    found = None
    for k in range(len(x)):
        if x[k] > 2 and found is None:
            found = k
    return -1 if found is None else found


X = np.array([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("function", "args"), [(settled, (X,)), (nearest, (X, 2.5 * X)), (second, (X,)), (seldom, (X,))]
)
def test_the_first_iterations_stand_apart(function: Any, args: Any) -> None:
    found, expected = mlc.jit(function)(*args), function(*args)
    pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-9)
