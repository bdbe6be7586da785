"""Quantiles: every definition, nothing at all, traced shares, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, DomainError
from mlc.ops.quantile import _CONTINUOUS, _DISCRETE
from mlc.testing import check_against_numpy

RNG = np.random.default_rng(5)
KIND = "inverted_cdf"  # the one that takes weights
SHARES = [0, 0.1, 0.25, 0.5, 0.77, 1]
with np.errstate(invalid="ignore"):  # NumPy 2.2 has NaN between equal infinities
    SPOILED = np.isnan(np.quantile([np.inf, np.inf], 0.3))


@pytest.mark.parametrize("method", [*_CONTINUOUS, *_DISCRETE])
def test_every_definition(method):
    for n in (1, 2, 5, 8):
        x = RNG.random((3, n, 2))
        got = mlc.jit(lambda x: np.quantile(x, SHARES, axis=1, method=method))(x)
        np.testing.assert_allclose(got, np.quantile(x, SHARES, axis=1, method=method), rtol=1e-12)
        x[1, : n // 2] = np.nan
        got = mlc.jit(lambda x: np.nanquantile(x, SHARES, axis=1, method=method))(x)
        want = np.nanquantile(x, SHARES, axis=1, method=method)
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_nan_and_nothing():
    x = np.array([[1.0, np.nan, 3], [4, 5, 6], [np.nan] * 3])
    for f in (np.median, np.nanmedian):
        with np.errstate(all="ignore"), pytest.warns() if f is np.nanmedian else np.errstate():
            want = f(x, axis=1)
        np.testing.assert_array_equal(mlc.jit(f, static_argnames="axis")(x, axis=1), want)
    assert np.isnan(mlc.jit(np.median)(np.zeros(0)))
    got = mlc.jit(lambda x: np.quantile(x, 0.5, axis=1))(x)
    np.testing.assert_array_equal(got, [np.nan, 5, np.nan])


def test_traced_shares():
    x, q = RNG.random((50, 3)), np.array([0.2, 0.9])
    got = mlc.jit(lambda x, q: np.quantile(x, q, axis=0))(x, q)
    np.testing.assert_allclose(got, np.quantile(x, q, axis=0), rtol=1e-12)


def test_large():
    x = RNG.random(20_000).astype("float32")
    assert mlc.jit(np.median)(x) == np.median(x)
    got = mlc.jit(lambda x: np.percentile(x, [1, 50, 99]))(x)
    np.testing.assert_allclose(got, np.percentile(x, [1, 50, 99]), rtol=1e-6)


def test_refused():
    x = np.zeros((3, 4))
    refused = [
        (
            lambda x: np.quantile(x, 1.5),
            DomainError,
            r"q must be in the range \[0, 1\], got 1\.5",
        ),
        (lambda x: np.percentile(x, -1), DomainError, r"q must be in the range \[0, 100\]"),
        (
            lambda x: np.quantile(x, 0.5, method="best"),
            ArgumentError,
            "method must be one of inter",
        ),
        (
            lambda x: np.quantile(x, 0.5, weights=x),
            DomainError,
            r"Only method 'inverted_cdf' supports weights\. Got: linear\.",
        ),
    ]
    for function, error, sentence in refused:
        with pytest.raises(error, match=sentence):
            mlc.jit(function)(x)


@pytest.mark.parametrize("method", ["lower", "higher", "nearest", "inverted_cdf"])
def test_quantiles_of_truths_that_are_one_of_them(method: str) -> None:
    x = np.array([[True, False, True], [False, False, True]])
    f = lambda x: np.quantile(x, [0.1, 0.5, 0.9], axis=1, method=method)
    got = mlc.jit(f, target="numpy")(x)
    assert got.dtype == bool
    np.testing.assert_array_equal(got, f(x))


def test_medians_are_never_negative_zero() -> None:
    x = np.array([[-0.0, -0.5, 0.5], [-0.0, -0.0, -0.0]])
    f = lambda x: (np.median(x, axis=1), np.nanmedian(x, axis=1), np.median(x[1, :2]))
    for got, want in zip(mlc.jit(f)(x), f(x), strict=True):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("method", [*_CONTINUOUS, *_DISCRETE])
def test_infinities_and_zeros_as_numpy_has_them(method: str) -> None:
    i = np.inf
    x = np.array([
        [-i, -i, 1, 2, i, i], [i] * 6, [-i, -1, 0, 1, 2, i], [-0.0] * 6,
        [-3, -2, -1, -0.0, -0.0, -0.0], [1, 2, 3, 3, 3, i], [1, 2, 3, 4, 5, np.nan],
    ])  # fmt: skip
    q = [0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1]
    with np.errstate(invalid="ignore"):
        for given in (x, x[:, :1]):
            for asked in (q, [0, 1], 1, 0.3):  # integers are places, not shares

                def between(x: Any, asked: Any = asked) -> Any:
                    return np.quantile(x, asked, axis=1, method=method)

                want, got = np.asarray(between(given)), np.asarray(mlc.jit(between)(given))
                if method == "linear" and SPOILED:
                    got = np.where(np.isnan(want) & np.isinf(got), np.nan, got)
                np.testing.assert_array_equal(got, want)
                numbers = ~np.isnan(want)
                if method == "linear" and SPOILED:  # and loses the sign of zeros
                    numbers &= want != 0
                np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])


def weigh(q: Any, **options: Any) -> Any:
    """The quantiles ``q`` of an array and its weights, by each function that NumPy has."""
    options["method"] = KIND

    def function(x: Any, w: Any) -> Any:
        return (
            np.quantile(x, q, weights=w, **options), np.nanquantile(x, q, weights=w, **options),
            np.percentile(x, np.multiply(q, 100), weights=w, **options),
        )  # fmt: skip

    return function


def weighed(function: Any, *arrays: Any) -> None:
    """The numbers are among those given, so that nothing is rounded."""
    for got, want in zip(mlc.jit(function)(*arrays), function(*arrays), strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype


def test_weighted_quantiles():
    x = RNG.integers(0, 9, (3, 7)) / 2
    x[0, 2] = x[2, 6] = np.nan
    w = RNG.integers(0, 3, (3, 7)) + np.eye(3, 7)
    for given, weights in ((x, w), (x[1:2].astype(np.float32), w[:1].astype(np.int32))):
        for q in (0, 0.25, 1, SHARES):
            weighed(weigh(q), given, weights)
            weighed(weigh(q, axis=-1, keepdims=True), given, weights)
        plain = lambda q, axis: lambda x, w: (np.quantile(x, q, axis, weights=w, method=KIND),)
        weighed(plain(0.5, 0), given, weights[:, 0] + 1.0)
        weighed(plain(SHARES, (1, 0)), given, weights.T)
    weighed(weigh(0.5), x[1] > 1, w[1])


def test_weights_that_weigh_nothing_end_in_the_error_of_numpy():
    x = np.arange(6.0).reshape(2, 3)
    wrong = (np.zeros((2, 3)), np.full((2, 3), np.nan), x - 1, np.ones(2), np.ones((3, 2)))
    for axis in (None, 1, (0, 1)):
        for weights in wrong:
            check_against_numpy(weigh(0.5, axis=axis), x, weights)


def test_shares_beside_a_half_are_compared_as_they_are() -> None:
    share = lambda x: np.quantile(x, 0.35, method="median_unbiased")
    for first in (-np.inf, np.inf, 2.0):  # the share of three numbers is a half less 2e-16
        check_against_numpy(share, np.array([-0.0, first, np.inf], np.float32))
        check_against_numpy(share, np.array([-0.0, first, -0.0], np.float32))
