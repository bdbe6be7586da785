"""Eigenvalues of real matrices, and roots: the data decide whether they are real, and how many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

TURNED = np.array([[0.0, 1.0], [-1.0, 0.0]])
TALL = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, 1.0], [0.0, 0.25, -1.0]])


def same(wanted: Any, got: Any) -> None:
    assert wanted.dtype == got.dtype and wanted.shape == got.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8])
def test_eigenvalues_are_real_where_numpys_are(dtype: Any) -> None:
    f = mlc.jit(lambda x: np.linalg.eig(x))
    g = mlc.jit(lambda x: np.linalg.eigvals(x) * 2)
    symmetric = np.array([[2.0, 1.0], [1.0, 3.0]])
    for x in (symmetric, TURNED, symmetric, np.stack([TURNED, symmetric])):
        x = x.astype(dtype)
        wanted, got = np.linalg.eig(x), f(x)
        assert type(got) is type(wanted)
        values = np.allclose if dtype == np.float32 else None
        for a, b in zip(wanted, got, strict=True):
            if values is None:
                same(a, b)
            else:
                assert a.dtype == b.dtype and values(a, b, atol=1e-5)
        assert g(x).dtype == np.linalg.eigvals(x).dtype


def test_the_vectors_that_belong_to_the_largest_values() -> None:
    def main_axis(x: Any) -> Any:
        values, vectors = np.linalg.eig(np.cov(x.T))
        return x @ vectors[:, np.argsort(values)[::-1][:1]]

    x = np.random.default_rng(0).standard_normal((20, 3))
    same(main_axis(x), mlc.jit(main_axis)(x))


def test_eigenvalues_in_native_loops_are_refused_where_they_may_be_real() -> None:
    def run(x: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            if x[i, 0, 0] > 0:
                total += abs(np.linalg.eigvals(x[i])[0])
        return total

    x = np.stack([TALL] * 3)
    if np.linalg.eigvals(TALL).dtype == np.complex128:  # since NumPy 2.5
        return same(np.float64(run(x)), mlc.jit(run)(x))
    with pytest.raises(mlc.UnsupportedError, match=r"eigvals of a real matrix in a native"):
        mlc.jit(run)(x)


def test_roots() -> None:
    f = mlc.jit(lambda p: np.roots(p))
    for p in ([1.0, -3, 2, 0], [0.0, 1, 0, 1], [1.0, 0, 0, 0], [0.0, 0, 0, 0], [0.0, 0, 3, -6]):
        same(np.roots(p), f(np.array(p)))
    same(np.roots([2, -4, 1]), mlc.jit(lambda a: np.roots([2, a, 1]))(-4))
    same(np.roots([1, 2j]), mlc.jit(lambda p: np.roots(p))(np.array([1, 2j])))


def test_numbers_of_other_dtypes_beside_complex_ones() -> None:
    a, b = np.eye(2, dtype=np.complex64) * 2j, np.arange(2, dtype=np.int8)
    got = mlc.jit(np.linalg.solve)(a, b)
    same(np.linalg.solve(a, b), got)
    with pytest.raises(mlc.ArgumentError, match=r"eigvals: float16 is not supported; use \.astype"):
        mlc.jit(lambda x: np.linalg.eigvals(x))(np.eye(2, dtype=np.float16))
