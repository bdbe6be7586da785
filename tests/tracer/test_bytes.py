"""``x.view(dtype)`` of traced arrays: the bytes as another dtype, shared with ``x``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = (np.arange(32, dtype=np.float32) - 3.3).reshape(4, 8)


def same(function: Callable[..., Any], x: Any) -> None:
    given, kept = x.copy(), x.copy()
    got, want = mlc.jit(function)(given), function(kept)
    np.testing.assert_array_equal(got, want)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize("dtype", ["i4", "u1", "f8", "u2", "f2", "i8", "f4", "i1"])
@pytest.mark.parametrize("source", ["f4", "i8", "u2"])
def test_bytes_are_numpys(source: str, dtype: str) -> None:
    same(lambda x: x.view(dtype), X.astype(source))


def test_without_a_dtype_it_is_the_array_itself() -> None:
    def write(x: Any) -> Any:
        x.view()[1:] = 7
        return x.view().sum()

    same(write, X)


def test_writes_go_through() -> None:
    def clear_signs(x: Any) -> Any:
        bits = x.view(np.uint32)
        bits[0] &= 0x7FFFFFFF
        x[1:3].view(np.uint16)[:, ::2] = 0
        return x * 2

    same(clear_signs, X)


def test_scalars_bools_and_pieces() -> None:
    same(lambda x: x.sum().view(np.int32), X.round())
    same(lambda x: (x > 0).view(np.uint8).sum(axis=0), X)
    same(lambda x: x[:, 2:4].view(np.int16), X)
    same(lambda x: x.view(np.uint8)[::-1].view(np.float32), X)


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (lambda x: x.T.view(np.int16), mlc.ShapeError, "the last axis must be contiguous"),
        (lambda x: x[0, 0].view(np.int16), mlc.ShapeError, "0d array"),
        (lambda x: x[:, :3].view(np.float64), mlc.ShapeError, "must be a divisor of the total"),
        (lambda x: x.view(bool), mlc.UnsupportedError, r"bytes other than 0 and 1 .* write x != 0"),
        (lambda x: x.view(np.complex64), mlc.UnsupportedError, r"write x\[\.\.\., ::2\] \+ 1j"),
    ],
)
def test_what_has_no_such_view(function: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        mlc.jit(function)(X)


def test_known_parts_as_another_dtype() -> None:
    def written(x: Any) -> Any:
        known = np.ones(10)
        part = known[1:3].view(np.uint8)
        part[:8] = 0
        whole = np.zeros((3, 4))
        bits = whole[0, 2:].view(np.uint64)
        bits[0] = x.view(np.uint64)[0]
        return part, known, whole, bits, known[2:4].view(np.complex128)

    x = np.array([1.5, 2.5])
    for got, want in zip(mlc.jit(written)(x), written(x)):
        np.testing.assert_array_equal(got, want, strict=True)
