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


def test_methods_that_arrays_do_not_have() -> None:
    ask = mlc.jit(
        lambda x: hasattr(x, "ptp") or hasattr(x, "newbyteorder") or hasattr(x, "tostring")
    )
    assert ask(X) is False
    with pytest.raises(AttributeError, match="no attribute 'ptp'"):
        mlc.jit(lambda x: x.ptp())(X)


def put(value: Any) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        x = x + 0
        x[2] = value
        return x

    return run


def counted_in_loop(x: Any) -> Any:
    total = np.zeros(4, np.int64)
    for row in x.reshape(-1, 2):
        total += np.bincount(row, minlength=4)
    return total


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (np.bincount, np.array([1, -1, 2])),
        (lambda x: np.bincount(x, minlength=3), np.array([1, -1, 2])),
        (counted_in_loop, np.tile([1, -1], 60)),
        (lambda x: np.linalg.norm(x, ord="zz"), M),
        (lambda x: np.linalg.norm(x, ord="fro"), X),
        (lambda x: np.linalg.norm(x, ord=3), M),
        (put("k"), X),
        (put("k"), X.astype(int)),
    ],
)
def test_what_numpy_refuses_by_value_errors(function: Callable[[Any], Any], x: Any) -> None:
    for f in (function, mlc.jit(function)):
        with pytest.raises(ValueError):
            f(x)


def test_texts_that_say_numbers_are_put_as_those() -> None:
    for text, x in (("3.5", X), ("7", X.astype(int))):
        np.testing.assert_array_equal(mlc.jit(put(text))(x), put(text)(x))
