"""``mlc.numpy`` on plain arrays: compiled and cached, or NumPy's own answer by a written rule."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import numpy as mnp

X = np.arange(12, dtype=np.float32).reshape(3, 4) - 3
I = np.array([[3, -1, 2], [0, 5, -7]], np.int16)
C = X + 1j


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    mnp.forget_fallbacks()
    yield
    mnp.forget_fallbacks()


COMPILED: dict[str, Callable[[Any], Any]] = {
    "two arrays": lambda m: m.add(X, X),
    "broadcast": lambda m: m.multiply(X, X[0]),
    "a float": lambda m: m.maximum(X, 0.5),
    "an integer": lambda m: m.add(I, 100),
    "a negative integer": lambda m: m.add(I, -100),
    "numbers alone": lambda m: m.exp(0.5),
    "a NumPy scalar": lambda m: m.add(X, np.float64(2)),
    "a list": lambda m: m.sin([1.0, 2.0]),
    "an option": lambda m: m.add(I, I, dtype=m.float64),
    "axis by name": lambda m: m.sum(X, axis=1, keepdims=True),
    "axis by place": lambda m: m.sum(X, 0),
    "axis of NumPy": lambda m: m.sum(X, axis=np.int64(1)),
    "all": lambda m: m.any(X > 100),
    "join": lambda m: m.concat([X, I[:, :1].repeat(2, 0)[:3] * 1.5], axis=1),
    "stack of numbers": lambda m: m.stack([X, X + 1]),
    "where": lambda m: m.where(X > 2, X, 0),
    "clip": lambda m: m.clip(X, 0, 2.5),
    "take": lambda m: m.take(X, [2, 0], axis=1),
    "matmul": lambda m: m.matmul(X, X.T),
    "tensordot": lambda m: m.tensordot(X, X, axes=([1], [1])),
    "einsum": lambda m: m.einsum("ij,kj->ik", X, X),
    "std": lambda m: m.std(X, axis=1, ddof=1),
    "roll": lambda m: m.roll(X, (1, 2), (0, 1)),
    "repeat": lambda m: m.repeat(X, 2, axis=1),
    "norm": lambda m: m.linalg.norm(X, axis=0),
    "reduce": lambda m: m.add.reduce(X, axis=1),
    "outer": lambda m: m.multiply.outer(X[0], X[1]),
    "bool and integer": lambda m: m.add(X > 1, 2),
    "transposed": lambda m: m.exp(X.T[::2]),
}
BY_NUMPY: dict[str, Callable[[Any], Any]] = {
    "complex": lambda m: m.exp(C),
    "complex sum": lambda m: m.sum(C, axis=0),
    "complex number": lambda m: m.add(X, 1j),
    "integer out of range": lambda m: m.less(I, 40000),
    "dates": lambda m: m.diff(np.array(["2020-01-01", "2020-01-03"], "M8[D]")),
    "masked": lambda m: m.sum(np.ma.masked_less(X, 0)),
    "foreign byte order": lambda m: m.add(X.astype(">f4"), 1.0),
}
PASSED_ON: dict[str, Callable[[Any], Any]] = {
    "unique": lambda m: m.unique([3, 1, 3]),
    "nonzero": lambda m: m.nonzero(X > 2)[1],
    "reshape": lambda m: m.reshape(X, (4, 3)),
    "linspace": lambda m: m.linspace(0, 1, 5),
    "isdtype": lambda m: m.isdtype(m.float32, "real floating"),
    "fft": lambda m: m.fft.fftfreq(5),
    "at": lambda m: _added_at(m),
}


def _added_at(m: Any) -> Any:
    total = np.zeros(3)
    m.add.at(total, [0, 0, 2], 1.5)
    return total


def _same(call: Callable[[Any], Any]) -> None:
    want = call(np)
    for _ in range(3):  # compiled, found again, found by the native entry
        got = call(mnp)
        assert type(got) is type(want)
        assert not hasattr(want, "dtype") or (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(got, want, rtol=1e-5) if want.__class__ is not bool else None
        assert got is want or not isinstance(want, bool)


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_call_gives_what_numpy_gives(name: str) -> None:
    _same(COMPILED[name])
    assert not mnp.fallbacks()


@pytest.mark.parametrize("name", BY_NUMPY)
def test_what_cannot_be_compiled_is_numpys_and_counted(name: str) -> None:
    call = BY_NUMPY[name]
    want, got = call(np), call(mnp)
    assert type(got) is type(want) and got.dtype == want.dtype
    assert np.array_equal(got, want)
    assert sum(mnp.fallbacks().values()) == 1


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_computes_nothing_or_has_no_operator_is_numpys(name: str) -> None:
    _same(PASSED_ON[name])


def test_errors_are_numpys_own() -> None:
    for call in (
        lambda m: m.add(X, np.ones(5)),
        lambda m: m.sum(X, axis=7),
        lambda m: m.add(np.uint8([1]), 300),
        lambda m: m.concatenate([X, X[0]]),
        lambda m: m.exp("text"),
    ):
        with pytest.raises(Exception) as ours:
            call(mnp)
        with pytest.raises(type(ours.value)) as theirs:
            call(np)
        assert str(ours.value) == str(theirs.value)


def test_views_stay_views() -> None:
    assert np.shares_memory(mnp.reshape(X, -1), X)
    assert np.shares_memory(mnp.permute_dims(X, (1, 0)), X)


def test_settings_are_compiled_in_and_numbers_are_not() -> None:
    from mlc.numpy import wrapping

    call = mnp.clip
    run = next(c.cell_contents for c in call.__closure__ if hasattr(c.cell_contents, "layouts"))
    before = len(run.layouts)
    for low in range(5):
        mnp.clip(X, low, 100.5)
    assert len(run.layouts) <= before + 1
    (layout,) = list(run.layouts.values())[-1:]
    assert len(layout.cache_info().rows) <= 2
    assert wrapping.wrapped(np.clip, "clip", "mlc.numpy") is call


def test_functions_are_found_by_pickle() -> None:
    for function in (mnp.abs, mnp.sum, mnp.unique, mnp.zeros, mnp.linalg.norm, mnp.astype):
        assert pickle.loads(pickle.dumps(function)) is function


def test_the_same_names_inside_a_jitted_function() -> None:
    @mlc.jit
    def f(x: Any) -> Any:
        return mnp.sum(mnp.exp(mnp.reshape(x, (4, 3))), axis=0) + mnp.unique([3, 1, 3])[1]

    np.testing.assert_allclose(f(X), np.exp(X.reshape(4, 3)).sum(axis=0) + 3, rtol=1e-5)
