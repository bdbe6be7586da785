"""Large results are written past the caches, whole lines at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target

FAR = host_target().past_bytes or 16 << 20
ROWS = FAR // 4096 + 3  # of 1024 float32

needs_lines = pytest.mark.skipif(
    not host_target().past_bytes, reason="vectors are shorter than cache lines"
)


def rows(n: int = ROWS, width: int = 1024) -> np.ndarray[Any, Any]:
    return np.arange(n * width, dtype=np.float32).reshape(n, width) % 1009 - 500


@needs_lines
def test_stores_pass_by_where_the_result_is_far() -> None:
    f = mlc.jit(lambda x: np.maximum(x, 0))
    text = f.lower(rows()).asm
    assert "vmovntps" in text
    assert "sfence" in text
    near = f.lower(rows(64)).asm
    assert "vmovnt" not in near
    assert "sfence" not in near


@needs_lines
@pytest.mark.parametrize(
    "f", [lambda x: x.sum(1), lambda x: np.add.outer(x[:, 0], x[0])[:64], lambda x: x[::-1, 0]]
)
def test_stores_of_small_results_do_not(f: Callable[..., Any]) -> None:
    assert "vmovnt" not in mlc.jit(f).lower(rows()).asm


@mlc.jit
def softened(x: Any, y: Any) -> Any:
    total = np.maximum(x, y) - x.mean(axis=-1, keepdims=True)
    return total * 0.5 + y


@pytest.mark.parametrize("width", [1024, 1021])
@pytest.mark.parametrize("begin", [0, 1, 4, 16])
def test_results_that_begin_anywhere(width: int, begin: int) -> None:
    x = rows(width=width)
    y = x[::-1].copy()
    place = np.zeros(x.size + 32, np.float32)
    first = -place.ctypes.data // 4 % 16 + begin
    out = place[first : first + x.size].reshape(x.shape)
    softened(x, y, out=out)
    expected = np.maximum(x, y) - x.mean(axis=-1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(out, expected * 0.5 + y, atol=1e-3)
    assert not place[:first].any()
    assert not place[first + x.size :].any()


def test_results_in_place_of_arguments() -> None:
    x = rows()
    expected = abs(x)
    abs_of = mlc.jit(lambda x: abs(x))
    abs_of(x, out=x)
    assert (x == expected).all()


@pytest.mark.parametrize("dtype", ["float64", "int32", "int8", "float16", "bool", "complex64"])
def test_results_of_every_width(dtype: str) -> None:
    size = 2 * FAR // np.dtype(dtype).itemsize // 2 + 77
    x = (np.arange(size) % 201 - 100).astype(dtype)
    f = mlc.jit(lambda x: x + x)
    assert (f(x) == x + x).all()


def test_what_is_read_again_by_the_same_kernel() -> None:
    x = rows()
    f = mlc.jit(lambda x: np.cumsum(np.abs(x), axis=0, dtype=np.float64))
    assert (f(x) == np.cumsum(np.abs(x), axis=0, dtype=np.float64)).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("ufunc", [np.add, np.maximum])
def test_running_totals(axis: int, ufunc: np.ufunc) -> None:
    x = rows(width=1037).astype(np.int32)
    f = mlc.jit(lambda x: ufunc.accumulate(x, axis=axis, dtype=np.int32))
    expected = ufunc.accumulate(x, axis=axis, dtype=np.int32)
    place = np.zeros(x.size + 2, np.int32)
    for out in (np.zeros_like(x), place[1:-1].reshape(x.shape)):
        f(x, out=out)
        assert (out == expected).all()
    assert not place[[0, -1]].any()
    text = f.lower(x).asm
    assert ("vmovnt" in text and "sfence" in text) == (host_target().past_bytes > 0)


def test_threads_see_what_others_stored() -> None:
    x = rows()

    def f(x: Any) -> Any:
        return np.abs(x) + 1.0, np.abs(x).max()

    results = mlc.jit(f)(x)
    assert (results[0] == np.abs(x) + 1.0).all()
    assert results[1] == np.abs(x).max()
    assert (mlc.jit(lambda y: y * 2)(results[0]) == 2 * results[0]).all()
