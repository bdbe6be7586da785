"""Decompositions: that they put the matrix together again, errors, arrays that lie otherwise."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, ShapeError
from mlc.testing import check_against_numpy

RNG = np.random.default_rng(5)
TARGETS = ("cpu", "interpret", "numpy")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 5), (5, 2), (3, 1, 1)])
def test_decompositions(shape, target):
    x = RNG.normal(size=shape)
    for full in (True, False):
        found = mlc.jit(lambda x, full=full: np.linalg.svd(x, full), target=target)(x)
        assert type(found).__name__ == "SVDResult"
        for got, want in zip(found, np.linalg.svd(x, full), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-12)
    for mode in ("reduced", "complete"):
        q, r = mlc.jit(lambda x, mode=mode: np.linalg.qr(x, mode), target=target)(x)
        wanted = np.linalg.qr(x, mode)
        np.testing.assert_allclose(q, wanted.Q, atol=1e-12)
        np.testing.assert_allclose(r, wanted.R, atol=1e-12)
    square = x @ np.swapaxes(x, -1, -2)
    for side in "LU":
        values, vectors = mlc.jit(lambda s, o=side: np.linalg.eigh(s, o), target=target)(square)
        back = (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
        np.testing.assert_allclose(back, square, atol=1e-11)


def test_arrays_that_lie_otherwise():
    a = RNG.normal(size=(6, 6)) + 6 * np.eye(6)
    f = mlc.jit(np.linalg.inv)
    for view in (a.T, a[::-1, ::-1], np.asfortranarray(a), a[::2, ::2]):
        np.testing.assert_allclose(f(view), np.linalg.inv(view), rtol=1e-10)


def test_between_other_operators():
    a, b = RNG.normal(size=(5, 5)) + 5 * np.eye(5), RNG.normal(size=5)
    f = lambda a, b: np.linalg.solve(a @ a.T + 1, b * 2).sum()
    np.testing.assert_allclose(mlc.jit(f)(a, b), f(a, b), rtol=1e-10)
    assert mlc.jit(np.linalg.det)(a.astype("float32")).dtype == np.float32


def test_least_squares():
    a, b = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 2))
    got = mlc.jit(lambda a, b: np.linalg.lstsq(a, b))(a, b)
    for found, wanted in zip(got, np.linalg.lstsq(a, b), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    a[:, 2] = a[:, 1]
    x, residuals, rank, _ = mlc.jit(lambda a, b: np.linalg.lstsq(a, b))(a, b[:, 0])
    assert rank == 2 and np.isnan(residuals).all()
    np.testing.assert_allclose(x, np.linalg.lstsq(a, b[:, 0])[0], rtol=1e-9)


def test_what_lapack_refuses():
    for function, a, sentence in (
        (np.linalg.inv, np.ones((3, 3)), "Singular matrix"),
        (np.linalg.inv, np.stack([np.eye(3), np.ones((3, 3))]), "Singular matrix"),
        (lambda a: np.linalg.solve(a, a), np.zeros((2, 2)), "Singular matrix"),
        (np.linalg.cholesky, -np.eye(3), "Matrix is not positive definite"),
    ):
        with pytest.raises(np.linalg.LinAlgError, match=sentence):
            mlc.jit(function)(a)
    nan = np.full((2, 2), np.nan)
    np.testing.assert_array_equal(mlc.jit(np.linalg.inv)(nan), np.linalg.inv(nan))


def test_refused():
    x = np.zeros((3, 4))
    linalg = np.linalg.LinAlgError
    refused = [
        (np.linalg.inv, x, linalg, r"must be square, got \(3, 4\)"),
        (np.linalg.det, x[0], linalg, "1-dimensional array given"),
        (np.linalg.inv, np.eye(3, dtype="float16"), ArgumentError, "float16 is not supported"),
        (lambda x: np.linalg.qr(x, "raw"), x, ArgumentError, "reduced, complete or r, got 'raw'"),
        (lambda x: np.linalg.eigh(x, "M"), np.eye(3), ArgumentError, "UPLO must be 'L' or 'U'"),
        (lambda x: np.linalg.solve(x.T @ x, x), x, ShapeError, "do not fit"),
        (lambda x: np.linalg.pinv(x, 0.1, rtol=0.1), x, ArgumentError, "give one of them"),
        (lambda x: np.linalg.multi_dot([x]), x, ShapeError, "at least two arrays, got 1"),
    ]
    for function, argument, error, sentence in refused:
        with pytest.raises(error, match=sentence):
            mlc.jit(function)(argument)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_hermitian_matrices_by_their_lower_triangles(dtype: str) -> None:
    real = np.arange(1, 19).reshape(2, 3, 3) % 7 - 2.5
    a = real.astype(dtype) * (1 - 2j if dtype == "complex128" else 1)

    def every(a):
        la = np.linalg
        u, s, vh = la.svd(a, hermitian=True)
        return (
            la.pinv(a, hermitian=True), la.svd(a, compute_uv=False, hermitian=True), s,
            (u * s[..., None, :]) @ vh, la.matrix_rank(a, hermitian=True),
        )  # fmt: skip

    for got, wanted in zip(mlc.jit(every)(a), every(a), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_what_counts_as_singular(dtype: str) -> None:
    a = np.array([np.diag([1, 0.05, 1e-9]), np.diag([2, 1, 0.5])]).astype(dtype)
    share = np.array([0.1, 0.3])

    def every(a, share):
        la = np.linalg
        return (
            la.pinv(a, share), la.pinv(a, rtol=share), la.pinv(a, rtol=None), la.pinv(a),
            la.matrix_rank(a, share), la.matrix_rank(a, rtol=share), la.matrix_rank(a),
        )  # fmt: skip

    for got, wanted in zip(mlc.jit(every)(a, share), every(a, share), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_matrices_without_elements(shape: tuple[int, int]) -> None:
    la = np.linalg
    a = np.zeros(shape)
    for ord in (1, np.inf, 2, "nuc", "f"):
        assert mlc.jit(lambda a: la.norm(a, ord))(a) == 0  # NumPy 2.2 refuses some
    solve = lambda a, b: la.lstsq(a, b, rcond=None)
    for b in (np.ones(shape[0]), np.ones((shape[0], 2))):
        for got, wanted in zip(mlc.jit(solve)(a, b), solve(a, b), strict=True):
            assert np.asarray(got).dtype == np.asarray(wanted).dtype
            np.testing.assert_array_equal(got, wanted)


def test_a_right_side_that_is_not_finite_is_solved() -> None:
    a, b = np.eye(2) * 3, np.array([[1.0, np.inf], [2, 3]])
    f = mlc.jit(lambda a, b: np.linalg.solve(a, b))
    np.testing.assert_array_equal(f(a, b), np.linalg.solve(a, b))
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        f(a * 0, a)


@pytest.mark.parametrize("p", [None, 1, np.inf, "fro", -2])
def test_conditions_of_what_has_no_inverse_are_infinite(p):
    stack = np.ones((2, 3, 3))
    stack[1] = np.diag([1, 2, 3.0])
    far = np.eye(4, 5)
    far[3, 4] = np.inf
    for given in (stack, stack.astype(complex), stack.astype(int), stack.astype(np.float32)):
        check_against_numpy(lambda a: np.linalg.cond(a, p), given)
    if p in (None, -2):
        check_against_numpy(lambda a: np.linalg.cond(a, p), far)


def test_norms_of_complex_numbers_square_both_parts():
    z = np.array([[complex(np.nan, -np.inf), 3 + 4j], [1e200 + 0j, 1j]])
    check_against_numpy(lambda z: (np.linalg.norm(z, axis=1), np.linalg.norm(z[1])), z)
    check_against_numpy(lambda z: np.linalg.norm(z[1:], "fro", axis=(0, 1), keepdims=True), z)
    check_against_numpy(lambda z: np.linalg.norm(z, 1, axis=0), z[:, 1:])


@pytest.mark.parametrize("power", [3, -3])
def test_powers_multiply_in_numpys_order(power: int) -> None:
    def program(x):
        return np.linalg.matrix_power(x, power)

    check_against_numpy(program, np.array([[-np.inf, 1.0], [2.0, 0.125]]))


def test_pseudo_inverses_of_bfloat16_are_refused_in_a_sentence() -> None:
    x = np.ones((3, 2), ml_dtypes.bfloat16)
    with pytest.raises(ArgumentError, match="bfloat16 is not supported"):
        mlc.jit(lambda x: np.linalg.pinv(x).shape[0] + x)(x)
