"""Texts that show traced values, and warnings under conditions on them."""

# ruff: noqa: UP031

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import mlc

X = np.array([1.0, 4.0, 9.0])


def checked(x: Any) -> Any:
    rest = 1.0 - np.dot(x, x)
    if rest > 0:
        raise ValueError("%5.2f%% of %s, %e, %*d" % (3.5, "all", rest, 4, len(x)))
    if rest < -1e9:
        raise ValueError("%(what)s of %(size)d is %(value)d" % {
            "what": "rest", "size": len(x), "value": rest})  # fmt: skip
    return x * rest


def test_values_in_errors_are_shown_as_str_shows_them() -> None:
    compiled = mlc.jit(checked)
    assert np.array_equal(compiled(X), checked(X))
    with pytest.raises(ValueError, match=r"^ 3.50% of all, traced float64\[\] \(.*\),    3$"):
        compiled(X / 100)
    with pytest.raises(ValueError, match=r"^rest of 3 is traced float64\[\] \("):
        compiled(X * 1e9)


def approached(x: Any, most: int) -> Any:
    root = x.copy()
    for n in range(most):
        before = root
        root = (root + x / root) / 2
        if np.any(np.isnan(root)):
            warnings.warn("not a number in iteration %d" % n, stacklevel=2)
            root = before
            break
    return root


def test_warnings_that_the_data_decide_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mlc.jit(approached)(X, 200)
        assert np.allclose(found, approached(X, 200))
        assert len(str(mlc.jit(approached).lower(X, 200).graph)) < 10_000  # the loop is native
    assert mlc.jit(approached)(X * np.nan, 200).shape == X.shape


def surely(x: Any) -> Any:
    warnings.warn("an old name, %d" % x.ndim, DeprecationWarning, stacklevel=2)
    return x + 1


def test_other_warnings_are_shown() -> None:
    with pytest.warns(DeprecationWarning, match="an old name, 1"):
        assert np.array_equal(mlc.jit(surely)(X), X + 1)


def named(x: Any, n: int) -> Any:
    return {"weight %d" % n: x * n}


def test_texts_of_numbers_among_the_arguments() -> None:
    assert list(mlc.jit(named)(X, 3)) == ["weight 3"]
