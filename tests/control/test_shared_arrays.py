"""Arrays with two names after a branch: reading them works, a write is refused, never lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def chosen(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        t = a
    else:
        t = b
    return t + 1


def swapped(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        a, b = b, a
    return a - b


def copied(a: Any, b: Any) -> Any:
    t = b.copy()
    if a.sum() > 0:
        t = a.copy()
    t += 1
    return t


def written(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        t = a
    else:
        t = b
    t[0] = 5
    return t


def viewed(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        t = a * 2
    else:
        t = a[::-1]
    np.multiply(t, b, out=t)
    return t


def owner_written(a: Any, b: Any) -> Any:
    t = b
    if a.sum() > 0:
        t = a
    a += 1
    return t


def argument_renamed(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        a = a * b
    a[0] = 1
    return a


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("function", [chosen, swapped, copied])
def test_it_may_be_read(function: Any, sign: int) -> None:
    a, b = np.arange(6.0).reshape(2, 3) * sign, np.ones((2, 3))
    np.testing.assert_array_equal(mlc.jit(function)(a, b), function(a, b))


@pytest.mark.parametrize("function", [written, viewed, owner_written, argument_renamed])
def test_a_write_is_refused(function: Any) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    with pytest.raises(mlc.UnsupportedError, match="may be the same array, which only the run"):
        mlc.jit(function)(a, b)
