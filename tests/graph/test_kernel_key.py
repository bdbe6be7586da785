"""Kernels that differ in names alone are scheduled and lowered once."""

import numpy as np
import pytest

import mlc
from mlc import compile as compiling
from mlc.graph.kernel_key import kernel_key
from mlc.kernel_code import schedule_kernels
from mlc.native_text import native_text


def layers(x, w):
    for _ in range(4):
        x = np.maximum(x @ w, 0)
        x = x - x.mean(axis=0)
    return x


def sorts(x, w):
    a, b = np.sort(x, axis=0), np.sort(w, axis=0)
    return np.sort(np.sort(a, axis=1), axis=0) + np.sort(b, axis=1)


def rows(x, w):
    x[1] = x[2] * 0.5 + w[3].sum()
    x[2] = x[3] * 0.5 + w[3].sum()
    x[3] = x[1] * 0.25 + w[3].sum()
    return x


def constants(x, w):
    a = x @ np.arange(400.0).reshape(20, 20)
    b = a.T.copy() @ np.ones((20, 20))
    return np.maximum(b @ np.arange(400.0).reshape(20, 20), 0) @ w


def both(x, w):
    return x @ w, x @ (w * 2).sum(axis=0), (x @ w).sum(axis=0) @ w, w.T @ x


def compiled(function, monkeypatch, *shapes):
    made = []
    inner = compiling._compile_native
    monkeypatch.setattr(
        compiling, "_compile_native", lambda c, call: (made.append(c), inner(c, call))
    )
    arrays = [np.random.default_rng(n).random(shape) for n, shape in enumerate(shapes)]
    expected = function(*(array.copy() for array in arrays))
    found = mlc.jit(function)(*(array.copy() for array in arrays))
    several = isinstance(expected, tuple)
    for value, wanted in zip(*((found, expected) if several else ([found], [expected]))):
        np.testing.assert_allclose(value, wanted, rtol=1e-12)
    return made[-1]


@pytest.mark.parametrize("function", [layers, sorts, rows, constants, both])
def test_the_code_is_that_of_kernels_scheduled_one_by_one(function, monkeypatch):
    found = compiled(function, monkeypatch, (20, 20), (20, 20))
    shared = schedule_kernels(found.module.kernels)
    apart = native_text(found.module, found.kernels, debug=False)
    together = native_text(found.module, shared, debug=False)
    assert together.text == apart.text
    assert together.workspace == apart.workspace


def test_equal_kernels_are_scheduled_once(monkeypatch):
    found = compiled(layers, monkeypatch, (20, 20), (20, 20))
    codes = schedule_kernels(found.module.kernels)
    made = [code for code in codes if code.like is None]
    assert len(codes) >= 8
    assert len(made) <= 4
    assert {id(code.flat) for code in codes} == {id(code.flat) for code in made}


def test_keys_tell_apart_what_differs(monkeypatch):
    def keys(function, *shapes):
        return [kernel_key(k) for k in compiled(function, monkeypatch, *shapes).module.kernels]

    shape = (20, 20)
    assert keys(lambda x: x * 2.0, shape) == keys(lambda y: y * 2.0, shape)
    (a,), (b,), (c,), (d,) = (
        keys(lambda x: x * 2.0, shape),
        keys(lambda x: x * 3.0, shape),
        keys(lambda x: x + 2.0, shape),
        keys(lambda x: x * 2.0, (20, 21)),
    )
    assert len({a, b, c, d}) == 4
    (a,), (b,), (c,) = (
        keys(lambda x, y: x - y, shape, shape),
        keys(lambda x, y: y - x, shape, shape),
        keys(lambda x, y: x - x[::-1], shape, shape),
    )
    assert a != c
    assert b != c


def test_arrays_that_lie_otherwise_have_kernels_of_their_own():
    """The rows of the second argument are the columns of what it views."""
    x = np.random.default_rng(0).random((20, 20))
    y = np.random.default_rng(1).random((20, 20)).T

    def both_sorted(x, y):
        return np.sort(x, axis=1), np.sort(y, axis=1)

    for found, wanted in zip(mlc.jit(both_sorted)(x, y), both_sorted(x, y), strict=True):
        np.testing.assert_array_equal(found, wanted)
