"""NumPy's functions of complex arrays: joining, moving, summing, products, sorting."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

from .comparison import check, numbers

GROUPS: dict[str, Callable[[Any], Any]] = {
    "sums": lambda a: (
        a.sum(), a.sum(axis=0), np.sum(a, 1, keepdims=True), a.mean(0), a.var(1), np.std(a, ddof=1),
        np.sum(a, where=abs(a) > 1, initial=2), a.cumsum(0), np.cumsum(a), np.trace(a),
        np.sum(a.real, 0, complex), np.average(a, axis=0, weights=a[:, 0].real + 3),
        np.add.reduce(a), np.trapezoid(a[0]), np.diff(a, axis=0), np.ediff1d(a[0]),
        np.gradient(a[0]),
    ),
    "products": lambda a: (
        a.prod(), np.prod(a, axis=1), np.prod(a, axis=(0, 1), keepdims=True), np.cumprod(a, 1),
        a @ a.T, a @ a.real.T, np.dot(a.real, a.T), a.conj().T @ a, np.outer(a[0], a[1]),
        np.inner(a, a), np.vdot(a, a * 2j), np.tensordot(a, a, axes=([0], [0])),
        np.kron(a[0], a[1]), np.cross(a[0, :3], a[1, :3]), np.vecdot(a, a * 1j), a @ a[0],
        np.multiply.accumulate(a, axis=0), np.add.outer(a[0], a[1]),
    ),
    "sums of products": lambda a: (
        np.einsum("ij,kj->ik", a, a.conj()), np.einsum("ij,ij,ij->j", a, a, a.real),
        np.convolve(a[0], a[1]), np.correlate(a[0], a[1], "full"),
        np.correlate(a[0].real, a[1], "full"), np.linalg.multi_dot([a, a.T, a]), np.cov(a),
        np.corrcoef(a), np.polyval([1, 2j, 3], a), np.polyval(np.poly1d([1, 2, 3]), a),
        np.polyval(a[0], [1, 2]), np.vander(a[0]),
    ),
    "polynomials": lambda a: (
        np.polyadd(a[0], [1, 2]), np.polysub([0.5], a[0]), np.polymul(a[0], a[1, :2]),
        np.polymul(a[0] * [0, 0, 1, 1], a[1] * [0, 1, 0, 1]), np.polymul(a[0] * 0, a[1]),
        np.polyder(a[0], 2), np.polyint(a[0], 2, [1j, 2]), np.vander(a[0, :0]), np.vander(a[0], 0),
        np.trim_zeros(a[0] * [0, 1, 1, 0]), np.trim_zeros(a[0] * [0, 1, 0, 0], "b"),
    ),
    "vectors and matrices": lambda a: (
        np.vecmat(a[0, :3], a), np.vecmat(a[0, :3].real, a), np.matvec(a, a[0]),
        np.vecmat(a[:, :3], np.stack([a] * 3)), a[np.tril_indices_from(a)],
        a[np.triu_indices_from(a, 1)], a[:, :3][np.diag_indices_from(a[:, :3])],
        np.zeros(2, np.common_type(a, a.real.astype(np.float32))),
    ),
    "views": lambda a: (
        a.reshape(2, 6), a.T * 2, a.transpose(1, 0), a[1], a[1, 2], a[:, ::-1], a[[0, 2]],
        a[..., None], a.ravel(), a.flatten(), a[:1].squeeze(), np.expand_dims(a, 0), a.mT,
        np.broadcast_to(a[0], (2, 4)), np.diagonal(a), list(a), np.split(a, 2, axis=1), a.real,
        a.imag + 1, np.real(a) * 2, np.imag(a), a.flat[3], np.swapaxes(a, 0, 1),
    ),
    "moves": lambda a: (
        np.flip(a), np.roll(a, 1, 0), np.tile(a, 2), a.repeat(2, axis=0), np.rot90(a),
        np.take(a, [1, 0], axis=1), np.pad(a, 1), np.pad(a, 1, constant_values=1j),
        np.pad(a, 1, mode="edge"), np.diag(a), np.diag(a[0]), np.tril(a), np.delete(a[0], 1),
        np.take_along_axis(a, np.argsort(a.real, axis=1), axis=1), np.insert(a[0], 1, 5j),
        np.append(a[0], 1j), np.fft.fftshift(a),
    ),
    "what is not 0": lambda a: (
        np.where(a.real > 0, a, 0).nonzero(), np.flatnonzero(a * (a.imag > 0)), np.argwhere(a),
        np.where(a - a[0]), np.where(a - a[0], 1, 2), np.where(a - a[0], a, 1j),
        np.extract(a - a[0], a), np.extract(a - a[0], a.real), a[a != a[0]], a[a.nonzero()],
        np.compress([True, False, True], a, 0), np.compress(a[0] * 0, a, axis=1),
        np.compress(a[:, 0], a.real, axis=0), a.compress([0, 1], axis=1),
        np.logical_xor.reduce(a, axis=1), np.logical_or.accumulate(a - a[0], axis=0),
        np.logical_and.reduce(a, axis=None),
    ),
    "joins and choices": lambda a: (
        np.concatenate([a, a * 2], 1), np.stack([a, a.real]), np.hstack([a, a.imag]),
        np.where(abs(a) > 1, a, 0), np.where(a.real > 0, a, 1j), np.array([a[0, 0], 1j, 2]),
        np.select([a.real > 0, a.real < -1], [a, 2 * a], 1j), np.meshgrid(a[0], a[1].real),
        np.interp([0.5, 1.5], [0, 1, 2, 3], a[0]), np.linspace(a[0, 0], a[0, 1], 5),
    ),
    "questions": lambda a: (
        np.angle(a), np.angle(a, deg=True), np.iscomplex(a), np.isreal(a), np.iscomplexobj(a),
        np.isrealobj(a.real), a.any(), np.all(a, axis=0), np.count_nonzero(a), a.max(),
        np.min(a, 0), np.sort(a, axis=0), np.argsort(a[0]), np.isclose(a, a + 1e-9),
        np.allclose(a, a + 1e-9), np.array_equal(a, a), np.result_type(a, 1.0).itemsize,
        np.linalg.norm(a), np.linalg.norm(a, axis=1), np.argmax(np.abs(a)), bool(np.shape(a)),
    ),
    "creation": lambda a: (
        np.zeros_like(a), np.full_like(a, 2 + 1j), np.ones(3, dtype=complex) * a[0, 0],
        a.astype(np.complex64), a.astype("complex128"), a.astype(bool), a.real.astype(complex),
        np.asarray(a.real, dtype=complex), np.round(a, 1), 1j * a.real, np.exp(1j * a.real),
        np.exp(-2j * np.pi * np.arange(4) / 4) * a, np.nan_to_num(a / 0).imag * 0, a.copy(),
        np.eye(3, dtype=complex) @ a, np.sqrt(a.real + 0j), np.full(2, 1j) + a[0, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("group", GROUPS)
def test_as_numpy(group: str, dtype: str) -> None:
    if dtype == "complex64" and group in ("sums of products",):
        check(GROUPS[group], numbers((3, 4), dtype), rtol=1e-4)
        return
    check(GROUPS[group], numbers((3, 4), dtype))


def test_layouts_of_arguments() -> None:
    a = numbers((4, 6), "complex128")
    for view in (a.T, a[::2, ::-1], a[1:, 1:3], a[:0], a[0, 0], a[:, :1]):
        check(lambda z: (z * 1j, z.real + 1, z.sum()), view)


def test_sorting_puts_nan_last() -> None:
    nan = np.nan
    z = np.array([complex(nan, 1), 2, complex(1, nan), 1 + 1j, 1 - 1j, complex(nan, nan), -1])
    check(lambda z: (np.argsort(z), np.sort(z)), z)


def test_constants_from_outside_are_seen_to_change() -> None:
    import mlc

    table = np.arange(3) * 1j
    f = mlc.jit(lambda x: x * table)
    assert (f(np.ones(3)) == table).all()
    table[1] = 5
    assert (f(np.ones(3)) == table).all()


def test_trees_and_out() -> None:
    import mlc

    z = numbers((3,), "complex128")
    found = mlc.jit(lambda d: {"twice": d["z"] * 2, "same": d["z"], "one": d["z"][0]})({"z": z})
    assert (found["twice"] == 2 * z).all() and (found["same"] == z).all() and found["one"] == z[0]
    place = np.empty(3, complex)
    assert mlc.jit(lambda z: z * 1j)(z, out=place) is place and (place == z * 1j).all()


def test_an_array_that_is_not_complex_stays_so_when_complex_numbers_are_inserted() -> None:
    def inserted(a: Any, v: Any) -> Any:
        return np.insert(a, 1, v)

    values = np.array([0j, 4.5 - 6j])
    for array in (np.arange(3), np.eye(2), np.array([True, False]), -1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want, got = inserted(array, values), mlc.jit(inserted)(array, values)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    with pytest.raises(mlc.MlcError, match=r"insert value\.real, or convert"):
        mlc.jit(inserted)(np.arange(3), 2 + 1j)
    with pytest.raises(mlc.MlcError, match=r"np\.sum: a complex initial= needs a complex array"):
        mlc.jit(lambda a: np.sum(a, initial=2 + 1j))(np.arange(3))


def test_zero_to_complex_powers() -> None:
    base, power = np.zeros(5, complex), np.array([12 - 16j, 5j, -1 + 1j, 0, 2])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(mlc.jit(np.power)(base, power), np.power(base, power))


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_transforms_of_short_floats(name: str, dtype: str) -> None:
    import ml_dtypes

    x = np.array([0.5, 1.5, 2.5, -4], ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    function = getattr(np.fft, name)
    want, got = function(x), mlc.jit(lambda x: function(x))(x)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_ravel_is_a_view_of_a_complex_argument() -> None:
    def first(a: Any) -> Any:
        a.ravel()[0] = 2
        return a * 1

    whole = np.arange(6).reshape(2, 3) * (1 + 1j)
    for made in (lambda: whole.copy(), lambda: whole.astype(np.complex64), lambda: whole.copy().T):
        here, there = made(), made()
        np.testing.assert_array_equal(mlc.jit(first)(here), first(there))
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("part", [complex(np.inf, -np.inf), complex(np.inf, 1), complex(1, np.inf)])
def test_means_divide_complex_numbers(part):
    x = np.full(2, part)
    with np.errstate(all="ignore"):
        for function in (np.mean, np.average, lambda x: np.average(x, weights=np.ones(2) * 2)):
            assert repr(mlc.jit(function)(x)) == repr(function(x))


@pytest.mark.parametrize("function", [np.cov, np.corrcoef])
def test_variables_that_are_none_are_real(function):
    x = np.zeros((0, 5), np.complex64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, expected = mlc.jit(function)(x), function(x)
    assert got.shape == expected.shape and got.dtype == expected.dtype


@pytest.mark.parametrize("part", [np.real, np.imag, lambda z: z.real, lambda z: z.imag])
def test_parts_are_no_contiguous_memory(part):
    """``z.real.ravel()`` is a copy for NumPy, ``z.real.reshape(-1)`` is a view."""

    def written(x):
        z = np.fft.fft(x)
        t, u = part(z), part(z.reshape(1, -1))
        t.ravel()[0] = -2
        np.ascontiguousarray(t)[1] = -3
        np.asfortranarray(u)[0, 2] = -4
        t.reshape(-1)[3] = -5
        u.T.reshape(-1, 5)[0, 4] = -6
        return z, t, t.ravel(), t.reshape(-1, 1)

    x = np.arange(6.0)[1:]
    for got, expected in zip(mlc.jit(written)(x), written(x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{"axis": 0}, {"axis": -1, "keepdims": True}, {}])
def test_extremes_of_no_axes(options):
    x = np.array(2 + 1j)
    for function in (np.max, np.min, np.ptp):
        assert mlc.jit(lambda x, f=function: f(x, **options))(x) == function(x, **options)
    assert mlc.jit(lambda x: np.prod(x, **options))(x) == np.prod(x, **options)
    np.testing.assert_array_equal(mlc.jit(lambda x: np.cumprod(x, 0))(x), np.cumprod(x, 0))
    if options:
        with pytest.raises(np.exceptions.AxisError):
            mlc.jit(lambda x: np.median(x, **options))(x)


def test_put():
    def written(x):
        x.put([0, -1, 0], [1, 2j, 3])
        x.put([7], 5j, mode="wrap")
        return x * 1

    x = np.arange(5.0) + 1j
    np.testing.assert_array_equal(mlc.jit(written)(x.copy()), written(x.copy()))


def test_what_is_no_attribute_is_told_in_words_of_arrays() -> None:
    with pytest.raises(AttributeError, match="a traced value has no attribute 'setflags'"):
        mlc.jit(lambda x: x.setflags(write=False))(np.ones(2, complex))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, float])
def test_sums_of_real_elements_into_complex_arrays(dtype: Any) -> None:
    def program(x: Any) -> Any:
        whole, product = np.zeros((), complex), np.ones(3, np.complex64)
        sums, means = np.ones((2, 3), complex), np.ones((2, 1), np.complex64)
        np.sum(x, out=whole)
        np.prod(x, axis=0, out=product)
        np.cumsum(x, axis=1, out=sums)
        x.mean(axis=1, keepdims=True, out=means)
        return whole, product, sums, means

    check_against_numpy(program, np.array([[3, -1.5, 0], [2, 7, 4.25]]).astype(dtype))


def test_arrays_that_broadcast_are_equivalent() -> None:
    a = np.arange(6).reshape(2, 3) * (1 - 2j)

    def equivalent(a: Any, b: Any) -> Any:
        return np.array_equiv(a, b), np.array_equiv(b, a), np.array_equal(a, b)

    for b in (np.stack([a, a, a]), a[:1], a[:1] + 0 * a, a.real, a + 1j, np.ones((4, 5))):
        check_against_numpy(equivalent, a, b)
