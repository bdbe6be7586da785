"""Scans of sizes that take other ways than small ones: pieces, strips, rows side by side."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("dtype", ["int32", "float32", "uint8"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((100_003,), 0),
        ((8 * 4096,), 0),
        ((3, 9001), 1),
        ((19, 300), 1),
        ((30, 5001), 0),
        ((2, 9, 4100), 1),
        ((2, 9, 3, 5), 1),
        ((40_000, 1), 0),
    ],
)
def test_large(shape, axis, dtype):
    x = RNG.integers(0, 5, shape).astype(dtype)
    sums = mlc.jit(lambda x: np.cumsum(x, axis=axis))(x)
    want = np.cumsum(x.astype("int64"), axis=axis)  # exact in float32 too
    np.testing.assert_array_equal(sums, want)
    x = RNG.integers(-100 * (dtype != "uint8"), 100, shape).astype(dtype)
    found = mlc.jit(lambda x: np.maximum.accumulate(x, axis=axis))(x)
    np.testing.assert_array_equal(found, np.maximum.accumulate(x, axis=axis))


def test_float16_is_summed_in_float32():
    x = np.full((50, 40), 0.1, np.float16)
    for axis in (0, 1):
        got = mlc.jit(lambda x, axis=axis: np.cumsum(x, axis=axis))(x)
        want = np.cumsum(x.astype("float32"), axis=axis).astype("float16")
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(6, 10), (9, 200), (3, 30_000)])  # chains, vectors, pieces
@pytest.mark.parametrize("dtype", ["float64", "int64", "int32"])
def test_arrays_that_lie_otherwise(axis, shape, dtype):
    x = (np.arange(np.prod(shape)) % 97).reshape(shape).astype(dtype)
    f = mlc.jit(lambda x: np.cumsum(x, axis=axis))
    for view in (x[::-1, ::2], x[:, ::-1], x.T, np.asfortranarray(x), x[:, 3], x[1, ::3]):
        if axis < view.ndim:
            np.testing.assert_array_equal(f(view), np.cumsum(view, axis=axis))


def test_signs_of_zero_stay():
    x = np.array([-0.0, -0.0, 0.0], np.float32)
    long = np.full(20_000, -0.0)
    for values in (x, long):
        got = mlc.jit(np.cumsum)(values)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(np.cumsum(values)))


def test_nan_is_handed_on():
    x = np.zeros(30_000)
    x[17_000] = np.nan
    got = mlc.jit(np.maximum.accumulate)(x)
    np.testing.assert_array_equal(got, np.maximum.accumulate(x))


def test_between_other_operators():
    @mlc.jit
    def f(x):
        return np.cumsum(x * 2, axis=1).max(axis=0) - 1

    x = RNG.integers(-5, 5, (7, 33)).astype("float64")
    np.testing.assert_array_equal(f(x), np.cumsum(x * 2, axis=1).max(axis=0) - 1)


def test_refused():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ShapeError, match=r"np\.cumsum: axis 2 is out of range"):
        mlc.jit(lambda x: np.cumsum(x, axis=2))(x)
    with pytest.raises(ShapeError, match=r"axis= is needed for an array of shape \(3, 4\)"):
        mlc.jit(lambda x: np.cumulative_sum(x))(x)
    with pytest.raises(ArgumentError, match=r"np\.bitwise_or\.accumulate of float32"):
        mlc.jit(np.bitwise_or.accumulate)(x)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64", "float32", "float64"])
def test_rows_by_vectors(dtype):
    rng = np.random.default_rng(3)
    x = np.abs(rng.normal(size=(3, 20_003)) * 10).astype(dtype)
    for fn in (np.cumsum, np.maximum.accumulate, np.minimum.accumulate):
        found = mlc.jit(lambda x, fn=fn: fn(x, axis=1))(x)
        expected = fn(x.astype("float64") if x.dtype.kind == "f" else x, axis=1)
        if x.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        else:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_running_extremes_keep_nan():
    x = np.random.default_rng(3).normal(size=300_000).astype(np.float32)
    x[77_777] = np.nan
    for fn in (np.maximum.accumulate, np.minimum.accumulate):
        np.testing.assert_array_equal(mlc.jit(fn)(x), fn(x))


def test_running_products_overflow_as_one_by_one():
    x = np.ones(20_000)
    x[[100, 101, 102]] = 1e200, 1e200, 1e-300
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(mlc.jit(np.cumprod)(x), np.cumprod(x))
