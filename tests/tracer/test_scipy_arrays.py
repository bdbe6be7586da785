"""SciPy's functions of images, distances, integrals and the normal distribution, traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

signal = pytest.importorskip("scipy.signal")
ndimage = pytest.importorskip("scipy.ndimage")
distance = pytest.importorskip("scipy.spatial.distance")
integrate = pytest.importorskip("scipy.integrate")
linalg = pytest.importorskip("scipy.linalg")
stats = pytest.importorskip("scipy.stats")

RNG = np.random.default_rng(4)
IMAGE, LINE = RNG.normal(size=(9, 11)), RNG.normal(size=21)
WHOLE = RNG.integers(0, 200, (7, 8))
ODD, EVEN = RNG.normal(size=(3, 5)), RNG.normal(size=(2, 4))
ROWS, OTHERS = RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))


def check(function: Any, *args: Any) -> None:
    def called(*given: Any) -> Any:
        found = function(*given)
        return tuple(found) if isinstance(found, tuple) else found

    found, wanted = mlc.jit(called)(*args), called(*args)
    pairs = zip(found, wanted) if isinstance(wanted, tuple) else [(found, wanted)]
    for a, b in pairs:
        assert type(a) is type(b) and np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        eps = np.finfo(np.asarray(b).dtype).eps if np.asarray(b).dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=200 * eps, atol=200 * eps * np.max(np.abs(b)))


@pytest.mark.parametrize("mode", ["reflect", "constant", "nearest", "mirror", "wrap"])
def test_filters_of_images(mode: str) -> None:
    for kernel in (ODD, EVEN):
        check(lambda x, k: ndimage.convolve(x, k, mode=mode, cval=0.5), IMAGE, kernel)
        check(lambda x, k: ndimage.correlate(x, k, mode=mode, cval=0.5), IMAGE, kernel)
    check(lambda x: ndimage.gaussian_filter(x, 0.9, mode=mode), IMAGE)
    check(lambda x: ndimage.sobel(x, axis=0, mode=mode), IMAGE.astype(np.float32))
    check(lambda x: ndimage.convolve1d(x, [1.0, 2.0, 0.5, 1.0], axis=0, mode=mode), IMAGE)


def test_other_filters() -> None:
    check(lambda x: ndimage.laplace(x), IMAGE)
    check(lambda x: ndimage.gaussian_filter(x, (0.7, 0)), IMAGE)
    check(lambda x, sigma: ndimage.gaussian_filter(x, sigma), IMAGE, 0.9)
    check(lambda x: ndimage.gaussian_filter1d(x, 1.5), LINE)
    check(lambda x: ndimage.correlate(x, np.arange(9).reshape(3, 3)), WHOLE)
    check(lambda x: ndimage.center_of_mass(x), WHOLE)
    with pytest.raises(mlc.UnsupportedError, match="how sums are rounded decides"):
        mlc.jit(lambda x: ndimage.gaussian_filter(x, 1.0))(WHOLE)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolutions(mode: str) -> None:
    for kernel in (ODD, EVEN):
        for edge in ("fill", "symm", "wrap"):
            check(lambda x, k: signal.convolve2d(x, k, mode, boundary=edge), IMAGE, kernel)
        check(lambda x, k: signal.fftconvolve(x, k, mode=mode), IMAGE, kernel)
    check(lambda x: signal.convolve2d(x, np.ones((3, 3), int), mode), WHOLE)
    check(lambda x: signal.fftconvolve(x, x[:6], mode), LINE)


def test_distances() -> None:
    for name in ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine"):
        check(lambda a, b: distance.cdist(a, b, name), ROWS, OTHERS)
        check(lambda a: distance.pdist(a, name), ROWS)
        one = getattr(distance, name)
        check(lambda a, b: one(a, b), ROWS[0], OTHERS[0])
    with pytest.raises(mlc.UnsupportedError, match="metric='jaccard' cannot be traced; of the"):
        mlc.jit(lambda a: distance.cdist(a, a, "jaccard"))(ROWS)


def test_integrals() -> None:
    places = np.cumsum(np.abs(LINE) + 0.1)
    for x in (None, places):
        check(lambda y: integrate.trapezoid(y, x), LINE)
        check(lambda y: integrate.simpson(y, x=x), LINE)
        check(lambda y: integrate.cumulative_trapezoid(y, x, initial=0), LINE)
    check(lambda y: integrate.simpson(y, dx=0.5, axis=0), IMAGE)
    check(lambda y: integrate.cumulative_trapezoid(y, axis=0), IMAGE)
    with pytest.raises(mlc.UnsupportedError, match="of 20 points cannot be traced"):
        mlc.jit(lambda y: integrate.simpson(y))(LINE[1:])


def test_least_squares() -> None:
    check(lambda a, b: linalg.lstsq(a, b)[0], ROWS, ROWS[:, 0] * 2 + 1)


@pytest.mark.parametrize("name", ["pdf", "logpdf", "cdf", "sf"])
def test_the_normal_distribution(name: str) -> None:
    function = getattr(stats.norm, name)
    check(lambda x: function(x), LINE * 4)
    check(lambda x, m, s: function(x, m, scale=s), LINE, 0.5, 2.0)
    check(lambda x: getattr(stats.norm(1.0, 3.0), name)(x), LINE)
    check(lambda x: function(x), 0.3)


def test_distances_as_matrices_and_ranks() -> None:
    check(lambda x: distance.squareform(distance.pdist(x)), ROWS)
    check(lambda x: distance.squareform(distance.squareform(distance.pdist(x, "cityblock"))), ROWS)
    check(lambda x: distance.squareform(x, checks=False), WHOLE[:, :7])
    with pytest.raises(ValueError, match="must be symmetric"):
        mlc.jit(lambda x: distance.squareform(x))(ROWS[:3])
    with pytest.raises(ValueError, match="binomial coefficient"):
        mlc.jit(lambda x: distance.squareform(x))(LINE[:4])
    for x in (LINE, WHOLE[0] % 3, WHOLE.astype(np.float32), np.array([1.0, np.nan, 0.0])):
        check(lambda x: stats.rankdata(x), x)
    with pytest.raises(mlc.UnsupportedError, match="method='dense'"):
        mlc.jit(lambda x: stats.rankdata(x, "dense"))(LINE)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_eigenvalues_are_complex(dtype: str) -> None:
    turned = np.array([[0, 2, 0], [-1, 0, 0], [0, 1, 3]], dtype)
    for matrix in (turned, np.triu(turned)):
        values, vectors = mlc.jit(lambda a: linalg.eig(a))(matrix)
        wanted, directions = linalg.eig(matrix)
        assert values.dtype == wanted.dtype and vectors.dtype == directions.dtype
        np.testing.assert_allclose(values, wanted, atol=1e-6)
        np.testing.assert_allclose(np.abs(vectors), np.abs(directions), atol=1e-6)
        np.testing.assert_array_equal(mlc.jit(lambda a: linalg.eigvals(a))(matrix), values)


def test_blocks_along_a_diagonal() -> None:
    check(lambda x, y: linalg.block_diag(x, y[0], 2, [[1, 2]]), ROWS, WHOLE)
