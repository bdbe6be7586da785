"""Keywords that say what a function computes in: signatures, casts, dtypes of whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

CALLS: dict[str, Callable[[Any], Any]] = {
    "signature": lambda x: (np.add(x, 2, signature="dd->d"), np.less(x, 2, signature="dd->?")),
    "signature of dtypes": lambda x: np.sqrt(x, signature=(np.float64, None)),
    "signature of a number": lambda x: np.sqrt(0.5, signature="f->f") * x,
    "narrow signature": lambda x: np.add(x, x, sig="bb->b"),
    "unsafe signature": lambda x: np.add(x, x, sig="bb->b", casting="unsafe"),
    "joined": lambda x: np.concatenate([x, x], casting="no"),
    "joined safely": lambda x: np.concatenate([x, x], dtype=np.float32, casting="safe"),
    "joined as whole numbers": lambda x: np.vstack([x, x], dtype=np.int16),
    "joined unsafely": lambda x: np.stack([x, x], dtype=np.int16, casting="unsafe"),
    "variance": lambda x: (np.var(x, dtype=np.int32), np.var(x, dtype=np.int64, axis=0)),
    "sample variance": lambda x: np.var(x, dtype=np.int16, axis=1, keepdims=True, ddof=1),
    "deviation": lambda x: np.std(x, dtype=np.int32),
    "deviations": lambda x: np.std(x, dtype=np.int32, axis=0),
    "no differences": lambda x: np.diff(x, 0, prepend=0),
    "length of one number": lambda x: np.hypot.reduce(x[:1] - 3.0, axis=0),
    "all bits of nothing": lambda x: np.bitwise_and.reduce(x[:0].astype(np.uint16), axis=1),
    "common bits of no number": lambda x: np.bitwise_and.reduce(x[:0], axis=None),
    "common bits": lambda x: (
        np.bitwise_and.reduce(x.astype(np.uint8), axis=1),
        np.bitwise_and.reduce(x, axis=(1, 0), keepdims=True),
    ),
    "any bits": lambda x: (np.bitwise_or.reduce(x, dtype=np.int64), np.bitwise_or.reduce(x, ())),
    "keys in a list": lambda x: np.lexsort([x[0], x[1]]),
}


CASTS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "add a number": lambda x, y, **options: np.add(x, 1, **options),
    "add a float": lambda x, y, **options: np.add(1.5, x, **options),
    "root": lambda x, y, **options: np.sqrt(x, **options),
    "clip": lambda x, y, **options: np.clip(x, 0, y, **options),
    "clip by numbers": lambda x, y, **options: x.clip(-1, 2, **options),
    "clip by a float": lambda x, y, **options: np.clip(x, None, 2.5, **options),
    "clip from below": lambda x, y, **options: np.clip(x, 1, None, **options),
}


@pytest.mark.parametrize("casting", ["no", "equiv", "safe", "same_kind", "unsafe", "none"])
@pytest.mark.parametrize("name", CASTS)
def test_rules_of_casting(name: str, casting: Any) -> None:
    x = np.array([3, 0, 7, 1])
    for dtype in (None, np.float32, np.int64):
        function = lambda x, y: CASTS[name](x, y, casting=casting, dtype=dtype)
        for pair in ((np.int64, np.int64), (np.float32, np.float64), (np.uint8, np.int64)):
            check_against_numpy(function, *(x.astype(kind) for kind in pair))
    check_against_numpy(lambda x, y: np.add(x, y, casting=casting), x * 1j, x)


@pytest.mark.parametrize("name", CALLS)
def test_as_numpy_or_an_error_of_both(name: str) -> None:
    x = np.array([[1, 5, 2], [3, -4, 9]])
    for dtype in (np.int32, np.uint8, np.bool_, np.float32):
        check_against_numpy(CALLS[name], (x * 3).astype(dtype))


def test_products_with_large_numbers_wrap() -> None:
    x = np.array([2**62, 3, -5, -(2**63), 2**63 - 1])
    for times in (
        lambda x: x * 2**62 * 3,
        lambda x: x * 2**62 * 2 + x,
        lambda x: x * 2**62 + 2**62 + 2**62,
        lambda x: x * 3 * 2**62 - x,
    ):
        check_against_numpy(times, x)


def test_bits_are_combined_in_vectors() -> None:
    x = np.random.default_rng(3).integers(0, 99, (3, 4000), np.int16)
    for ufunc in (np.bitwise_or, np.bitwise_xor):
        jitted = mlc.jit(lambda x, u=ufunc: u.reduce(x, axis=1))
        assert np.array_equal(jitted(x), ufunc.reduce(x, axis=1))
        assert "T.vectorized" in str(jitted.lower(x).program)


@pytest.mark.parametrize(
    ("x", "bound", "high"),
    [
        (np.zeros(2, np.uint64), np.array([1.0, 3.0]), -1),
        (np.array([3, 200], np.uint8), np.array([500, 1]), 300),
        (np.array([-3, 100], np.int8), np.array([500, 1]), 200),
    ],
)
def test_python_integers_bound_in_the_dtype_of_the_other_bound(
    x: Any, bound: Any, high: int
) -> None:
    check_against_numpy(lambda x, bound: np.clip(x, bound, high), x, bound)
