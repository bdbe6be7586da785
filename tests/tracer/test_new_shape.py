"""``x.shape = ...``: views taken before and after, refusals; keys that hold tuples and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(6.0).reshape(2, 3)


def views_before(x: Any) -> Any:
    y = x * 2
    row, turned = y[0], y.T
    y.shape = 3, 2
    row[1] = 9.0
    turned[2, 1] = -1.0
    y[2] += 1
    return y, row, turned, y.shape


def known_elements(x: Any) -> Any:
    y = np.zeros((2, 3))
    row, rest = y[0], y[1:]
    y.shape = 6
    y[1] = x[0, 0] + 4
    row[2] = 8
    rest += 1
    y.shape = -1, 2
    return y, row, rest


def of_a_view(x: Any) -> Any:
    y = x[:]
    y.shape = 6
    y[0] = 7
    return x, y


def of_complex_numbers(x: Any) -> Any:
    y = x * (1 + 2j)
    row = y[1]
    y.shape = 3, 2
    y[0] = 3
    row[0] = 1j
    return y, row


def again_and_again(x: Any) -> Any:
    y = x * 1
    for _ in range(3):
        y.shape = 6
        y[0] += 1
        y.shape = 2, 3
    return y


PROGRAMS = [views_before, known_elements, of_a_view, of_complex_numbers, again_and_again]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_new_shape(program: Callable[..., Any]) -> None:
    mine, theirs = X.copy(), X.copy()
    got, want = mlc.jit(program)(mine), program(theirs)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.shape(a) == np.shape(b)
    np.testing.assert_array_equal(mine, theirs)


def test_an_argument_keeps_its_shape() -> None:
    def flat(x: Any) -> Any:
        x.shape = 6
        return x

    with pytest.raises(mlc.errors.UnsupportedError) as caught:
        mlc.jit(flat)(X.copy())
    assert caught.value.message == (
        "x.shape = 6 of an argument would give the array of the caller another shape, which "
        "compiled code cannot do; write x = x.reshape(6), a view of the same elements"
    )


def test_a_copy_is_no_new_shape() -> None:
    def flat(x: Any) -> Any:
        y = x.T * 1
        y.shape = 6
        return y

    with pytest.raises(AttributeError, match="would be a copy"):
        mlc.jit(flat)(X)
    with pytest.raises(AttributeError):
        flat(X)


def test_a_native_loop_gives_no_new_shape() -> None:
    def flat(x: Any, n: Any) -> Any:
        y = x * 1
        for _ in range(n):
            y.shape = 6
        return y

    with pytest.raises(mlc.errors.UnsupportedError, match="in a native loop or branch"):
        mlc.jit(flat)(X, np.array(3))


def read_where(x: Any, i: Any) -> Any:
    return x[np.where(x[:, 0] > 0), 1], x[(i, i + 1), 1], x[[i, i + 1], (0, 1)]


def write_where(x: Any, i: Any) -> Any:
    x[np.where(x[:, 0] > 0), 1] = 5.0
    x[(i, i + 1), (0, 2)] += 3
    x[[i, i + 1]] *= 2
    x[[x[0, 0] > 1, True]] -= 1
    return x


@pytest.mark.parametrize("program", [read_where, write_where])
def test_tuples_and_lists_in_a_key(program: Callable[..., Any]) -> None:
    mine, theirs, i = X.copy(), X.copy(), np.array(0)
    for a, b in zip(mlc.jit(program)(mine, i), program(theirs, i), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape == b.shape
    np.testing.assert_array_equal(mine, theirs)
