"""Selection against NumPy: partition, argpartition, and the quantiles that use them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ops.selection import pays
from mlc.testing import check_against_numpy

N = 2500


def is_divided(x: Any, found: Any, places: Any, axis: int = -1) -> None:
    """``found`` holds the elements of ``x``, divided by those of ``places``."""
    n = x.shape[axis]
    in_order = np.sort(x, axis=axis)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(np.sort(found, axis=axis), in_order)
    for place in np.ravel(places).tolist():
        at = place % n
        chosen = np.take(in_order, [at], axis)
        np.testing.assert_array_equal(np.take(found, [at], axis), chosen)
        assert not (np.take(found, range(at), axis) > chosen).any()
        assert not (np.take(found, range(at, n), axis) < chosen).any()


def check(x: Any, places: Any, axis: int = -1) -> None:
    is_divided(x, mlc.jit(lambda x: np.partition(x, places, axis=axis))(x), places, axis)
    order = mlc.jit(lambda x: np.argpartition(x, places, axis=axis))(x)
    assert order.dtype == np.int64
    is_divided(x, np.take_along_axis(x, order, axis), places, axis)
    every = np.sort(order, axis=axis)
    assert (np.moveaxis(every, axis, -1) == np.arange(x.shape[axis])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "int64"])
def test_dtypes(dtype: str) -> None:
    x = (np.random.default_rng(1).standard_normal(N) * 50).astype(dtype)
    check(x, N // 2)
    check(x, [3, -1, N // 3, N // 3 + 1])


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_any_place_is_one_of_an_empty_array(dtype: str) -> None:
    for shape, places, axis in [((0,), 0, -1), ((0, 2), [7, -9], 0), ((0, 2), 5, 1)]:
        x = np.zeros(shape, dtype)
        check_against_numpy(lambda x: np.partition(x, places, axis=axis), x)
        check_against_numpy(lambda x: np.argpartition(x, places, axis=axis), x)


def test_the_order_is_a_method_of_arrays_too():
    x = np.random.default_rng(3).permutation(40).reshape(5, 8)
    check_against_numpy(lambda x: x.argpartition(0)[:, 0] + x.argpartition(-1, axis=0)[-1, 0], x)
    check_against_numpy(lambda x: x.argpartition(kth=3, axis=None)[3], x)


def test_nan_infinity_and_zeros_of_both_signs() -> None:
    x = np.random.default_rng(2).standard_normal(N).astype(np.float32)
    x[::7], x[1::9], x[2::9], x[5], x[6] = np.nan, 0.0, -0.0, np.inf, -np.inf
    check(x, [0, N // 2, N - 1])
    found = mlc.jit(lambda x: np.partition(x, 1000))(x)
    assert np.signbit(found).sum() == np.signbit(x).sum()


@pytest.mark.parametrize("place", [0, 1, N // 2, N - 1])
@pytest.mark.parametrize(
    "x",
    [
        np.zeros(N, np.float32),
        np.arange(N, dtype=np.int32),
        np.arange(N, dtype=np.int64)[::-1].copy(),
        np.concatenate([np.arange(N // 2), np.arange(N // 2)[::-1]]).astype(np.float64),
        np.where(np.arange(N) % 40 == 20, np.arange(N), 1 << 30).astype(np.int32),
        2.0 ** -(np.arange(N) % 1000),
    ],
    ids=["equal", "ascending", "descending", "organ pipe", "misleading samples", "exponents"],
)
def test_patterns(x: Any, place: int) -> None:
    is_divided(x, mlc.jit(lambda x: np.partition(x, place))(x), place)


def test_rows_and_columns() -> None:
    x = np.random.default_rng(3).standard_normal((3, N)).astype(np.float32)
    check(x, 700)
    check(x.T.copy(), 700, 0)


def test_every_backend_agrees() -> None:
    x = np.random.default_rng(4).integers(0, 99, 2100).astype(np.int16)
    for target in ("cpu", "numpy"):
        is_divided(x, mlc.jit(lambda x: np.partition(x, 60), target=target)(x), 60)


def test_quantiles() -> None:
    median = mlc.jit(np.median)
    three = mlc.jit(lambda x: np.quantile(x, [0.0, 0.25, 1.0]))
    for seed, spread in enumerate((1, 2, 5, 60, 400, 10**6)):
        x = np.random.default_rng(seed).integers(-spread, spread, N).astype(np.float32)
        np.testing.assert_array_equal(median(x), np.median(x))
        np.testing.assert_array_equal(three(x), np.quantile(x, [0.0, 0.25, 1.0]))


METHODS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher",
    "midpoint", "nearest",
)  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_methods_read_selected_places(method: str) -> None:
    x = np.random.default_rng(5).permutation(N).astype(np.float64)
    for share in (0.0, 1 / 3, 0.9996):
        found = mlc.jit(lambda x: np.quantile(x, share, method=method))(x)
        np.testing.assert_allclose(found, np.quantile(x, share, method=method), rtol=1e-14)


def test_medians_of_nan_are_nan() -> None:
    x = np.random.default_rng(6).standard_normal((2, N))
    x[1, 77] = np.nan
    np.testing.assert_array_equal(mlc.jit(lambda x: np.median(x, axis=1))(x), np.median(x, axis=1))


def test_places_that_are_many_or_rows_that_are_short_are_sorted() -> None:
    assert pays(5000, (1, 2, 3, 2500, 2501, 4999))
    assert not pays(5000, tuple(range(0, 5000, 500)))
    assert not pays(100, (1,)) and not pays(5000, ())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_quantiles_of_numbers_among_nan(dtype):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((5, N)).astype(dtype).round(2)
    x[rng.random(x.shape) < [[0.0], [0.1], [0.4], [0.97], [1.0]]] = np.nan
    x[0, :3], x[1, 5:9], x[2, 10:40] = np.inf, -np.inf, 0.0
    x[2, 20:30], x[3, 1] = -0.0, np.copysign(np.nan, -1)

    def quantiles(x: Any) -> Any:
        shares = [0.9, 0.0, 0.1, 0.5003, 0.5, 1.0]
        lowest = np.nanquantile(x, shares, axis=1, method="lower")
        return lowest, np.nanpercentile(x, 30, axis=1), np.nanmedian(x)

    jitted = mlc.jit(quantiles)
    assert "partition" in str(jitted.lower(x).compiled.module)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = quantiles(x)
    near = {"float16": 2e-3, "float32": 3e-7, "float64": 1e-15}[dtype]  # a difference, rounded
    for found, expected in zip(jitted(x), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=near, atol=near)


def test_few_numbers_and_many_shares_among_nan():
    x = np.full((3, N), np.nan)
    x[0, 7], x[1, [5, 9]] = 4.0, (2.0, 3.0)
    jitted = mlc.jit(lambda x: np.nanquantile(x, [0.01, 0.5, 0.99], axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = np.nanquantile(x, [0.01, 0.5, 0.99], axis=1)
    np.testing.assert_allclose(jitted(x), wanted, rtol=1e-14)
