"""Debug mode looks at every index that data decide, read or written; writes say NumPy's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc


def put_number(x: Any, i: Any) -> Any:
    x[i] = 100.0
    return x


def put_in_a_row(x: Any, i: Any) -> Any:
    x = x.reshape(1, -1)
    x[0, i] += 1
    return x


def put_through_a_view(x: Any, i: Any) -> Any:
    whole = np.zeros((3, 5))
    row = whole[:, i]
    row += 1
    return whole


def put_in_a_loop(x: Any, i: Any) -> Any:
    for k in range(1000):
        x[i] = k
    return x


def picked(x: Any, i: Any) -> Any:
    return x[i] * 2


def added(x: Any, i: Any) -> Any:
    np.add.at(x, np.stack((i, i)), 1.0)
    return x


CASES = [put_number, put_in_a_row, put_through_a_view, put_in_a_loop, picked, added]


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_an_index_outside_is_refused_and_named(function: Callable[..., Any]) -> None:
    compiled = mlc.jit(function)
    with mlc.config.override(debug=True):
        for inside in (4, -5):
            expected = function(np.arange(5.0), np.int64(inside))
            np.testing.assert_array_equal(compiled(np.arange(5.0), np.int64(inside)), expected)
        for outside in (5, -6, 2**40):
            said = f"index {outside} is out of bounds for axis "
            with pytest.raises(mlc.BoundsError, match=said):
                compiled(np.arange(5.0), np.int64(outside))


def test_written_places_are_looked_at_without_debug_mode() -> None:
    @mlc.jit
    def written(x: Any, i: Any) -> Any:
        x[:, i] = 1.0
        return x

    with pytest.raises(IndexError, match="index -7 is out of bounds for axis 1"):
        written(np.zeros((2, 6)), np.array([0, -6, -7, 9]))
