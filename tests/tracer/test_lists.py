"""NumPy's functions of lists that hold traced numbers, and NumPy imported inside of a function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy import dot, linalg

import mlc
from mlc.testing import check_against_numpy

X = np.array([3.0, 1.0, 2.0])


def by_name(x: Any) -> Any:
    return dot([x[0], x[1]], [x[1], 2]) + linalg.norm([x[0], x[1]])


def imported(x: Any) -> Any:
    import numpy
    from numpy import asarray, isscalar
    from numpy import sum as total

    made = numpy.zeros(3)
    made[1] = x[0]
    return made, total(asarray([x[0], x[1]])), isscalar(x[0])


FUNCTIONS = [
    by_name,
    imported,
    lambda x: np.concatenate(([x[0]], x, [1.0])),
    lambda x: np.hstack([[x[0], x[1]], [x[2]]]),
    lambda x: np.linalg.det([[x[0], x[1]], [x[1], x[2]]]),
    lambda x: np.outer(x, range(3)),
    lambda x: np.average(x, weights=range(1, 4)),
    lambda x: np.cumsum([x[0], x[1]]),
    lambda x: np.max((x[0], x[1])) + np.median([x[0], 2, x[1]]),
    lambda x: np.maximum([x[0], 2], x[1]),
    lambda x: np.interp(x[0], [0, x[2]], [1, 2]),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lists_of_traced_numbers(function: Any) -> None:
    check_against_numpy(function, X)


def roots(x: Any) -> Any:
    held = [x[0], x[1]]
    return np.sqrt(held) + np.sqrt([x[0], 4.0])


def test_a_ufunc_of_lists_alone() -> None:
    check_against_numpy(roots, X)


def test_lists_are_equal_by_their_elements() -> None:
    assert mlc.jit(lambda x: np.array_equal([x[0], 1.0], [3.0, x[1]]))(X)
    assert not mlc.jit(lambda x: np.array_equal([x[0], 1.0], [2.0, x[1]]))(X)
