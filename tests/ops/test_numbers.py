"""Numbers beside arrays, arrays of no dimensions, and functions of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, DTypeError, ShapeError, UnsupportedError

WHICH = np.array([True, False, True])
BYTES = np.array([1, 2, 250], np.uint8)
SCALAR = np.array(3.5)


def same(f: Callable[..., Any], *args: Any) -> None:
    got, want = mlc.jit(f)(*args), f(*args)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("number", [-1, 300, 2**40, -(2**63), 2**64 - 1, 1.5, True])
@pytest.mark.parametrize("array", [BYTES, np.uint16(7), BYTES.astype(np.int8), WHICH])
def test_where_wraps_numbers(number: Any, array: Any) -> None:
    for f in (lambda c, a: np.where(c, number, a), lambda c, a: np.where(c, a, number)):
        try:
            f(WHICH, array)
        except OverflowError:  # what does not fit, since NumPy 2.5
            assert np.lib.NumpyVersion(np.__version__) >= "2.5.0"
            with pytest.raises(OverflowError):
                mlc.jit(f)(WHICH, array)
        else:
            same(f, WHICH, array)


def test_how_many_there_are_promotes_as_it_does_in_numpy() -> None:
    """A Python number since ever for a selection, and to NumPy 2.3 for np.count_nonzero."""
    x, z = np.float32([0, 1, 2]), np.complex64([0, 1, 2j])
    same(lambda x: x[x > 0].sum() / x[x > 0].size, x)
    same(lambda x: x / np.count_nonzero(x), x)
    same(lambda z: z / np.count_nonzero(z, axis=None), z)
    same(lambda x: x / np.count_nonzero(x, axis=0), x)
    counted = lambda x: (x[x > 0].size, np.count_nonzero(x), np.count_nonzero(x, axis=0))
    assert [*map(type, mlc.jit(counted)(x))] == [*map(type, counted(x))]


def test_numbers_that_do_not_fit_are_refused_elsewhere() -> None:
    for f in (
        lambda a: np.maximum(a, -1),
        lambda a: a + 300,
        lambda a: np.full_like(a, -1),
        lambda a: np.putmask(a, a > 1, -1),
        lambda a: np.place(a, a > 1, [-1]),
        lambda a: np.put(a, [0], [300]),
        lambda a: np.insert(a, 0, -1),
        lambda a: np.select([a > 1], [-1], a),
    ):
        for run in (f, mlc.jit(f)):
            with pytest.raises((OverflowError, TypeError)):
                run(BYTES.copy())
    same(lambda a: np.clip(a, -1, 300), BYTES)
    same(lambda a: np.pad(a, 1, constant_values=-1), BYTES)
    same(lambda a: np.select([a > 1], [a], 300), BYTES)


AXIS_TAKEN = (
    "sum prod max min any all ptp argmax argmin cumsum cumprod argsort count_nonzero nansum nanmax "
    "nanmin nanargmax nancumsum nanmean"
)
AXIS_REFUSED = "mean var std sort median average flip nanmedian diff"


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", AXIS_TAKEN.split())
def test_the_only_axis_of_a_number(name: str, axis: int) -> None:
    same(lambda x: getattr(np, name)(x, axis=axis), SCALAR)


@pytest.mark.parametrize("name", AXIS_REFUSED.split())
def test_a_number_has_no_axis_for_others(name: str) -> None:
    with pytest.raises(ValueError):
        getattr(np, name)(SCALAR, axis=0)
    with pytest.raises(ValueError, match=r"0 (is out|dim)|zero-dim"):
        mlc.jit(lambda x: getattr(np, name)(x, axis=0))(SCALAR)


def test_other_axes_of_a_number() -> None:
    with pytest.raises(ShapeError, match="axis 1 is out of range for an array of 0 dimensions"):
        mlc.jit(lambda x: np.sum(x, axis=1))(SCALAR)
    with pytest.raises(ArgumentError, match=r"np\.add\.accumulate: cannot accumulate on a scalar"):
        mlc.jit(lambda x: np.add.accumulate(x))(SCALAR)
    same(lambda x: (x.sum(0) + x.argmax(-1)) * np.add.reduce(x), SCALAR)


def test_the_greatest_divisors() -> None:
    least = np.iinfo(np.int64).min
    x, y = np.array([least, least, 2**63 - 1, 0, 12]), np.array([least, 6, 2**62, 0, -18])
    same(np.gcd, x, y)
    same(np.lcm, x[2:], y[2:] % 1000)
    same(np.gcd, np.array([2**64 - 1, 2**63], np.uint64), np.array([3 * 5, 2**40], np.uint64))
    same(lambda x: np.gcd(x, 8) + np.lcm(6, x), np.arange(5, dtype=np.int8))
    same(lambda x: np.gcd.reduce(x, axis=None), np.array([[12, -18], [30, 6]]))
    same(lambda x: np.gcd.reduce(x), np.array([-4]))
    with pytest.raises(DTypeError, match=r"np\.gcd has no loop for \(float64, float64\)"):
        mlc.jit(np.gcd)(SCALAR, SCALAR)
    with pytest.raises(ShapeError, match=r"np\.lcm\.reduce of zero elements along axis 0"):
        mlc.jit(lambda x: np.lcm.reduce(x))(np.zeros(0, int))


def test_bits_are_of_integers() -> None:
    with pytest.raises(
        DTypeError, match=r"np\.packbits: expected an array of integers or booleans"
    ):
        mlc.jit(np.packbits)(np.ones(3))
    with pytest.raises(DTypeError, match=r"np.unpackbits: expected .* got int64; use .astype"):
        mlc.jit(np.unpackbits)(np.ones(3, int))
    with pytest.raises(ShapeError, match="count -9 takes away more than 8 bits"):
        mlc.jit(lambda x: np.unpackbits(x, count=-9))(BYTES[:1])


def test_bessel_of_large_numbers() -> None:
    x = np.concatenate([np.linspace(-8, 8, 41), np.linspace(8, 700, 41), [713.9, 800, np.nan]])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(mlc.jit(np.i0)(x), np.i0(x), rtol=2e-15)
    np.testing.assert_allclose(mlc.jit(np.i0)(np.arange(4)), np.i0(np.arange(4)), rtol=1e-15)
    same(lambda x: x * (np.kaiser(5, 2.0) + np.hamming(5) * np.bartlett(5)), np.arange(5.0))


def test_polynomials_of_matrices() -> None:
    matrix = np.arange(9.0).reshape(3, 3) + np.eye(3)
    np.testing.assert_allclose(mlc.jit(np.poly)(matrix), np.poly(matrix), atol=1e-12)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_allclose(mlc.jit(np.poly)(turn), [1, 0, 1], atol=1e-15)


@pytest.mark.parametrize("unit", [1.0, 1.0 + 0.5j])
def test_tensors_as_matrices(unit: complex) -> None:
    a = (np.arange(36.0).reshape(2, 3, 6) % 7 + np.eye(6).reshape(2, 3, 6) * 9) * unit
    b = np.arange(6.0).reshape(2, 3)
    for f, args in (
        (lambda a, b: np.linalg.tensorsolve(a, b), (a, b)),
        (lambda a, b: np.linalg.tensorsolve(np.moveaxis(a, 2, 0), b, axes=(0,)), (a, b)),
        (lambda a: np.linalg.tensorinv(a, ind=2), (a,)),
    ):
        got, want = mlc.jit(f)(*args), f(*args)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    with pytest.raises(ShapeError, match=r"first 1 axes of shape \(2, 3, 6\) must have as many"):
        mlc.jit(lambda a: np.linalg.tensorinv(a, ind=1))(a)


REFUSED = {
    "np.polydiv cannot be traced: zeros in front decide": lambda x: np.polydiv(x, x[:2]),
    "np.real_if_close of complex numbers is real or complex": lambda x: np.real_if_close(x * 1j),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_the_data_decide(sentence: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        mlc.jit(REFUSED[sentence])(np.arange(1.0, 4.0))
    assert caught.value.message.startswith(sentence)


def test_eigenvalues_outside_of_functions() -> None:
    matrix = np.array([[0.0, -1.0], [1.0, 0.0]])
    found = mlc.numpy.linalg.eigvals(matrix)
    assert found.dtype == complex
    np.testing.assert_allclose(np.sort_complex(found), [-1j, 1j])
    assert mlc.numpy.linalg.eig(np.eye(2)).eigenvectors.shape == (2, 2)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("shape", [(128,), (131,), (3, 200), (2, 1001)])
def test_packed_bits_of_long_rows(order, shape):
    """Whole blocks of bits, rows that end within a byte, rows that are not contiguous."""
    bits = np.random.default_rng(0).integers(0, 2, shape).astype(bool)
    far = np.repeat(bits, 2, axis=-1)[..., ::2]
    for given in (bits, far):
        found = mlc.jit(lambda x: np.packbits(x, axis=-1, bitorder=order))(given)
        np.testing.assert_array_equal(found, np.packbits(bits, axis=-1, bitorder=order))
