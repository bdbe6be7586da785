"""np.testing's assertions in traced functions: noted by compiled code, and raised by the call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose as is_near

import mlc

X = np.arange(5.0)


def close(x: Any, k: Any) -> Any:
    np.testing.assert_allclose(x, x + k, rtol=1e-3, err_msg="drift")
    return x


def near(x: Any, k: Any) -> Any:
    is_near(x, x + k, atol=0.5)
    return x * 2


def equal(x: Any, k: Any) -> Any:
    np.testing.assert_array_equal((x - x) / (x - x), np.where(k > 0, x, np.nan))
    np.testing.assert_equal(x.sum(), 10.0 + k)
    return x


def less(x: Any, k: Any) -> Any:
    np.testing.assert_array_less(x, x + 0.5 - k)
    return x


def almost(x: Any, k: Any) -> Any:
    np.testing.assert_array_almost_equal(x, x + k * 1e-3 + 1e-9, decimal=4)
    np.testing.assert_almost_equal(x.sum(), 10.0 + 1e-8 - k * 1e-6)
    return x


def shapes(x: Any, k: Any) -> Any:
    np.testing.assert_array_equal(x * 0, 0)  # a number may stand for an array
    if k > 0:
        np.testing.assert_array_equal(x, x[1:])
    return x


def in_loops(x: Any, k: Any) -> Any:
    total = 0.0
    for i in range(300):
        np.testing.assert_allclose(x[0], (i > 200) * k)
        total += x[1] * i
    return total


@pytest.mark.parametrize("function", [close, near, equal, less, almost, shapes, in_loops])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_assertions(function: Any) -> None:
    jitted = mlc.jit(function)
    for k in (0.0, 1.0, 0.0):
        if not k:
            np.testing.assert_array_equal(jitted(X, k), function(X, k))
            continue
        with pytest.raises(AssertionError):
            function(X, k)
        with pytest.raises(AssertionError, match=r"np\.testing\.assert_\w+ does not hold") as met:
            jitted(X, k)
        assert "test_numpy_assertions.py" in str(met.value)
    if function is close:
        assert "drift" in str(met.value)


def test_assertions_about_what_is_known_are_numpys_own() -> None:
    @mlc.jit
    def known(x: Any) -> Any:
        np.testing.assert_allclose(np.ones(3), np.ones(3))
        return x

    np.testing.assert_array_equal(known(X), X)


def test_shapes_that_differ() -> None:
    @mlc.jit
    def strict(x: Any) -> Any:
        np.testing.assert_array_equal(x, x[1:])
        return x

    with pytest.raises(AssertionError, match=r"of \(5,\) float64 and \(4,\) float64"):
        strict(X)
