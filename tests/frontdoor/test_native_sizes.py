"""Calls whose data choose sizes, or errors: native code looks at these itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.runtime import native_call

pytestmark = pytest.mark.skipif(
    not native_call.is_native(), reason="calls are not native on this platform"
)

X = np.array([1, -2, 3, -4, 5, 0], np.float32)
OTHER = np.array([1, 2, 3, -4, 5, 6], np.float32)


@pytest.fixture(autouse=True)
def reference() -> None:
    """No stand-in here: graphs are compiled."""
    mlc.eager._functions.clear()
    native_call.native_entry(build=True)


@contextmanager
def without_python(jitted: Any) -> Iterator[None]:
    """In which calls that native code does not take fail."""
    slow = jitted._slow
    jitted._slow = lambda *args, **kwargs: pytest.fail("the call went through Python")
    try:
        yield
    finally:
        jitted._slow = slow


def agree(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple):
        assert type(found) is tuple and len(found) == len(wanted)
        for one, other in zip(found, wanted):
            agree(one, other)
        return
    assert type(found) is type(wanted)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert np.array_equal(found, wanted)
    if isinstance(found, np.ndarray):
        assert found.base is None and found.flags.owndata and found.flags.writeable
        assert found.flags.c_contiguous and found.flags.f_contiguous == found.T.flags.c_contiguous


def positive(x: Any) -> Any:
    return x[x > 0]


def counted(x: Any) -> Any:
    held = x > 0
    return x[held] * 2, held.sum()


def places(x: Any) -> Any:
    return np.nonzero(x.reshape(2, 3) > 0)


def rows(x: Any) -> Any:
    return np.argwhere(x > 0)


def complex_part(x: Any) -> Any:
    z = x + 1j
    return z[x > 0]


def twice(x: Any) -> Any:
    y = x * 2
    n = (x > 0).sum()
    return y[:n], y


@pytest.mark.parametrize("function", [positive, counted, places, rows, complex_part])
def test_what_data_choose_is_native(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(function)
    jitted(X)
    with without_python(jitted):
        agree(jitted(X), function(X))
        agree(jitted(x=X), function(X))
    for array in (OTHER, -abs(X), abs(OTHER), X):  # others go to code for any number
        agree(jitted(array), function(array))
    with without_python(jitted):
        for array in (OTHER, -abs(X), abs(OTHER), X):
            agree(jitted(array), function(array))


def test_an_array_and_its_first_elements_are_both_returned() -> None:
    jitted = mlc.jit(twice)
    for array in (X, OTHER, -abs(X), X):
        for found, wanted in zip(jitted(array), twice(array)):
            assert np.array_equal(found, wanted)


def test_errors_that_data_choose_leave_native_calls() -> None:
    @mlc.jit
    def checked(x: Any) -> Any:
        if x.sum() > 10:
            raise ValueError("too much")
        return x + 1

    for _ in range(3):
        agree(checked(X), X + 1)
        with without_python(checked):
            agree(checked(X), X + 1)
        with pytest.raises(ValueError, match="too much"):
            checked(OTHER)


def test_one_size_at_a_time_is_tried() -> None:
    """Where there is code for each size alone, a call computes for two of them at most."""

    @mlc.jit
    def counts(x: Any) -> Any:
        return np.bincount(x)

    small, large = np.array([0, 1, 1]), np.array([5, 1, 1])
    for array in (small, large, large, small, small, large):
        agree(counts(array), np.bincount(array))
        with without_python(counts):
            agree(counts(array), np.bincount(array))
    admitted = [
        entry.guarded.is_admitted
        for known in counts._entries.values()
        for entry in known
        if entry.guarded is not None
    ]
    assert sorted(admitted) == [False, True]


def most_frequent(m: Any, y: Any) -> Any:
    out = np.zeros(60)
    for i in range(60):
        out[i] = np.bincount(y[m[i] > 0.5]).max()
    return out


def test_code_for_other_sizes_raises_nothing() -> None:
    jitted = mlc.jit(most_frequent)
    m = np.random.default_rng(1).random((60, 12))
    for most in (4, 9, 4, 30):
        y = np.arange(12) % most
        y[3] = most
        for _ in range(2):
            agree(jitted(m, y), most_frequent(m, y))


def test_results_go_to_arrays_of_the_caller() -> None:
    jitted = mlc.jit(positive)
    jitted(X)
    out = np.empty(3, np.float32)
    assert jitted(X, out=out) is out and np.array_equal(out, positive(X))
    with pytest.raises(mlc.ShapeError, match=r"out has shape \(3,\)"):
        jitted(OTHER, out=out)


def test_threads_choose_other_sizes() -> None:
    jitted = mlc.jit(positive)
    arrays = [np.roll(np.arange(900.0), n) - 9 * n for n in range(8)]
    wrong = []

    def work(start: int) -> None:
        for n in range(200):
            array = arrays[(start + n) % len(arrays)]
            if not np.array_equal(jitted(array), positive(array)):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
