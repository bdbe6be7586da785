"""argmax and argmin of arrays in memory: rows of many lengths, parts of long rows, ties, NaN."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

SHAPES = [((64,), 0), ((5, 100), 1), ((3, 1000), -1), ((2, 131), 1), ((4, 10, 13), None)]
LONG = [((140_001,), 0), ((600, 517), None), ((2, 135_000), 1)]


def drawn(shape, dtype, kind):
    rng = np.random.default_rng(7)
    x = np.abs(rng.normal(size=shape) * 1000) if dtype[0] == "u" else rng.normal(size=shape) * 1000
    x = x.astype(dtype)
    if kind == "ties":
        x = (x // 400).astype(dtype)
    if kind == "nan" and dtype[0] == "f":
        x[rng.random(shape) < 0.01] = np.nan
    if kind == "least":
        x[...] = -np.inf if dtype[0] == "f" else np.iinfo(dtype).min
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64"])
@pytest.mark.parametrize("kind", ["ties", "nan", "least"])
def test_places_are_numpys(dtype, kind):
    for shape, axis in SHAPES:
        x = drawn(shape, dtype, kind)
        for fn in (np.argmax, np.argmin):
            found = mlc.jit(lambda x, fn=fn, axis=axis: fn(x, axis=axis, keepdims=True))(x)
            np.testing.assert_array_equal(found, fn(x, axis=axis, keepdims=True))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_narrow_integers_are_searched_in_one_pass(dtype):
    rng, info = np.random.default_rng(1), np.iinfo(dtype)
    for shape, axis in [
        ((64,), 0),
        ((5, 700), 1),
        ((3, 1025), -1),
        ((140_001,), 0),
        ((900, 200), 0),
    ]:
        few = rng.integers(0, 3, shape).astype(dtype)
        near = rng.integers(info.min + 1, info.max, shape).astype(dtype)
        for fn, last in ((np.argmax, info.max), (np.argmin, info.min)):
            compiled = mlc.jit(lambda x, fn=fn, axis=axis: fn(x, axis=axis))
            ends = near.copy()
            ends[..., -1] = last
            same = np.full(shape, info.min + info.max - last, dtype)
            for x in (few, near, ends, same, np.full(shape, last, dtype)):
                np.testing.assert_array_equal(compiled(x), fn(x, axis=axis))
            assert "intrinsic_arg" in compiled.lower(few).llvm


@pytest.mark.parametrize("n", [64, 65, 127, 256, 257, 500, 140_001])
def test_truth_values_are_searched_up_to_the_first(n):
    compiled = mlc.jit(lambda a: (np.argmax(a), np.argmin(a), np.argmax(a.reshape(1, -1), 1)))
    for base in (False, True):
        for places in ([], [0], [n - 1], [n // 2, n - 1], [1, 63], [n - 2, n - 1], [n // 3]):
            a = np.full(n, base)
            a[places] = not base
            found = compiled(a)
            assert found[:2] == (np.argmax(a), np.argmin(a))
            assert found[2].tolist() == [np.argmax(a)]
    assert "intrinsic_argmax_bool" in compiled.lower(a).llvm


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy", "cuda-emulated"])
def test_truth_values_that_are_computed(target):
    x = np.random.default_rng(3).normal(size=(5, 4, 70))
    x[2] = 9
    x[3] = -9

    def f(x):
        both = (x > 1) & (x < 2)
        return (x > 2).argmax(2), both.reshape(5, -1).argmin(1), (x > 3).argmax(), both

    found = mlc.jit(f, target=target)(x)
    for got, want in zip(found, f(x), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", ["ties", "nan", "least"])
@pytest.mark.parametrize(("shape", "axis"), LONG)
def test_long_rows_are_searched_in_parts(shape, axis, kind):
    x = drawn(shape, "float32", kind)
    found = mlc.jit(lambda x: (np.argmax(x, axis), np.argmin(x, axis)))(x)
    np.testing.assert_array_equal(found[0], np.argmax(x, axis))
    np.testing.assert_array_equal(found[1], np.argmin(x, axis))


def test_one_pass_by_an_intrinsic():
    x = drawn((8, 256), "float32", "ties")
    by_rows = mlc.jit(lambda x: np.argmax(x, axis=1)).lower(x)
    assert "intrinsic_argmax_float32_256_int32" in by_rows.llvm
    computed = mlc.jit(lambda x: np.argmax(x * 2, axis=1)).lower(x)
    assert "intrinsic_argmax" not in computed.llvm


@pytest.mark.parametrize("target", ["interpret", "numpy", "cuda-emulated"])
def test_other_targets(target):
    x = drawn((3, 70), "float32", "nan")
    found = mlc.jit(lambda x: np.argmax(x, axis=1), target=target)(x)
    np.testing.assert_array_equal(found, np.argmax(x, axis=1))


def test_searches_along_any_axis_that_lies_in_memory_in_order():
    x = np.random.default_rng(0).integers(0, 99, (3, 80, 90)).astype("float32")
    x[1, 5, 7] = np.nan
    for given in (x.transpose(2, 1, 0), x.transpose(1, 0, 2), x[:, ::-1], x[:, :, :70]):
        for axis in range(3):
            found = mlc.jit(lambda a, axis=axis: a.argmax(axis))(given)
            np.testing.assert_array_equal(found, given.argmax(axis))
