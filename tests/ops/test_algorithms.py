"""Fits, correlations and runs of some size, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, BoundsError, DomainError, ShapeError, UnsupportedError

RNG = np.random.default_rng(5)


def near(function, *arrays, rtol=1e-9):
    np.testing.assert_allclose(mlc.jit(function)(*arrays), function(*arrays), rtol=rtol, atol=1e-12)


def test_fits_and_correlations():
    x, y = np.linspace(0, 3, 50), RNG.random(50)
    near(lambda x, y: np.polyfit(x, y, 3), x, y, rtol=1e-7)
    near(lambda x, y: np.polyfit(x, y, 1, w=np.arange(1, 51)), x, y, rtol=1e-7)
    table = RNG.random((4, 30))
    near(np.corrcoef, table)
    near(lambda t: np.corrcoef(t[0], t[1]), table)
    near(lambda t: np.cov(t, fweights=np.arange(1, 31), ddof=2), table)
    near(lambda t: np.cov(t, t * 2, aweights=t[0]), table)
    of_none = mlc.jit(lambda t, u: np.cov(t, u, dtype=np.float32))(table[:0], table)
    assert of_none.shape == (0, 0) and of_none.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_that_fits_say(dtype):
    x = np.linspace(0, 3, 50).astype(dtype)
    ys = np.stack([np.sin(x), x * x + 1], axis=1)

    def fits(x, ys):
        made = [np.polyfit(x, y, 2, full=True, w=x + 1) for y in (ys, ys[:, 0])]
        return made + [np.polyfit(x, y, 2, cov=c) for y in (ys, ys[:, 0]) for c in (1, "unscaled")]

    found, wanted = mlc.jit(fits)(x, ys), fits(x, ys)
    for mine, theirs in zip(found, wanted, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert (np.shape(one), np.asarray(one).dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-12)


def test_a_fit_leaves_out_what_is_below_the_rounding_of_its_points():
    x = (np.linspace(0, 1, 20) / 1000 + 1).astype(np.float32)
    with pytest.warns(np.exceptions.RankWarning):
        wanted = np.polyfit(x, x * x, 6)
    found = mlc.jit(lambda x: np.polyfit(x, x * x, 6))(x)
    cutoff = len(x) * np.finfo(x.dtype).eps  # what is kept amplifies errors by less than 1 over it
    np.testing.assert_allclose(found, wanted, rtol=len(x) * np.finfo(float).eps / cutoff)


@pytest.mark.parametrize("first", [[0, 0, 1, 2], [0, 0], [3], [-0.0, 5, 0]])
def test_products_of_polynomials_leave_out_zeros_in_front(first):
    f = mlc.jit(np.polymul)
    for second in ([1, 4], [0.0, 2.5]):
        a, b = np.array(first), np.array(second)
        found, expected = f(a, b), np.polymul(a, b)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_products_of_polynomials_in_loops_say_what_keeps_zeros():
    def ends(x):
        total = 0.0
        for i in range(len(x)):
            total += np.polymul(x[i], [1.0, 2.0])[0]
        return total

    with pytest.raises(UnsupportedError, match=r"np\.polymul leaves out zeros.*np\.convolve"):
        mlc.jit(ends)(RNG.random((40, 3)))


def test_long_signals():
    signal, kernel = RNG.random(5000), RNG.random(31)
    for mode in ("full", "same", "valid"):
        near(lambda s, k, m=mode: np.convolve(s, k, m), signal, kernel)
        near(lambda s, k, m=mode: np.correlate(k, s, m), signal, kernel)


def test_products_of_a_sparse_matrix():
    rows = np.sort(RNG.integers(0, 5000, 300))
    rows[0] = 0
    data, columns = RNG.random(5000), RNG.integers(0, 200, 5000)
    vector = RNG.random(200)
    near(lambda d, c, r, v: np.add.reduceat(d * v[c], r), data, columns, rows, vector)


def test_histograms_of_pairs():
    x, y = RNG.random(1000), RNG.random(1000)
    for options in ({}, {"bins": (3, [0, 0.2, 0.9]), "range": ((0, 1), None)}, {"density": True}):
        got = mlc.jit(lambda x, y, o=options: np.histogram2d(x, y, **o))(x, y)
        for found, wanted in zip(got, np.histogram2d(x, y, **options), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_rows_of_nan_have_no_greatest():
    x = np.ones((3, 4))
    x[1] = np.nan
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        mlc.jit(lambda x: np.nanargmax(x, axis=1))(x)


def test_runs_that_begin_outside():
    f = mlc.jit(np.add.reduceat)
    with pytest.raises(BoundsError, match=r"index 9 is out of bounds for an axis of size 5"):
        f(np.ones(5), np.array([0, 9]))


def test_refused():
    x = np.zeros((3, 4))
    refused = [
        (lambda x: np.convolve(x, x), x, ShapeError, r"needs vectors that are not empty"),
        (lambda x: np.convolve(x[0], x[0], "none"), x, ArgumentError, "valid, same or full, got"),
        (lambda x: np.gradient(x, 1, 2, 3), x, ArgumentError, "3 spacings for 2 axes"),
        (lambda x: np.gradient(x[:1]), x, ShapeError, r"axis 0 of shape \(1, 4\) is too short"),
        (lambda x: np.polyfit(x[0], x[0], 3, cov=True), x, DomainError, "must exceed order"),
        (lambda x: np.insert(x, x[0].astype(int), 1), x, UnsupportedError, "obj decides the shape"),
        (lambda x: np.choose(x, [1, 2]), x, ArgumentError, "needs integers, got float64"),
        (lambda x: np.cross(x, x), x, ShapeError, "must have 2 or 3 elements, got 4, 4"),
        (lambda x: np.ix_(x), x, ShapeError, r"needs vectors, got shape \(3, 4\)"),
        (
            lambda x: np.apply_along_axis(np.sum, 1, x[:0]),
            x,
            UnsupportedError,
            "for each of 0 slices",
        ),
        (np.subtract.reduce, x[:0], ShapeError, r"zero elements: shape \(0, 4\) has none"),
        (lambda x: np.subtract.reduce(x, None), x, ArgumentError, "the order is open"),
        (lambda x: np.add.reduceat(x, [0.5]), x, ArgumentError, "must be a vector of integers"),
    ]
    for function, argument, error, sentence in refused:
        with pytest.raises(error, match=sentence):
            mlc.jit(function)(argument)


def test_the_conjugate_is_an_array_of_its_own_and_that_of_truths_a_number() -> None:
    @mlc.jit
    def f(x, b):
        found = np.conj(x), np.conj(b)
        x[0] = 5
        return found

    x, b = np.array([1.0, 2.0]), np.array([True, False])
    numbers, truths = f(x, b)
    assert x.tolist() == [5, 2] and numbers.tolist() == [1, 2]
    assert truths.dtype == np.conj(b).dtype == np.int8


def test_the_zeroth_power_in_vander_is_1_even_of_nan() -> None:
    x = np.array([np.nan, np.inf, -2.0])
    np.testing.assert_array_equal(mlc.jit(lambda x: np.vander(x, 3))(x), np.vander(x, 3))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_initial_has_the_dtype_of_the_result(name: str) -> None:
    reduce = getattr(np, name)
    for x in (np.array([True, False]), np.array([1, -3], np.int8), np.float32([0.5, -2])):
        for initial in (-5, 2.5, True, np.float64(9.5)):
            want = reduce(x, initial=initial)
            got = mlc.jit(lambda x, initial=initial: reduce(x, initial=initial), target="numpy")(x)
            assert got == want and got.dtype == want.dtype, (x.dtype, initial)
    with pytest.raises(OverflowError, match="Python integer 300 out of bounds for int8"):
        mlc.jit(lambda x: np.max(x, initial=300))(np.array([1, -3], np.int8))


@pytest.mark.parametrize("kind", ["bool", "int8", "uint16", "float16", "float32", "int64"])
def test_angles_of_real_numbers_are_as_wide_as_those(kind: str) -> None:
    x = np.array([1, 0, 1]).astype(kind)
    got, want = mlc.jit(np.angle, target="numpy")(x), np.angle(x)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_windows_are_views() -> None:
    def f(x, y):
        windows = np.lib.stride_tricks.sliding_window_view(x, 2, axis=1)
        x *= 2
        y[1] = windows[0, 1]
        return windows, y.sum()

    for x in (np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(4, 3).T):
        mine, theirs = x.copy(order="K"), x.copy(order="K")
        got, want = mlc.jit(f)(mine, np.ones((3, 2))), f(theirs, np.ones((3, 2)))
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(mine, theirs)
        assert got[1] == want[1]


def test_windows_are_in_the_order_of_the_axes() -> None:
    f = lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(1, 0))
    x = np.arange(30.0).reshape(5, 6)
    np.testing.assert_array_equal(mlc.jit(f, target="numpy")(x), f(x))


def numbered(a, b):
    """The axes of operands by their numbers."""
    return (
        np.einsum(a, [0, 1], b, [1, 2], [2, 0]), np.einsum(a, [3, 1], b, [1, 0]),
        np.einsum(a, [..., 0], [...]), np.einsum(b * 1j, [0, 1], b, [1, 0], []),
        np.einsum(a[:, :3], [5, 5], [5]),
    )  # fmt: skip


def test_einsum_of_numbered_axes():
    a, b = RNG.random((3, 4)), RNG.random((4, 4))
    for got, want in zip(mlc.jit(numbered)(a, b), numbered(a, b), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert got.dtype == want.dtype
    for function, sentence in (
        (lambda a: np.einsum(a, [0, 60]), "axes are numbered from 0 to 51, got 60"),
        (lambda a: np.einsum(a, a), "or the axes of each operand behind it"),
    ):
        with pytest.raises((ArgumentError, DomainError), match=sentence):
            mlc.jit(function)(a)


def of_those_above(x):
    """The functions get the elements for which their conditions hold, and no others."""
    parts = [lambda t: t - t.sum(), lambda t: t[::-1] * 2, 0.5]
    return np.piecewise(x, [x < -1, x > 1], parts), np.piecewise(x, x > 0, [np.sqrt])


def sum_of_large(row, least=0.25):
    total = 0.0
    for value in row:
        if value > least:
            total += value * value
    return total


def along_axes(x):
    ends = np.apply_along_axis(lambda row: [row.min(), row.max()], 0, x)
    products = np.apply_along_axis(lambda row: np.outer(row, row), 1, x)
    return np.apply_along_axis(sum_of_large, 1, x, least=0.5), ends, products


@pytest.mark.parametrize("function", [of_those_above, along_axes])
def test_functions_of_parts(function):
    x = np.random.default_rng(3).normal(size=(60, 7))
    x = x[:, 0] if function is of_those_above else x
    for got, want in zip(mlc.jit(function)(x), function(x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert got.dtype == want.dtype
