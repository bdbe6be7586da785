"""What NumPy answers by Python's own numbers and truth values is answered so while tracing, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(12.0)
M = X.reshape(3, 4)


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: np.array_equal(x, x),
        lambda x: np.array_equal(x, x + (x > 4)),
        lambda x: np.array_equal(x, x[1:]),
        lambda x: np.array_equal(x / x[0], x / x[0], equal_nan=True),
        lambda x: np.array_equal(x * 1j, x * 1j),
        lambda x: np.array_equiv(x, x[0]),
        lambda x: np.allclose(x, x + 1e-12),
        lambda x: np.allclose(x * 1j, x),
        lambda x: np.allclose(x, x + 1) + np.allclose(x, x),
        lambda x: -np.allclose(x, x),
        lambda x: np.allclose(x, x) * np.float32(2),
        lambda x: np.count_nonzero(x),
        lambda x: np.count_nonzero(x, axis=0),
        lambda x: (np.isscalar(x[0]), np.isscalar(x), np.ndim(x), np.size(x), np.size(x, 0)),
        lambda x: (np.iscomplexobj(x), np.isrealobj(x), np.iterable(x), len(x), x.nbytes),
        lambda x: 1 if np.array_equal(x, x) else 2,
        lambda x: not np.allclose(x, x),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_types_of_answers(ask: Callable[[Any], Any]) -> None:
    want, found = ask(X), mlc.jit(ask)(X)
    assert type(found) is type(want)
    np.testing.assert_array_equal(found, want)
