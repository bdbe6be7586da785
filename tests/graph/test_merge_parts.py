"""Parts that are one computation over several places become that computation over all of them."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

X = np.random.default_rng(0).standard_normal((211, 4))
MERGED = {
    "sums": lambda x: np.stack([x[:, 0] + 1, x[:, 1] + 1], -1),
    "every other": lambda x: np.stack([np.abs(x[:, 3]), np.abs(x[:, 1])], -1),
    "four": lambda x: np.stack([x[:, k] * x[:, 0] for k in range(4)], -1),
    "rows": lambda x: np.stack([x[0] * 2, x[1] * 2, x[2] * 2]),
}
APART = {
    "other numbers": lambda x: np.stack([x[:, 0] + 1, x[:, 1] + 2], -1),
    "other functions": lambda x: np.stack([np.abs(x[:, 0]), np.floor(x[:, 1])], -1),
    "other steps": lambda x: np.stack([x[:, 0] + 1, x[:, 1] + 1, x[:, 3] + 1], -1),
    "longer parts": lambda x: np.concatenate([x[:, :2] + 1, x[:, 2:3] + 1], -1),
    "conjugates": lambda x: np.stack([x[:, 0], -x[:, 1]], -1),
    "swapped": lambda x: np.stack([x[:, 0] - x[:, 1], x[:, 1] - x[:, 0]], -1) - x[:, 2:],
}


@pytest.mark.parametrize("name", [*MERGED, *APART])
def test_values_and_whether_places_are_chosen(name: str) -> None:
    function = {**MERGED, **APART}[name]
    compiled = mlc.jit(function)
    np.testing.assert_array_equal(compiled(X), function(X))
    if name != "swapped":
        assert ("T.select(v" in str(compiled.lower(X).program)) == (name in APART)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_sums_of_complex_numbers_are_sums_of_their_parts(dtype: type) -> None:
    z = (X + 1j * X[::-1]).astype(dtype)
    compiled = mlc.jit(lambda a, b: (a - b) * 3 + a)
    np.testing.assert_allclose(compiled(z, z[::-1]), (z - z[::-1]) * 3 + z, rtol=1e-6)
