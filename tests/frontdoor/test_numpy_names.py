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
        mlc.jit(lambda x: mnp.histogramdd(x, 3))(X)
    assert caught.value.message == (
        "np.histogramdd cannot be traced: write it with np.searchsorted and np.bincount"
    )
    with pytest.raises(AttributeError, match="has no 'nothing', and NumPy has none either"):
        _ = mnp.nothing
    assert {"exp", "sum", "zeros", "asarray", "unique"} <= set(dir(mnp))


def test_a_new_array_is_a_copy() -> None:
    assert mnp.array(X) is not X and not np.shares_memory(mnp.array(X), X)
    assert mnp.asarray(X) is X


DATES = "busday_count busday_offset datetime_as_string is_busday isnat"


@pytest.mark.parametrize("module", [np, np.linalg, np.fft], ids=lambda m: m.__name__)
def test_every_function_is_traced_or_refused_with_a_reason(module: Any) -> None:
    from mlc.tracer.implementations import _HINTS, changes, is_supported

    missing = []
    for name in dir(module):
        if name.startswith("_") or name in {"in1d", "trapz", "row_stack"}:  # deprecated
            continue
        function = getattr(module, name)
        handed_over = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
        if handed_over and not is_supported(function) and function not in changes():
            missing.append(name)
    assert set(missing) <= _HINTS.keys() | set(DATES.split()), set(missing) - _HINTS.keys()


def test_questions_about_dtypes_and_shapes() -> None:
    def ask(x: Any) -> Any:
        path = np.einsum_path("ij,jk,kl->il", x, x.T, x)[0]
        assert path[0] == "einsum_path" and len(path) == 3
        assert np.can_cast(x, np.float64) and not np.can_cast(x, np.int32)
        assert np.common_type(x, x.astype(int)) is np.float64
        return x

    mlc.jit(ask)(X)
