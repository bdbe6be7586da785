"""Loops that come back to the same elements run as loops over one period of them."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

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
