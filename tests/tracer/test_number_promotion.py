"""Where a Python number beside arrays promotes as a number, and where NumPy makes it an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "asarray": lambda n, x: np.asarray(n) + x,
    "asanyarray": lambda n, x: np.asanyarray(n) + x,
    "ascontiguousarray": lambda n, x: np.ascontiguousarray(n) + x[0],
    "atleast_1d": lambda n, x: np.atleast_1d(n) + x,
    "squeeze": lambda n, x: np.squeeze(n) + x,
    "transpose": lambda n, x: np.transpose(n) + x,
    "flip": lambda n, x: np.flip(n) + x,
    "clip of a number": lambda n, x: np.clip(n, x, x),
    "clip by a number": lambda n, x: np.clip(x, n, n),
    "append": lambda n, x: np.append(n, x),
    "r_": lambda n, x: np.r_[n, x],
    "c_": lambda n, x: np.c_[[n] * 4, x],
    "linspace": lambda n, x: np.linspace(n, x[3], 4),
    "polyval at a number": lambda n, x: np.polyval(x, n),
    "polyval by numbers": lambda n, x: np.polyval([n, n], x),
    "where": lambda n, x: np.where(x > 1, n, x),
    "dot": lambda n, x: np.dot(n, x),
    "outer": lambda n, x: np.outer(n, x),
    "add": lambda n, x: np.add(n, x),
    "add.outer": lambda n, x: np.add.outer(n, x),
}


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name: str, dtype: str) -> None:
    call, x = CALLS[name], np.arange(4).astype(dtype)
    for number in (3, 2.0):
        expected, found = call(number, x), mlc.jit(call)(number, x)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), number
        np.testing.assert_allclose(found, expected, rtol=1e-3 if dtype == "float16" else 1e-6)
