"""NumPy's functions of lists that hold traced numbers, and NumPy imported inside of a function."""

from __future__ import annotations

import subprocess
import sys
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


def placed(x: Any) -> Any:
    made = np.zeros(3)
    np.place(made, x > 1, [7, 8])
    np.copyto(x, [1, 2, 3], where=[True, False, True])
    return made


def compressed_into(x: Any) -> Any:
    t = np.zeros(x.shape, x.dtype)
    x.compress([True, False, True], 0, t[:2])
    return t, x.compress([True, False, True], out=t.reshape(-1)[-2:])


def masked_as_a_whole(x: Any) -> Any:
    x[x[0] > 2] = 9
    return x[x[1] > 10]


@pytest.mark.parametrize(
    "function",
    [
        placed,
        masked_as_a_whole,
        lambda x: np.multiply(x, 2, casting="unsafe"),
        lambda x: x.compress(x > 1),
        compressed_into,
    ],
)
def test_places_and_masks(function: Any) -> None:
    check_against_numpy(function, X)
    check_against_numpy(function, X - 2)


def test_numbers_are_clipped_as_arrays_are() -> None:
    check_against_numpy(lambda a: np.clip(a, np.uint8(200), a), 2)


def test_parts_of_numpy_that_are_loaded_late_have_stand_ins() -> None:
    code = """
import sys
import numpy as np, mlc
f = mlc.jit(lambda a: a + 1)
assert f(np.ones(3))[0] == 2 and "numpy.random" not in sys.modules
import numpy.random as parts
parts.seed(0)
print(mlc.jit(lambda a: parts.permutation(a))(np.arange(3.0)))
assert parts is np.random
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    np.random.seed(0)
    assert found.stdout.strip() == str(np.random.permutation(np.arange(3.0)))
