"""What the greatest of some products is subtracted from is rounded as they were."""

import numpy as np
import pytest

import mlc


def by_columns(s):
    return s - s.max(axis=0)


def roots(s):
    return np.sqrt(s - s.min(axis=-1, keepdims=True))


def below(s):
    return np.maximum.reduce(s, axis=1)[:, None] - s


def of_all(s):
    return np.exp(s - s.max())


@pytest.mark.parametrize("f", [by_columns, roots, below, of_all])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_beyond_the_extreme(f, dtype):
    x = (np.random.default_rng(8).standard_normal((9, 40)) * 1e20).astype(dtype)

    def scaled(x):
        return f(x * x.dtype.type(0.3))

    np.testing.assert_array_equal(mlc.jit(scaled)(x), scaled(x))


def test_other_differences_are_rounded_once():
    x = np.arange(1, 13, dtype=np.float32).reshape(3, 4)

    def function(x, y):
        s = x * np.float32(0.3)
        return s - y, s.max(axis=1), x - x.max(axis=0)

    assert "rounded" not in str(mlc.jit(function).lower(x, x).program)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_that_are_the_same_do_not_deviate(dtype):
    def deviations(x):
        y = x * x
        return y - y.mean(), y.std(axis=1), y.var()

    for columns in (1, 4):  # sums that need no rounding
        x = np.full((2, columns), -0.05252690808187158, dtype)
        for found in mlc.jit(deviations)(x):
            np.testing.assert_array_equal(found, 0)
