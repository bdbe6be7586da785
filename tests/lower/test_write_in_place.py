"""Rows that wait for a number of their own: kept in the result where nothing else is there."""

import re

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target

ROW = 1501


def exps(x):
    return np.exp(x - x.max(axis=-1, keepdims=True))


def softmax(x):
    e = exps(x)
    return e / e.sum(axis=-1, keepdims=True)


def backwards(x):
    e = exps(x)
    return e[..., ::-1] / e.sum(axis=-1, keepdims=True)


def shifted(x):
    e = exps(x)
    return np.roll(e, 1, axis=-1) / e.sum(axis=-1, keepdims=True)


def twice(x):
    e = exps(x)
    part = e / e.sum(axis=-1, keepdims=True)
    return part, (part * e).sum(axis=-1)


def both(x):
    e = exps(x)
    return e, e / e.sum(axis=-1, keepdims=True)


def narrowed(x):
    e = exps(x)
    return (e / e.sum(axis=-1, keepdims=True)).astype(np.float16)


def normal(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)


def lower_half(x):
    e = exps(x)
    return np.tril(e / e.sum(axis=-1, keepdims=True))


def longest_row(f, x):
    """Bytes of the largest array on the stack of what is compiled of ``f``."""
    sizes = re.findall(r"alloca \[(\d+) x (\w+)\]", f.lower(x).llvm)
    return max((int(n) * {"float": 4, "double": 8, "i8": 1}.get(t, 4) for n, t in sizes), default=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7, ROW), (3, 4, ROW), (1, ROW), (ROW,), (2, 3, 5, 1024)])
@pytest.mark.parametrize(
    "function", [softmax, backwards, shifted, twice, both, narrowed, normal, lower_half]
)
def test_what_rows_hold(function, shape, dtype) -> None:
    x = np.random.default_rng(5).standard_normal(shape).astype(dtype)
    bits = 1e-3 if function is narrowed else 64 * np.finfo(dtype).eps
    made, expected = mlc.jit(function)(x), function(x.astype(np.float64))
    for a, b in zip(made, expected) if isinstance(made, tuple) else [(made, expected)]:
        np.testing.assert_allclose(a, b, rtol=bits, atol=bits)


def test_a_row_is_kept_in_the_result() -> None:
    x = np.random.default_rng(6).standard_normal((9, ROW)).astype(np.float32)
    assert longest_row(mlc.jit(softmax), x) < x[0].nbytes
    several = np.random.default_rng(6).standard_normal((6, 60, 1024)).astype(np.float32)
    assert longest_row(mlc.jit(softmax), several) < several[0, 0].nbytes
    for function in (backwards, shifted, narrowed):
        assert longest_row(mlc.jit(function), several) >= several[0, 0].nbytes, function.__name__
        assert longest_row(mlc.jit(function), x) >= x[0].nbytes, function.__name__


def test_results_that_pass_the_caches_take_rows_from_the_stack() -> None:
    target = host_target()
    if not target.past_bytes:
        pytest.skip("no result passes the caches here")
    x = np.broadcast_to(np.float32(0), (target.past_bytes // (4 * ROW) + 1, ROW))
    assert longest_row(mlc.jit(softmax), x) >= 4 * ROW


def test_the_argument_may_be_the_place_for_the_result() -> None:
    x = np.random.default_rng(7).standard_normal((9, ROW)).astype(np.float32)
    expected = mlc.jit(softmax)(x)
    mlc.jit(softmax)(x, out=x)
    np.testing.assert_array_equal(x, expected)
