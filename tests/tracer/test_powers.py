"""Powers: what NumPy's ``**`` and np.power give for exponents that they treat on their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

_SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.25, -2.0]
_PARTS = (0.0, -0.0, 1.0, np.inf, -np.inf, np.nan)


def _assert_same(got: Any, want: Any) -> None:
    """Equal dtypes and values, signs of zeros too; NaN equals NaN."""
    got, want = np.asarray(got), np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    pairs = [(got.real, want.real), (got.imag, want.imag)] if got.dtype.kind == "c" else []
    for one, other in pairs or [(got, want)]:
        rough = 4 * np.finfo(other.dtype).eps if other.dtype.kind == "f" else 0
        np.testing.assert_allclose(one, other, rtol=rough, atol=0)
        known = ~np.isnan(other)
        np.testing.assert_array_equal(np.signbit(one)[known], np.signbit(other)[known])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("exponent", [0.5, 2.0, -1.0, 0.0, 1.0])
def test_special_values_of_real_powers(dtype: str, exponent: float) -> None:
    x = np.array(_SPECIAL, dtype)
    own = x.dtype.type(exponent)
    exponents = (exponent, own, np.float64(exponent), np.array(own), np.array([own]))

    def of_constants(x: Any) -> Any:
        found = [x**e for e in exponents] + [np.power(x, e) for e in exponents]
        return (*found, np.float_power(x, exponent))

    def of_arguments(x: Any, a: Any, b: Any, c: Any) -> Any:
        return x**a, x**b, np.power(x, c), c**a

    for function, args in (
        (of_constants, (x,)),
        (of_arguments, (x, own, np.array([own]), np.full(len(x), own))),
    ):
        for got, want in zip(mlc.jit(function)(*args), function(*args), strict=True):
            _assert_same(got, want)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roots_of_scalars_are_those_of_c(dtype: str) -> None:
    x = np.array([-np.inf, -0.0, 4.0], dtype)

    def f(x: Any) -> Any:
        return x[0] ** 0.5, x[1] ** np.float64(0.5), x.min() ** 0.5, np.power(x[0], 0.5)

    for got, want in zip(mlc.jit(f)(x), f(x), strict=True):
        _assert_same(got, want)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_special_values_of_complex_powers(dtype: str) -> None:
    z = np.array([complex(a, b) for a in _PARTS for b in _PARTS], dtype)

    def f(z: Any) -> Any:
        whole = [z**2.0, z**-1.0, z**0, z**1, z**4, z**-2, np.power(z, -1), z ** np.float32(3)]
        return (*whole, z**2, z**-1)

    for got, want in zip(mlc.jit(f)(z), f(z), strict=True):
        _assert_same(got, want)


def test_square_of_a_bool_of_no_axes() -> None:
    f = mlc.jit(lambda b: b**2)
    _assert_same(f(np.bool_(True)), np.bool_(True) ** 2)
    _assert_same(f(np.array([True])), np.array([True]) ** 2)
    _assert_same(f(np.array(True)), np.array(True) ** 2)
    assert type(f(True)) is int


def test_complex_powers_broadcast_to_equal_exponents() -> None:
    f = mlc.jit(lambda z: (z ** np.array([2.0]), z ** np.full(3, 2)))
    for got, shape in zip(f(np.array(1 + 2j)), ((1,), (3,)), strict=True):
        assert got.shape == shape
        np.testing.assert_allclose(got, (1 + 2j) ** 2, rtol=1e-14)
