"""argmax and argmin of columns of arrays in memory: row by row, in parts, where extremes are rare
and where they are not."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.graph import search_columns

SHAPES = [((512, 32), 0), ((519, 77), 0), ((2, 600, 3, 41), 1), ((4100, 33), 0)]


def drawn(shape, axis, dtype, kind):
    rng = np.random.default_rng(11)
    x = np.abs(rng.normal(size=shape) * 1000) if dtype[0] == "u" else rng.normal(size=shape) * 1000
    x = x.astype(dtype)
    last = x.shape[axis] - 1
    rows = np.moveaxis(x, axis, 0)
    match kind:
        case "ties":
            x = (x // 400).astype(dtype)
        case "nan" if dtype[0] == "f":
            rows[rng.integers(0, last + 1, 40), ..., rng.integers(0, shape[-1], 40)] = np.nan
            rows[0, ..., 3] = rows[last, ..., 4] = rows[last, ..., -1] = np.nan
        case "least":
            x[...] = -np.inf if dtype[0] == "f" else np.iinfo(dtype).min
            rows[last, ..., 5] = 1
        case "growing":  # a new extreme in every row of some columns, in few rows of others
            rows[..., ::2] = np.sort(rows[..., ::2], 0)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64"])
@pytest.mark.parametrize("kind", ["ties", "nan", "least", "growing"])
def test_places_are_numpys(dtype, kind, monkeypatch):
    monkeypatch.setattr(search_columns, "PART", 1024)
    for shape, axis in SHAPES:
        x = drawn(shape, axis, dtype, kind)
        both = mlc.jit(lambda x, axis=axis: (np.argmax(x, axis), np.argmin(x, axis)))
        for fn, found in zip((np.argmax, np.argmin), both(x), strict=True):
            np.testing.assert_array_equal(found, fn(x, axis), err_msg=f"{shape}")


def test_an_intrinsic_where_the_array_is_in_memory():
    x = drawn((600, 70), 0, "float32", "ties")
    assert "argmax_columns" in mlc.jit(lambda x: x.argmax(0)).lower(x).llvm
    assert "argmax_columns" in mlc.jit(lambda x: x.argmax(0, keepdims=True)).lower(x).llvm
    assert "argmax_columns" not in mlc.jit(lambda x: (x * 2).argmax(0)).lower(x).llvm
    assert "argmax_columns" not in mlc.jit(lambda x: x.argmax(0)).lower(x[::2]).llvm
    kept = mlc.jit(lambda x: x.argmin(0, keepdims=True))(x)
    np.testing.assert_array_equal(kept, x.argmin(0, keepdims=True))


@pytest.mark.parametrize("target", ["interpret", "numpy"])
def test_the_meaning_is_what_native_code_does(target, monkeypatch):
    monkeypatch.setattr(search_columns, "ROWS", 8)
    monkeypatch.setattr(search_columns, "PART", 8)
    x = drawn((16, 35), 0, "float32", "nan")
    found = mlc.jit(lambda x: np.argmax(x, axis=0), target=target)(x)
    np.testing.assert_array_equal(found, np.argmax(x, axis=0))
