"""Loops that come back to the same elements run as loops over one period of them."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target

FUNCTIONS = {
    "tile": lambda x: np.tile(x, 3),
    "tile rows": lambda x: np.tile(x.reshape(4, -1), (2, 2)),
    "kron": lambda x: np.kron(x, x[::-1]),
    "columns in turn": lambda x: np.multiply.outer(x, x).T.ravel(),
}


@pytest.mark.parametrize("n", [100, 128, 132])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_periods_hold_what_numpy_says(name: str, n: int) -> None:
    x = np.arange(n, dtype=np.float32) % 61
    np.testing.assert_array_equal(mlc.jit(FUNCTIONS[name])(x), FUNCTIONS[name](x))


def test_the_index_within_a_period_is_a_loop() -> None:
    lowered = mlc.jit(FUNCTIONS["tile"]).lower(np.zeros(1024, np.float32))
    assert "s.split(i, [None, 1024])" in str(lowered.schedule)
    assert "rem" not in str(lowered.llvm) and "gather" not in str(lowered.llvm)


@pytest.mark.parametrize("m", [9, 10, 14, 20, 30])
def test_periods_that_fill_vectors_but_partly(m: int) -> None:
    f = mlc.jit(lambda a, b: np.kron(a, b))
    x, y = (np.arange(n * n, dtype=np.float32).reshape(n, n) % 61 for n in (19, m))
    np.testing.assert_array_equal(f(x, y), np.kron(x, y))
    if host_target().lanes(4) <= 16:
        assert f"[None, {m}])" in str(f.lower(x, y).schedule)


SHORT = {
    "pairs": lambda x: np.stack([x, x[::-1]], -1),
    "triples": lambda x: np.stack([x, x + 1, x * 2], -1),
    "pairs beside pairs": lambda x: np.concatenate([x[:300].reshape(-1, 2)] * 2, 1),
    "a column beside": lambda x: np.concatenate([x[:999].reshape(-1, 3), x[:333, None]], 1),
    "columns": lambda x: np.concatenate([x[:, None], x[::-1, None]], 1),
    "chosen": lambda x: np.where(np.arange(5) % 2 == 0, x[:, None], 3),
    "turned": lambda x: np.stack([x, x[::-1]]).T.copy(),
    "seven": lambda x: np.stack([x + k for k in range(7)], -1),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", "bool"])
@pytest.mark.parametrize("name", SHORT)
def test_short_rows_hold_what_numpy_says(name: str, dtype: str) -> None:
    for n in (1001, 1024):
        x = (np.arange(n) % 61 % 2).astype(dtype) if dtype == "bool" else np.arange(n).astype(dtype)
        np.testing.assert_array_equal(mlc.jit(SHORT[name])(x), SHORT[name](x))


def test_short_rows_are_no_loop_of_their_own() -> None:
    lowered = mlc.jit(SHORT["triples"]).lower(np.zeros(4096, np.float32))
    lanes = host_target().lanes(4)
    assert f"s.split(ij, [None, 3, {lanes}])" in str(lowered.schedule)
    assert "gather" not in str(lowered.llvm)
