"""Exponents and spacing of special numbers, and products with single vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 3, 5e-324, 1e-310, 1.7e308, 1e-45, 6e-8]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_exponents_of_special_numbers(dtype: str) -> None:
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
        scaled: Any = mlc.jit(lambda x, n: np.ldexp(x, n))
        for n in (0, -1, 100, -140, -1060, 2000, -2100, 2**31 - 1, -(2**31)):
            powers = np.full(len(x), n, np.int32)
            got, want = scaled(x, powers), np.ldexp(x, powers)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
    check_against_numpy(lambda x: np.frexp(x), x)
    check_against_numpy(lambda x: np.spacing(x), x)


def test_the_spacing_of_a_product_is_a_power_of_two() -> None:
    x = np.array([-0.001065728603862226, -0.1630154699087143], np.float32)
    spaced = mlc.jit(lambda x: np.spacing(x * x))
    np.testing.assert_array_equal(spaced(x), np.spacing(x * x))


def test_vectors_and_matrices() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    if hasattr(np, "matvec"):
        check_against_numpy(lambda a, v: np.matvec(a, v), a, np.ones(4))
        check_against_numpy(lambda u, a: np.vecmat(u, a), np.ones((2, 3)), a)


def test_numbers_are_not_weak_in_products() -> None:
    x = np.ones(3, np.float32)
    check_against_numpy(lambda x, s: np.einsum(",i->i", s, x), x, 2.0)
    check_against_numpy(lambda x: np.einsum("i,,->i", x, 2, np.int8(2)), x)
    check_against_numpy(lambda x, s: np.tensordot(x, s, 0), x, 2.0)
    check_against_numpy(lambda x: np.einsum("i,i->", x, x), x)


def test_quantiles_have_the_sign_of_zero_that_numpy_gives_them() -> None:
    middle: Any = mlc.jit(lambda x: 1 / np.percentile(x, 36))
    with np.errstate(divide="ignore"):
        for x in (np.array([-0.0, 0.0]), np.array([-0.0]), np.array([-0.0, -0.0, 1.0])):
            assert middle(x) == 1 / np.percentile(x, 36)


@pytest.mark.parametrize("decimals", [1, 2, -1])
def test_rounding_of_halves_goes_by_halves(decimals: int) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    with np.errstate(all="ignore"):
        want = np.round(x, decimals)
    got = mlc.jit(lambda x: np.round(x, decimals))(x)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("function", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_of_two_zeros_float16_takes_the_first(function):
    x, y = np.array([[0.0, -0.0, -0.0, np.nan], [-0.0, 0.0, 1, 0.0]], np.float16)
    x, y = np.tile(x, 15), np.tile(y, 15)
    compiled = mlc.jit(lambda x, y: np.signbit(function(x, y)) | np.isnan(x) | np.isnan(y))
    want = np.signbit(function(x, y)) | np.isnan(x) | np.isnan(y)
    np.testing.assert_array_equal(compiled(x, y), want)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", "uint8"])
@pytest.mark.parametrize("function", [np.degrees, np.radians])
def test_angles_are_scaled_by_the_factor_of_their_dtype(function, dtype):
    x = np.arange(100).astype(dtype)
    np.testing.assert_array_equal(mlc.jit(function)(x), function(x), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tables_and_edges_are_gathered_in_one_function(dtype):
    def powers(x):
        return x**63, (x * 0 + 2) ** 0.7, np.pad(x, ((1, 0), (1, 0)), "edge"), np.log(x)

    check_against_numpy(powers, np.random.default_rng(0).random((7, 5)).astype(dtype) + 0.5)
