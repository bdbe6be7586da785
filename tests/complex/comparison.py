"""A function under ``mlc.jit`` against itself on NumPy's arrays: values, dtypes, writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import mlc


def flat(value: Any) -> list[Any]:
    """The arrays and numbers in nested lists and tuples."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [] if value is None else [value]


def check(function: Callable[..., Any], *arguments: Any, rtol: float | None = None) -> None:
    """``function`` must return and leave behind what it does without ``mlc.jit``."""
    plain, ours = ([a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
                   for _ in range(2))  # fmt: skip
    with np.errstate(all="ignore"):
        want = function(*plain)
    got = mlc.jit(function)(*ours)
    pairs = zip([*flat(got), *ours], [*flat(want), *plain], strict=True)
    for n, (g, w) in enumerate(pairs):
        assert type(g) is type(w) or isinstance(w, (bool, np.bool_)), (n, type(g), type(w))
        g, w = np.asarray(g), np.asarray(w)
        assert (g.dtype, g.shape) == (w.dtype, w.shape), n
        is_single = w.dtype.name in ("float32", "complex64")
        tolerance = rtol or (5e-5 if is_single else 1e-11)
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance, err_msg=f"result {n}")


def numbers(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray[Any, Any]:
    """Complex numbers around 0."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
