"""``mlc.numpy``: NumPy's names inside and outside of jitted functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import numpy as mnp

X = np.arange(6, dtype=np.float32).reshape(2, 3)

CALLS = {
    "arange": lambda m: m.arange(2, 9, 3),
    "zeros": lambda m: m.zeros((2, 3), m.int32),
    "ones": lambda m: m.ones(4),
    "full": lambda m: m.full((2,), 7.5),
    "eye": lambda m: m.eye(3, 4, 1),
    "identity": lambda m: m.identity(2),
    "linspace": lambda m: m.linspace(0, 1, 5),
    "exp": lambda m: m.exp(X),
    "add": lambda m: m.add(X, 2),
    "sum": lambda m: m.sum(X, 1, keepdims=True),
    "var": lambda m: m.var(X, axis=0),
    "concatenate": lambda m: m.concatenate([X, X], axis=1),
    "where": lambda m: m.where(X > 2, X, 0),
    "norm": lambda m: m.linalg.norm(X),
    "constants": lambda m: m.full(2, m.pi) + m.e,
    "asarray": lambda m: m.asarray([[1, 2], [3, 4]]),
    "array": lambda m: m.array([1.5, 2], dtype=m.float32),
    "newaxis": lambda m: m.array([1, 2])[:, m.newaxis],
}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_inside_outside_and_in_numpy(name: str) -> None:
    want = CALLS[name](np)
    for got in (CALLS[name](mnp), mlc.jit(lambda: CALLS[name](mnp))()):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_arrays_made_inside_can_be_accumulated() -> None:
    @mlc.jit
    def total(x: Any) -> Any:
        out = mnp.zeros(3, x.dtype)
        for row in x:
            out += row
        return out, mnp.asarray([out, [1, 2, x[0, 0]]])

    plain, stacked = total(X)
    assert np.array_equal(plain, X.sum(axis=0))
    assert np.array_equal(stacked, [X.sum(axis=0), [1, 2, 0]])


def test_names_that_cannot_be_traced_say_so() -> None:
    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.jit(lambda x: mnp.union1d(x, x))(X)
    assert caught.value.message == (
        "np.union1d of traced values finds as much as the data decide, and shapes must be known "
        "while tracing; give size=, which leaves room for that many, or use np.where(mask, new, "
        "old)"
    )
    with pytest.raises(AttributeError, match="has no 'nothing', and NumPy has none either"):
        _ = mnp.nothing
    assert {"exp", "sum", "zeros", "asarray", "unique"} <= set(dir(mnp))


def test_a_new_array_is_a_copy() -> None:
    assert mnp.array(X) is not X and not np.shares_memory(mnp.array(X), X)
    assert mnp.asarray(X) is X
