"""Searching: many values, periods, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, DomainError, ShapeError

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("n", [1, 2, 7, 64, 1000])
def test_many_values(n):
    a = np.sort(RNG.integers(-50, 50, n)).astype("float32")
    v = RNG.integers(-60, 60, (13, 500)).astype("float32")
    f = mlc.jit(lambda a, v: (np.searchsorted(a, v), np.searchsorted(a, v, "right")))
    for got, side in zip(f(a, v), ("left", "right"), strict=True):
        np.testing.assert_array_equal(got, np.searchsorted(a, v, side))


def test_one_value():
    assert mlc.jit(lambda a: np.searchsorted(a, 2.5))(np.arange(5.0)) == 3


def test_interp_at_the_points_and_beyond():
    xp, fp = np.arange(5.0), np.array([1, np.inf, 2, 5, 5.0])
    x = np.array([-1, 0, 0.5, 1, 2, 2.5, 3, 4, 5, np.nan])
    for options in ({}, {"left": -5, "right": 9}, {"period": 3.5}):
        got = mlc.jit(lambda x, xp, fp, o=options: np.interp(x, xp, fp, **o))(x, xp, fp)
        np.testing.assert_allclose(got, np.interp(x, xp, fp, **options), rtol=1e-14)
    got = mlc.jit(lambda x, xp, fp: np.interp(x, xp[:1], fp[:1]))(x, xp, fp)
    np.testing.assert_array_equal(got, np.interp(x, xp[:1], fp[:1]))
    np.testing.assert_array_equal(mlc.jit(lambda x: np.interp(x, [0, 1], [5, 7]))(x[:3]), [5, 5, 6])


def test_refused():
    x = np.zeros((3, 4))
    with pytest.raises(ShapeError, match=r"sorted array must be 1-d, got shape \(3, 4\)"):
        mlc.jit(lambda x: np.searchsorted(x, 1.0))(x)
    with pytest.raises(DomainError, match="side must be left or right, got 'up'"):
        mlc.jit(lambda x: np.searchsorted(x[0], 1.0, side="up"))(x)
    with pytest.raises(ShapeError, match=r"sorter of shape \(3,\) must have the shape"):
        mlc.jit(lambda x: np.searchsorted(x[0], 1.0, sorter=np.arange(3)))(x)
    with pytest.raises(ArgumentError, match="bins must be monotonically increasing or decreasing"):
        mlc.jit(lambda x: np.digitize(x, [1, 3, 2]))(x)
    with pytest.raises(ShapeError, match=r"fp of shape \(3,\) must have the shape of xp, \(4,\)"):
        mlc.jit(lambda x: np.interp(1.0, x[0], x[:, 0]))(x)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8", "uint16", "bool"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_places_in_arrays_of_every_length(dtype, side):
    """Arrays that are compared as a whole and longer ones; NaN and infinity on both sides."""
    rng = np.random.default_rng(0)
    for n, count in ((0, 3), (1, 1), (2, 5), (33, 31), (64, 65), (300, 130)):
        a, v = (
            (rng.standard_normal(k) * 40).astype(dtype) if dtype != "uint16"
            else rng.integers(0, 99, k).astype(dtype)
            for k in (n, count)
        )  # fmt: skip
        if a.dtype.kind == "f" and n > 5:
            a[:3], v[:3] = (np.nan, np.nan, np.inf), (np.nan, np.inf, -np.inf)
        a = np.sort(a)
        found = mlc.jit(lambda a, v: np.searchsorted(a, v, side))(a, v)
        np.testing.assert_array_equal(found, np.searchsorted(a, v, side), strict=True)
