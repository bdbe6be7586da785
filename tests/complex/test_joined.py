"""Sums and products of complex arrays by their real numbers as they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def drawn(*shape: int, dtype: str = "complex64") -> Any:
    rng = np.random.default_rng(5)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def agrees(f: Any, *args: Any) -> Any:
    jitted = mlc.jit(f)
    found, expected = jitted(*args), f(*args)
    assert type(found) is type(expected) and np.shape(found) == np.shape(expected)
    assert found.dtype == expected.dtype
    tolerance = 2e-5 if found.dtype == np.complex64 else 1e-13
    np.testing.assert_allclose(found, expected, tolerance, tolerance * np.max(np.abs(expected)))
    return jitted


@pytest.mark.parametrize("axis", [0, 1, -2, (0, 1), (0, -1), 2, None, ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_and_means(axis: Any, keepdims: bool) -> None:
    x = drawn(5, 6, 7)
    agrees(lambda x: np.sum(x, axis=axis, keepdims=keepdims), x)
    agrees(lambda x: x.mean(axis=axis, keepdims=keepdims), x)
    agrees(lambda x: np.sum(x[::2, 1:].T, axis, keepdims=keepdims), x)


def test_sums_with_other_arguments() -> None:
    x = drawn(5, 6)
    agrees(lambda x: np.sum(x, axis=0, initial=1 + 2j), x)
    agrees(lambda x: np.sum(x, axis=0, dtype=np.complex128), x)
    agrees(lambda x: np.sum(x, axis=0, where=x.real > 0), x)
    agrees(lambda x: np.add.reduce(x, axis=0), x)
    with pytest.raises(Exception, match="axis 2 is out of"):
        mlc.jit(lambda x: np.sum(x, axis=2))(x)


def test_sums_may_be_written_to() -> None:
    def f(x: Any) -> Any:
        y = np.sum(x, axis=0)
        z = y
        y[1] = 3 - 2j
        y.imag[2] = 7
        return z, y * 2, x

    x = drawn(5, 6)
    for found, expected in zip(mlc.jit(f)(x), f(x), strict=True):
        np.testing.assert_allclose(found, expected, 1e-5)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize(
    "shapes", ["34 45", "4 45", "34 4", "17 7", "7 77", "4 4", "11 11", "53 3"]
)
def test_products(shapes: str, dtype: str) -> None:
    a, b = (drawn(*map(int, shape), dtype=dtype) for shape in shapes.split())
    agrees(lambda a, b: a @ b, a, b)
    agrees(np.dot, a, b)
    agrees(lambda a, b: np.matmul(a * 2, b), a, b)
    agrees(lambda a, b: a @ (b + 1), a, b)
    agrees(lambda a, b: a.T[..., None] * 0 + np.sum(a @ b), a, b)
    if len(shapes.split()[1]) == 2:
        agrees(lambda a, b: a @ b[:, ::-1], a, b)


def test_what_is_infinite() -> None:
    a, b = drawn(4, 3), drawn(3, 5)
    a[0, 1], a[1, 0], b[2, 2] = np.inf, complex(0, np.inf), complex(np.nan, 1)
    with np.errstate(all="ignore"):
        for right in (b, b[:, 2], b[:, 1]):
            assert (np.isfinite(mlc.jit(np.matmul)(a, right)) == np.isfinite(a @ right)).all()


def test_parts_that_are_joined_as_they_were_need_no_kernel() -> None:
    x = drawn(9, 30, 30)
    jitted = agrees(lambda x: np.sum(x, axis=0), x)
    assert len(jitted.lower(x).compiled.kernels) == 1
    assert "concatenate" not in str(jitted.lower(x).program)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_vectors_are_added_and_multiplied_in_one_pass(dtype: str) -> None:
    def several(a: Any, b: Any) -> Any:
        n = len(b[0])
        return (a[::2] @ b[1, ::-1], np.vdot(a, b), np.dot(a[:n], b[0]), np.sum(a), b.mean())

    a, b = drawn(266, dtype=dtype), drawn(2, 133, dtype=dtype)
    for found, expected in zip(mlc.jit(several)(a, b), several(a, b), strict=True):
        assert type(found) is type(expected)
        np.testing.assert_allclose(found, expected, 2e-5)
    a, b = drawn(128, dtype=dtype), drawn(128, dtype=dtype)[::-1].copy()
    lowered = agrees(np.vdot, a, b).lower(a, b)
    for tensor in lowered.compiled.inputs:
        assert sum(tensor in k.inputs for k in lowered.compiled.module.kernels) == 1

    def changed(a: Any, b: Any) -> Any:
        a[70] = 5 - 2j
        return np.vdot(a, b), a.sum()

    np.testing.assert_allclose(mlc.jit(changed)(a.copy(), b), changed(a.copy(), b), 1e-5)
