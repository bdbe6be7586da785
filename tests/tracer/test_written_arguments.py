"""A jitted function that writes to its arguments writes to the caller's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

OUTSIDE = np.zeros(3)


@mlc.jit
def step(u: Any, k: Any = 1.0) -> Any:
    u[1:-1] = (u[:-2] + u[2:]) * k


@mlc.jit
def add(a: Any, b: Any) -> Any:
    a += b
    return a


def test_the_caller_sees_writes_and_gets_the_same_object() -> None:
    a = np.arange(3.0)
    for n in range(1, 4):
        assert add(a, np.ones(3)) is a
        np.testing.assert_array_equal(a, np.arange(3.0) + n)
    assert step(a) is None


@pytest.mark.parametrize("part", [np.s_[::2], np.s_[::-1], np.s_[3:11]])
def test_strided_views(part: Any) -> None:
    mine, theirs = np.arange(20.0), np.arange(20.0)
    step(mine[part])
    step._function(theirs[part])
    np.testing.assert_array_equal(mine, theirs)


def test_trees_nested_calls_and_keywords() -> None:
    @mlc.jit
    def outer(state: Any, *, scale: Any) -> None:
        step(state["u"], k=scale)
        add(state["v"][0], state["u"])

    state = {"u": np.arange(4.0), "v": [np.zeros(4)]}
    outer(state, scale=2.0)
    np.testing.assert_array_equal(state["u"], [0, 4, 8, 3])
    np.testing.assert_array_equal(state["v"][0], [0, 4, 8, 3])


def test_old_values_returned_are_copies() -> None:
    @mlc.jit
    def swap(a: Any, b: Any) -> Any:
        old = a.copy()
        a[...] = b
        b[...] = old
        return old, a.copy()

    a, b = np.zeros(3), np.ones(3)
    old, new = swap(a, b)
    assert a.all() and not b.any() and not old.any() and new.all()
    assert old is not b and new is not a


def test_other_kinds_of_arrays_and_casting() -> None:
    data = bytearray(np.arange(4, dtype=np.float32).tobytes())
    floats = np.frombuffer(data, np.float32)
    add(floats, 0.5)
    assert np.frombuffer(data, np.float32)[0] == 0.5
    with pytest.raises(TypeError, match=r"Cannot cast np\.add output from"):
        add(np.zeros(3, int), 0.5)


def test_a_read_only_array_is_refused_before_anything_is_written() -> None:
    @mlc.jit
    def both(a: Any, b: Any) -> None:
        a += 1
        b += 1

    a, b = np.zeros(3), np.zeros(3)
    b.flags.writeable = False
    with pytest.raises(ValueError, match="assignment destination is read-only: argument b"):
        both(a, b)
    assert not a.any()


@pytest.mark.parametrize("pair", [lambda z: (z[:4], z[2:]), lambda z: (z, z)])
def test_arguments_that_overlap_are_refused_if_one_is_written(pair: Any) -> None:
    a, b = pair(np.ones(6))
    with pytest.raises(mlc.ArgumentError, match="arguments a and b share memory"):
        add(a, b)
    assert a.min() == b.max() == 1
    z = np.ones(6)
    add(z[:3], z[3:])
    np.testing.assert_array_equal(z, [2, 2, 2, 1, 1, 1])


def test_arrays_of_shape_nothing() -> None:
    a = np.array(1.0)
    add(a, 2.0)
    assert a == 3
    assert add(1.0, 2.0) == 3 and add(np.float64(1), 2.0) == 3


def test_what_nobody_would_see_is_refused() -> None:
    @mlc.jit
    def outside(x: Any) -> Any:
        OUTSIDE[0] = 4
        return x

    with pytest.raises(mlc.UnsupportedError, match="writes to OUTSIDE, an array from outside"):
        outside(np.ones(3))
    assert not OUTSIDE.any()


def test_memory_that_is_no_array_of_the_callers_is_refused() -> None:
    class Fresh:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.zeros(3)

    with pytest.raises(mlc.ArgumentError, match="is no array whose memory can be written"):
        add(Fresh(), 1.0)


def test_large_arrays_whose_old_elements_are_dead() -> None:
    @mlc.jit
    def fill(a: Any, b: Any, c: Any) -> Any:
        a[...] = c * 2
        b[:] = b[::-1] + c
        return a.sum()

    mine, theirs = (tuple(np.arange(3.0 * 8192).reshape(3, 8192)) for _ in range(2))
    for _ in range(2):
        assert fill(*mine) == fill._function(*theirs)
        for m, t in zip(mine, theirs):
            np.testing.assert_array_equal(m, t)
