"""Ufuncs of complex numbers, at ordinary and at special values, traced and eager."""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import mlc
import mlc.numpy as mnp

from .comparison import check, numbers

DTYPES = ("complex64", "complex128")
UNARY = (
    "absolute", "sqrt", "exp", "exp2", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
    "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
    "square", "reciprocal", "sign", "conjugate", "expm1", "negative", "positive", "rint", "isnan",
    "isinf", "isfinite", "logical_not",
)  # fmt: skip
BINARY = (
    "add", "subtract", "multiply", "divide", "power", "equal", "not_equal", "less", "less_equal",
    "greater", "greater_equal", "maximum", "minimum", "fmax", "fmin", "logical_and", "logical_or",
    "logical_xor",
)  # fmt: skip
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 30.0, -30.0, 710.0, -710.0, 1e200, -1e308, np.inf,
           -np.inf, np.nan)  # fmt: skip
# Where infinity meets infinity or NaN, C leaves signs open; here even beside finite numbers.
LOOSE = ("expm1", "square", "rint", "reciprocal", "arctan", "arctanh", "cosh", "cos")


def grid(dtype: str) -> Any:
    with np.errstate(over="ignore"):
        axis = np.array(SPECIAL).astype(np.dtype(dtype).type(0).real.dtype)
    z = np.empty((axis.size, axis.size), dtype)
    z.real, z.imag = axis[:, None], axis[None, :]
    return z.ravel()


@pytest.mark.parametrize("dtype", DTYPES)
def test_at_special_values(dtype: str) -> None:
    z = grid(dtype)
    ufuncs = [getattr(np, name) for name in UNARY]
    found = mlc.jit(lambda a: tuple(f(a) for f in ufuncs))(z)
    rtol = 1e-5 if dtype == "complex64" else 1e-12
    for name, ufunc, got in zip(UNARY, ufuncs, found, strict=True):
        kept = np.isfinite(z.real) | np.isfinite(z.imag)
        if name in LOOSE:
            kept &= np.isfinite(z)
        if name == "square":  # where both squares overflow, rounding decides
            kept &= np.maximum(np.abs(z.real), np.abs(z.imag)).astype(float) < 1e150
        if name == "expm1":  # NumPy spoils the imaginary part of large real numbers
            kept &= np.abs(z.real) < 80
        with np.errstate(all="ignore"):
            want = ufunc(z)
        if name == "arccosh":  # C17, G.6.2.1; libraries of before have NaN + NaN i
            want[(z.real == 0) & np.isnan(z.imag)] = complex(np.nan, np.pi / 2)
        assert got.dtype == want.dtype
        if got.dtype == bool:
            np.testing.assert_array_equal(got, want, err_msg=name)
            continue
        for part in (np.real, np.imag):
            a, b = part(got)[kept], part(want)[kept]
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=name)
            with np.errstate(all="ignore"):
                slack = np.where(np.isfinite(want[kept]), rtol * np.abs(want[kept]), 0)
                slack = slack + np.where(np.isfinite(b), rtol * np.abs(b), 0)
                near = (a == b) | (np.abs(a - b) <= slack) | np.isnan(b)
            assert near.all(), (name, z[kept][~near][:3], a[~near][:3], b[~near][:3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_ordinary_values_and_promotion(dtype: str) -> None:
    real = np.dtype(dtype).type(0).real.dtype
    z, w = numbers((3, 4), dtype), numbers((4,), dtype, 1)
    x = z.real.astype(real) + 2

    def every(z: Any, w: Any, x: Any) -> Any:
        unary = [getattr(np, name)(z) for name in UNARY]
        binary = [getattr(np, name) for name in BINARY]
        mixed = [f(a, b) for f in binary[:4] for a, b in ((z, x), (x, w), (z, 2 - 1j), (2, z))]
        return unary, [f(z, w) for f in binary], mixed, [f(x, 1j) for f in binary[:4]]

    check(every, z, w, x)


def test_dtypes_follow_numpy() -> None:
    z = numbers((2,), "complex64")
    others = [np.ones(2, d) for d in ("int8", "int32", "float16", "float32", "float64", "bool")]

    def every(z: Any, *others: Any) -> Any:
        sums = [z + other for other in others]
        return sums, z + 1, z + 1.5, z + 2j, z + np.complex64(1j), z + np.float64(1), others[3] * 1j

    check(every, z, *others)


def test_numbers_are_weak() -> None:
    x = np.ones(3, np.float32)
    check(lambda x, c: (x * c, x * (c / 2), x + c.real, c * c, c.conjugate(), abs(c)), x, 1.5 + 2j)


finite = st.floats(-1e150, 1e150, allow_subnormal=False)
pairs = st.lists(st.tuples(finite, finite, finite, finite), min_size=5, max_size=5)
arithmetic = mlc.jit(lambda z, w: (z + w, z * w, z / w, np.abs(z), np.sqrt(z)))


@hypothesis.given(pairs)
@hypothesis.settings(max_examples=60, deadline=None)
def test_arithmetic_at_any_scale(rows: list[tuple[float, ...]]) -> None:
    a, b, c, d = np.array(rows).T
    z, w = a + 1j * b, c + 1j * d
    with np.errstate(all="ignore"):
        want = z + w, z * w, z / w, np.abs(z), np.sqrt(z)
    for got, known in zip(arithmetic(z, w), want, strict=True):
        sizes = np.abs(known)
        ok = np.isclose(got, known, rtol=1e-13, atol=0, equal_nan=True)
        with np.errstate(all="ignore"):  # one part may be what rounding leaves of the other
            ok |= np.abs(got - known) <= 1e-12 * sizes
            ok |= ~np.isfinite(known) & ~np.isfinite(got)
            ok |= (sizes < 1e-290) & (np.abs(got) < 1e-290)
        assert ok.all(), (z[~ok], w[~ok], got[~ok], known[~ok])


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_powers(dtype: str) -> None:
    z = numbers((5,), dtype)
    z[0], z[1] = 0, -1
    n = np.arange(5)
    check(lambda z, n: (z**3, z**7, z**-2, 2**z, z**n, z ** (1 + 1j)), z[1:], n[1:])
    check(lambda z: (z**2, z**0, z**0.5), z)


def test_eager_functions_are_compiled() -> None:
    z = numbers((3, 4), "complex128")
    mnp.forget_fallbacks()
    for name in ("exp", "sum", "abs", "sqrt", "conj", "real", "angle", "prod", "var"):
        got, want = getattr(mnp, name)(z), getattr(np, name)(z)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(mnp.matmul(z, z.T), z @ z.T)
    np.testing.assert_allclose(mnp.add(z.real, 1j), z.real + 1j)
    assert not mnp.fallbacks()


def test_signs_of_all_kinds() -> None:
    parts = (np.nan, np.inf, -np.inf, 1.0, -3.0, 0.0)
    for dtype in DTYPES:
        z = np.array([complex(a, b) for a in parts for b in parts], dtype)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(mlc.jit(np.sign)(z), np.sign(z))


def test_dtype_of_numbers_of_python() -> None:
    def program(n: Any) -> Any:
        return np.multiply(n, n, dtype=np.complex64, casting="unsafe"), np.add(
            n, 2, dtype=np.complex64
        )

    for found, wanted in zip(mlc.jit(program)(-3), program(-3)):
        assert found == wanted and found.dtype == wanted.dtype
