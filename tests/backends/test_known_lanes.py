"""Elements at known distances are picked by shuffles, within what the vectors may read."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

FUNCTIONS = {
    "repeat 2": lambda x: np.repeat(x, 2),
    "repeat 3": lambda x: np.repeat(x, 3),
    "repeat 31": lambda x: np.repeat(x, 31),
    "repeat columns": lambda x: np.repeat(x[: len(x) // 8 * 8].reshape(-1, 8), 2, 1),
    "kron": lambda x: np.kron(x, np.arange(10).astype(x.dtype)),
    "short tiles": lambda x: np.tile(x[:7], 40),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", "bool"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_at_all_ends(name: str, dtype: str) -> None:
    function = FUNCTIONS[name]
    compiled = mlc.jit(function)
    for n in (997, 1024):
        x = (np.arange(n) % 7).astype(dtype)
        np.testing.assert_array_equal(compiled(x), function(x))


def test_a_repeated_row_is_not_gathered() -> None:
    text = str(mlc.jit(FUNCTIONS["repeat 3"]).lower(np.zeros(4096, np.float32)).llvm)
    assert "shufflevector" in text and "call <16 x float> @llvm.masked.gather" not in text
