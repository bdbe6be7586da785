"""Variances of large arrays, in one pass by groups."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

CASES = [
    ((1024, 512), 0),
    ((1003, 400), 0),
    ((6, 64, 1024), 1),
    ((6, 64, 1024), (0, 1)),
    ((20, 30_000), 1),
    ((1, 500_000), 1),
    ((600, 600), None),
    ((37, 10_007), 1),
    ((7, 3, 50_000), (1, 2)),
    ((1_000_003,), None),
    ((131_101,), 0),
    ((1031, 1031), 0),
    ((120_000, 3), 0),
    ((119_993, 3), 0),
    ((400, 300, 3), (0, 1)),
    ((300, 400, 3), 0),
    ((3, 50_021, 2), 1),
    ((300_007, 1), 0),
]


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_variance_is_near_that_of_float64(shape, axis, offset):
    x = (np.random.default_rng(1).normal(size=shape) + offset).astype(np.float32)
    found = mlc.jit(lambda x: np.var(x, axis=axis, keepdims=True))(x)
    exact = np.var(x.astype(np.float64), axis=axis, keepdims=True)
    assert found.dtype == np.float32 and found.shape == exact.shape
    np.testing.assert_allclose(found, exact, rtol=2e-5)


def test_columns_with_one_large_element_and_columns_of_one_value():
    x = np.zeros((1024, 512), np.float32)
    x[0, :100] = 1e4
    x[:, 300:] = 12345.678
    found = mlc.jit(lambda x: np.var(x, axis=0, ddof=1))(x)
    exact = np.var(x.astype(np.float64), axis=0, ddof=1)
    np.testing.assert_allclose(found, exact, rtol=2e-5, atol=1e-5)


KINDS = ["ramp", "step", "walk", "far", "each group starts far out", "near numbers first"]


@pytest.mark.parametrize("is_row", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_rows_that_change_are_as_near_as_numpys(kind, is_row):
    rows = np.arange(4096, dtype=np.float32)[:, None]
    x = np.random.default_rng(2).normal(size=(4096, 96)).astype(np.float32)
    match kind:
        case "ramp":
            x += rows / 4
        case "step":
            x[1700:] += 1e3
        case "walk":
            x = np.cumsum(x, 0)
        case "far":
            x += 1e4
        case "near numbers first":
            x[64:] += 1e3
        case _:
            x[::256] = 1e4
    x, axis = (np.ascontiguousarray(x.T), 1) if is_row else (x, 0)
    exact = x.astype(np.float64).var(axis)
    error = np.abs(mlc.jit(lambda x: x.var(axis))(x) / exact - 1).max()
    assert error <= max(np.abs(x.var(axis) / exact - 1).max(), 1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int16"])
@pytest.mark.parametrize("rows", [60_000, 59_999])
def test_narrow_columns_of_other_types(dtype, rows):
    x = (np.random.default_rng(4).normal(size=(rows, 5)) * 9).astype(dtype)
    found, exact = mlc.jit(lambda x: x.var(0))(x), x.astype(np.float64).var(0)
    assert found.dtype == x.var(0).dtype
    np.testing.assert_allclose(found, exact, rtol=2e-3 if dtype == "float16" else 1e-12)


def test_means_of_narrow_columns_are_summed_in_parts():
    x = (np.random.default_rng(5).normal(size=(250_000, 3)) + 100).astype(np.float32)
    found = mlc.jit(lambda x: (x.mean(0), np.sqrt((x * x).sum(0)), x.max(0) - x.min(0)))(x)
    wide = x.astype(np.float64)
    for one, exact in zip(found, (wide.mean(0), np.sqrt((wide**2).sum(0)), np.ptp(wide, 0))):
        np.testing.assert_allclose(one, exact, rtol=3e-6)  # one after the other: 1e-4


def test_columns_with_nan_and_infinity():
    x = np.ones((1024, 512), np.float32)
    x[7, 3], x[500, 4] = np.nan, np.inf
    found = mlc.jit(lambda x: np.std(x, axis=0))(x)
    assert np.isnan(found[[3, 4]]).all() and (np.delete(found, [3, 4]) == 0).all()


@pytest.mark.parametrize("f", [np.nanmean, np.nanvar, np.nanstd])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_elements_that_are_left_are_counted_without_reading_more(f, axis):
    x = np.random.default_rng(3).normal(size=(40, 50)).astype(np.float32)
    x[::3, ::7] = np.nan
    jitted = mlc.jit(lambda x: f(x, axis=axis))
    assert jitted.lower(x).compiled.module.constants == ()
    np.testing.assert_allclose(jitted(x), f(x.astype(np.float64), axis=axis), rtol=1e-5)


def test_a_mask_of_a_mean_is_broadcast():
    x, keep = np.arange(12.0).reshape(3, 4), np.array([True, False, True, True])
    jitted = mlc.jit(lambda x, keep: (x.mean(1, where=keep), x.var(where=keep)))
    for found, wanted in zip(jitted(x, keep), (x.mean(1, where=keep), x.var(where=keep))):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
