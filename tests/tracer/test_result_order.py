"""Results lie in memory as NumPy's do: in the order of what they are made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.runtime.native_call import is_native

Array = np.ndarray[Any, Any]
C = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
F = np.asfortranarray(C)
MIXED = np.ascontiguousarray(C.transpose(1, 2, 0)).transpose(2, 0, 1)
ONE = np.asfortranarray(C[:, :1])


def several(x: Array, y: Array) -> Any:
    kept = x * 2
    turned = np.where(x > y, x, y), np.copy(x), np.zeros_like(y), np.asfortranarray(x)
    views = (x + y).T, (x - x.max()).swapaxes(0, 1), x.T, np.ones(x.shape, order="F")
    return [kept, kept, kept.T, kept.T + 1, x + y, *turned, *views]


def moved(x: Array, y: Array) -> Any:
    joined = np.concatenate([x, x + 1], axis=1), np.diff(y, axis=2)
    typed = np.concatenate([x, x + 1], axis=0, dtype=np.float64)
    flat = np.concatenate([x, y], axis=None)
    return [*joined, typed, flat, *np.gradient(x, axis=(0, 2))]


def joined(x: Array, y: Array) -> Any:
    along = [np.stack([x, y], axis) for axis in (0, 1, -1)]
    sides = np.hstack([x, y]), np.vstack([x, y]), np.dstack([x, y]), np.column_stack([x, y])
    flat = np.dstack([x[0], y[0]]), np.column_stack([x[0], y[0]]), np.dstack([x[0, 0], y[0, 0]])
    grown = np.append(x, y, axis=1), np.append(x, y), np.insert(x, 1, 0, axis=1)
    rolled = np.roll(x, 1, axis=0), np.roll(x, 2), np.roll(x, (1, 2), axis=(0, 2)), np.pad(x, 1)
    return [*along, *sides, *flat, *grown, *rolled, np.pad(x, 1, mode="edge"), np.insert(x, 1, 0)]


def products(x: Array, y: Array) -> Any:
    return (x[0] @ y[1].T).T, (x[0].T @ y[0]) + x[0].T @ x[1]


@pytest.mark.parametrize("function", [several, moved, joined, products])
@pytest.mark.parametrize(
    "x, y", [(C, F), (F, C), (F, F), (MIXED, MIXED), (C, C), (MIXED, F), (ONE, ONE)]
)
def test_results_lie_as_numpys_do(function: Callable[..., Any], x: Array, y: Array) -> None:
    jitted, wanted = mlc.jit(function), function(x, y)
    for _ in range(2):  # the first call goes through Python
        found = jitted(x, y)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.flags.c_contiguous == theirs.flags.c_contiguous
            assert ours.flags.f_contiguous == theirs.flags.f_contiguous
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert len({ours.ctypes.data for ours in found}) == len({*map(id, wanted)})


def across(x: Array) -> Any:
    x[0, 1] = 3
    places = np.argmax(x, axis=1), x.argmin(-1), np.argmax(x, 0), np.argmin(x, 1, keepdims=True)
    return *places, np.std(x, axis=1, ddof=1), x.var(axis=-1), np.var(x, 1), np.std(x, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool"])
def test_matrices_in_fortrans_order_are_read_as_they_lie(dtype: str) -> None:
    x = np.random.default_rng(1).integers(-9, 9, (40, 30)).astype(dtype)
    jitted = mlc.jit(across)
    for array in (x, np.asfortranarray(x), np.asfortranarray(x)[::2]):
        for found, wanted in zip(jitted(array.copy("K")), across(array.copy("K")), strict=True):
            assert found.dtype == wanted.dtype and found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
    for function in (np.argmax, np.std):
        jitted = mlc.jit(lambda x, function=function: function(x, axis=1))
        assert "permute" in jitted.lower(np.asfortranarray(x)).graph
        assert "permute" not in jitted.lower(x).graph


def test_large_results_and_trees() -> None:
    x = np.asfortranarray(np.arange(64.0 * 32).reshape(64, 32))
    jitted = mlc.jit(lambda x: {"a": x + 1, "b": (x.T, np.exp(x).T)})
    for _ in range(2):
        found = jitted(x)
        assert found["a"].flags.f_contiguous and found["a"].strides == x.strides
        assert found["b"][0].flags.c_contiguous and found["b"][1].flags.c_contiguous
        assert np.array_equal(found["a"], x + 1) and np.array_equal(found["b"][0], x.T)
    alone = mlc.jit(lambda x: x + 1)
    owned = [alone(x).flags.owndata for _ in range(10)]
    assert owned[-1] == is_native()  # else it is the view of an array in C's order
    for debug in (True, False):
        with mlc.config.override(debug=debug):
            result = alone(x)
            assert result.flags.f_contiguous and np.array_equal(result, x + 1)


@pytest.mark.parametrize(
    "out",
    [np.empty((5, 6)), np.empty((6, 5)).T, np.empty((10, 6))[::2], np.empty((6, 10)).T[::2]],
    ids=["C", "F", "rows", "columns"],
)
def test_out_may_lie_otherwise(out: Array) -> None:
    x = np.asfortranarray(np.arange(30.0).reshape(5, 6))
    double, both = mlc.jit(lambda x: x * 2), mlc.jit(lambda x: (x * 2, x.T * 3))
    for _ in range(2):
        out[...] = 0
        assert double(x, out=out) is out
        assert np.array_equal(out, x * 2)
        other = np.empty((6, 5))
        both(x, out=(out, other))
        assert np.array_equal(out, x * 2) and np.array_equal(other, x.T * 3)
    assert np.array_equal(double(x, out=x), np.arange(30.0).reshape(5, 6) * 2)


def test_kernels_follow_the_memory() -> None:
    x = np.asfortranarray(np.ones((40, 50)))
    program = str(mlc.jit(lambda x, y: np.exp(x) + y).lower(x, x).program)
    assert "[vi, vj] = T.exp(x[vj, vi]) + y[vj, vi]" in program


@pytest.mark.parametrize("order", ["C", "F", "K"])
def test_ufuncs_that_are_told_an_order(order: str) -> None:
    def told(x: Array, y: Array) -> Any:
        halves = np.modf(x, order=order)
        flat = np.add(x, y, order=order).reshape(-1)
        flat[0] = 9
        return np.multiply(x, y, dtype=np.float64, order=order), *halves, flat

    jitted, wanted = mlc.jit(told)(C, F), told(C, F)
    for ours, theirs in zip(jitted, wanted, strict=True):
        assert ours.strides == theirs.strides
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    with pytest.raises(mlc.UnsupportedError, match="order='A' cannot be traced; name 'C', 'F' or"):
        mlc.jit(lambda x: np.add(x, 1, order="A"))(F)


def test_the_device_of_arrays_is_the_cpu() -> None:
    moved = mlc.jit(lambda x: x.to_device(x.device) + 1)
    assert np.array_equal(moved(C), C + 1)
    with pytest.raises(mlc.UnsupportedError, match=r"x\.to_device\('gpu'\) cannot be traced"):
        mlc.jit(lambda x: x.to_device("gpu"))(C)
