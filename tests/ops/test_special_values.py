"""Exact functions at the ends of their types: every pair of zeros, infinities, NaN, the least and
the greatest numbers, and numbers below the normal ones."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

ANY = (
    np.absolute, np.add, np.divide, np.equal, np.floor_divide, np.fmax, np.fmin, np.greater,
    np.less_equal, np.maximum, np.minimum, np.multiply, np.negative, np.positive, np.reciprocal,
    np.remainder, np.sign, np.sqrt, np.square, np.subtract,
)  # fmt: skip
FLOATS = (
    np.ceil, np.copysign, np.fabs, np.floor, np.fmod, np.frexp, np.heaviside, np.isfinite, np.isinf,
    np.isnan, np.modf, np.nextafter, np.rint, np.signbit, np.spacing, np.trunc,
)  # fmt: skip
EXTREMES = (np.fmax, np.fmin, np.maximum, np.minimum)
INTEGERS = (
    np.bitwise_and, np.bitwise_xor, np.fmod, np.gcd, np.invert, np.lcm, np.left_shift,
    np.right_shift,
)  # fmt: skip


def special(dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        small = [n for n in (-7, -2, -1, 0, 1, 2, 3, 7) if n >= info.min]
        return np.array([info.min, *small, info.max - 1, info.max], kind)
    info = np.finfo(kind)
    least, normal = info.smallest_subnormal, info.smallest_normal
    sizes = [0.0, least, normal / 2, normal, 0.5, 1.0, 1.5, 2.5, 7.0, info.max, np.inf]
    return np.array([np.nan, *sizes, *(-size for size in sizes)], kind)


def as_bits(array: np.ndarray) -> np.ndarray:
    """The array as integers that tell zeros of both signs apart; one NaN is as good as another."""
    if array.dtype.kind != "f":
        return array
    bits = array.view(f"i{array.itemsize}").copy()
    bits[np.isnan(array)] = -1
    return bits


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint64"]
)
def test_every_pair(dtype: str) -> None:
    values = special(dtype)
    functions = [*ANY, *(FLOATS if dtype[0] == "f" else INTEGERS)]
    if dtype[0] == "u":
        functions.remove(np.negative)
    if dtype == "float16":  # IEEE 754 leaves open which of two zeros is the greater
        functions = [f for f in functions if f not in EXTREMES]

    def results(a, b):
        return tuple(f(a) if f.nin == 1 else f(a, b) for f in functions)

    a, b = (np.ascontiguousarray(x) for x in np.broadcast_arrays(values[:, None], values))
    for function, found, wanted in zip(functions, mlc.jit(results)(a, b), results(a, b)):
        pairs = zip(found, wanted) if function.nout > 1 else [(found, wanted)]
        for x, y in pairs:
            assert x.dtype == y.dtype, function
            wrong = as_bits(x) != as_bits(y)
            if function is np.reciprocal and dtype[0] != "f":
                wrong &= a != 0  # infinity as an integer is what C leaves open
            off = np.argwhere(wrong)
            assert not len(off), [
                (function.__name__, a[i, j], b[i, j], x[i, j], y[i, j]) for i, j in off[:5]
            ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_of_two(dtype: str) -> None:
    values = special(dtype)
    steps = np.array([-2200, -1100, -1074, -1022, -149, -24, -1, 0, 1, 30, 127, 1023, 1100, 2200])
    x, n = (np.ascontiguousarray(p) for p in np.broadcast_arrays(values[:, None], steps))
    np.testing.assert_array_equal(as_bits(mlc.jit(np.ldexp)(x, n)), as_bits(np.ldexp(x, n)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_i0_of_half_overflows_where_numpy_does() -> None:
    """Its factor exp(x) is a float16: i0(12) would fit, and NumPy says infinity."""
    x = np.concatenate([np.arange(0, 2**16, 13, np.uint16).view(np.float16), special("float16")])
    got, expected = mlc.jit(lambda x: np.i0(x))(x), np.i0(x)
    assert np.isinf(np.i0(np.float16(12))) and got.dtype == expected.dtype
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    fits = np.isfinite(got)  # NumPy rounds each step to a float16
    np.testing.assert_allclose(got[fits], np.i0(x[fits].astype(np.float64)), rtol=2**-10)
