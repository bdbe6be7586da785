"""Arrays made from nothing have NumPy's values, shapes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlc.errors import ArgumentError, ShapeError
from mlc.ops import create

from .harness import run

NAMES = ("arange", "linspace", "logspace", "eye", "identity", "tri", "zeros", "ones", "full")


def same(text: str, tolerance: float = 0.0) -> None:
    """``text`` means the same in NumPy and here."""
    want = eval(text, {name: getattr(np, name) for name in NAMES})
    got = run(lambda: eval(text, {name: getattr(create, name) for name in NAMES}), ())
    assert got.dtype == want.dtype and got.shape == want.shape, (got.dtype, got.shape)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=0)


@pytest.mark.parametrize(
    "text",
    [
        "arange(5)",
        "arange(2, 9)",
        "arange(9, 2, -2)",
        "arange(0)",
        "arange(5, 2)",
        "arange(2.5)",
        "arange(1, 2, 0.25)",
        "arange(5, dtype='uint8')",
        "arange(3, dtype='float16')",
        "arange(True)",
        "eye(3)",
        "eye(2, 4, 1)",
        "eye(4, k=-2, dtype='int32')",
        "eye(0)",
        "identity(2)",
        "tri(3)",
        "tri(2, 4, 1, 'bool')",
        "zeros(3)",
        "zeros((2, 0), 'int8')",
        "ones((), 'bool')",
        "full((2, 2), 7)",
        "full(3, 1.5)",
        "full(2, True)",
        "full(2, 7, 'float32')",
        "full((2, 3), [1, 2, 3])",
    ],
)
def test_exact(text: str) -> None:
    same(text)


@pytest.mark.parametrize(
    "text",
    [
        "arange(0, 1, 0.1)",
        "linspace(0, 1)",
        "linspace(-1, 5, 7)",
        "linspace(0, 1, 4, endpoint=False)",
        "linspace(2, 3, 1)",
        "linspace(2, 3, 0)",
        "linspace(0, 9, 4, dtype='int64')",
        "linspace(0, 1, 5, dtype='float32')",
        "logspace(0, 3, 4)",
        "logspace(0, 3, 4, base=2.0)",
    ],
)
def test_within_two_roundings(text: str) -> None:
    same(text, 8 * float(np.finfo("float32" if "float32" in text else "float64").eps))


def test_the_ends_of_linspace_are_exact() -> None:
    got = run(lambda: create.linspace(0.1, 0.7, 1001), ())
    assert got[0] == 0.1 and got[-1] == 0.7


def test_retstep() -> None:
    want, step = np.linspace(0, 2, 5, retstep=True)
    got, found = run(lambda x: create.linspace(x, 2.0, 5, retstep=True), (np.array(0.0),))
    np.testing.assert_array_equal(got, want)
    assert found == step


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda x: create.arange(x), ArgumentError, "must be Python numbers known while tracing"),
        (lambda x: create.zeros((2, -1)), ShapeError, "sizes must be >= 0, got (2, -1)"),
        (lambda x: create.zeros(x), ShapeError, "sizes are static"),
    ],
)
def test_refused(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        run(make, (np.array(3.0),))
    assert text in str(caught.value)
