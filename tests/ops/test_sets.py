"""What the data choose: with room for it, on every backend; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
import mlc.numpy as mnp
from mlc.errors import ArgumentError, BoundsError, ShapeError, UnsupportedError
from mlc.testing import check_against_numpy

TARGETS = ("cpu", "interpret", "numpy")
RNG = np.random.default_rng(5)
X = RNG.integers(0, 6, (4, 5))
A, B = np.array([3, 1, 1, 7, 5]), np.array([1, 5, 9.0])


def same(function, want, *arrays, targets=TARGETS):
    want = want if isinstance(want, tuple) else (want,)
    for target in targets:
        got = mlc.jit(function, target=target)(*arrays)
        for found, wanted in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype


@pytest.mark.parametrize("x", [X, X.astype("float32"), np.where(X == 2, np.nan, X), X > 2])
def test_unique(x):
    want = np.unique(x, True, True, True)
    n = len(want[0])
    same(lambda x: mnp.unique(x, True, True, True, size=n), want, x)
    least = np.append(want[0], want[0][:1].repeat(2))
    same(lambda x: mnp.unique(x, size=n + 2), least, x, targets=TARGETS[:1])
    filled = np.append(want[0], np.ones(2, x.dtype))
    same(lambda x: mnp.unique(x, size=n + 2, fill_value=1), filled, x, targets=TARGETS[:1])


@pytest.mark.parametrize("dtype", ["int64", "float32", "bool", "complex128"])
def test_unique_along_an_axis(dtype):
    x = np.random.default_rng(1).integers(0, 2, (3, 30, 2)).astype(dtype)
    if dtype == "float32":
        x[1, [4, 9, 20], 0] = np.nan
        x[2, 3] = -0.0
    if dtype == "complex128":
        x[0, [2, 5, 11], 0] = [complex(np.nan, 1), complex(0, np.nan), 1j]
    for axis in (0, 1, -1):
        same(lambda x, axis=axis: np.unique(x, True, True, True, axis=axis),
             np.unique(x, True, True, True, axis=axis), x, targets=TARGETS[:1])  # fmt: skip
    wanted = np.unique(x[0], axis=0)
    n = len(wanted)
    filled = np.concatenate([wanted, np.full((2, 2), 1, x.dtype)])
    whole = lambda x: mnp.unique(x[0], axis=0, size=n + 2, fill_value=1)
    same(whole, filled, x, targets=TARGETS if dtype == "int64" else TARGETS[:1])


def rows_met(x):
    """As long as the data say, also inside of a loop."""
    total = 0.0
    for i in range(200):
        found, counts = np.unique(x[:, i % 3 :] // (i % 2 + 1), axis=0, return_counts=True)
        total += len(found) * counts.max() + found[0].sum()
    return total, np.unique(x[:0], axis=0).shape, np.unique(x[:, :0], axis=0)


def test_unique_rows_in_loops():
    found, want = mlc.jit(rows_met)(X), rows_met(X)
    assert found[:2] == want[:2]
    assert found[2].shape == want[2].shape


def test_unique_of_the_standard():
    x = np.array([2.0, np.nan, 2, np.nan])
    found = mlc.jit(lambda x: mnp.unique_all(x, size=3))(x)
    for got, want in zip(found, np.unique_all(x), strict=True):
        np.testing.assert_array_equal(got, want)
    values, counts = mlc.jit(lambda x: mnp.unique_counts(x, size=3))(x)
    np.testing.assert_array_equal(values, [2, np.nan, np.nan])
    np.testing.assert_array_equal(counts, [2, 1, 1])


def test_unique_of_much():
    x = RNG.integers(0, 1000, 30_000)
    want = np.unique(x, return_inverse=True, return_counts=True)
    got = mlc.jit(lambda x: mnp.unique(x, False, True, True, size=1000))(x)
    for found, wanted in zip(got, want, strict=True):
        np.testing.assert_array_equal(found[: len(wanted)], wanted)


@pytest.mark.parametrize("x", [X, X.astype("float32"), np.where(X == 2, np.nan, X)])
@pytest.mark.parametrize("tests", [[], [1, 3.5, np.nan], list(range(0, 60, 2))])
def test_isin(x, tests):
    same(lambda x: np.isin(x, tests), np.isin(x, tests), x)
    same(lambda x: np.isin(tests, x, invert=True), np.isin(tests, x, invert=True), x)


@pytest.mark.parametrize("kinds", [
    ("int32", "int32"), ("int64", "int32"), ("uint64", "uint64"), ("int8", "int8"),
    ("uint8", "int32"), ("uint64", "int64"), ("bool", "int32"), ("bool", "bool"),
])  # fmt: skip
@pytest.mark.parametrize("close", [True, False])
def test_isin_of_integers_close_together_and_far_apart(kinds, close):
    drawn = []
    for kind, count in zip(kinds, (600, 90), strict=True):
        ends = (0, 2) if kind == "bool" else (np.iinfo(kind).min, np.iinfo(kind).max)
        ends = (0, 100) if close and kind != "bool" else ends
        drawn.append(RNG.integers(*ends, count, dtype=kind))
    x, tests = drawn
    x[:200] = tests[RNG.integers(0, 90, 200)].astype(x.dtype)
    if not close:
        for array in drawn:
            info = None if array.dtype == bool else np.iinfo(array.dtype)
            array[-2:] = (False, True) if info is None else (info.min, info.max)
    x = x.reshape(6, 100).T
    np.testing.assert_array_equal(mlc.jit(np.isin)(x, tests), np.isin(x, tests))


@pytest.mark.parametrize("many", [0, 40])
def test_isin_of_integers_that_no_dtype_has_all_of(many):
    """A float64 of both would have 2**53 + 1 among [2**53], and 2**64 - 5 among [-5]."""
    x = np.array([2**53 + 1, 7, 2**63 + 5, 2**64 - 5, 2**63], np.uint64)
    tests = np.array([2**53, 7, -5, -(2**63), *range(2**53 + 9, 2**53 + 9 + many)], np.int64)
    same(lambda x, t: np.isin(x, t), np.array([False, True, False, False, False]), x, tests)
    same(lambda x, t: np.isin(t, x), tests == 7, x, tests)
    same(lambda x, t: np.isin(x, t.astype("int8")), x == 7, x, tests[:3])


def test_sets():
    same(lambda a, b: mnp.union1d(a, b, size=5), np.union1d(A, B), A, B)
    same(lambda a, b: mnp.intersect1d(a, b, size=2), np.intersect1d(A, B), A, B)
    same(lambda a, b: mnp.setdiff1d(a, b, size=2), np.setdiff1d(A, B), A, B)
    same(lambda a, b: mnp.setxor1d(a, b, size=3), np.setxor1d(A, B), A, B)
    same(lambda a, b: mnp.setdiff1d(a, b, size=3, fill_value=-1), np.array([3, 7, -1]), A, B)


def test_places_of_what_is_in_both():
    found = lambda a, b: np.intersect1d(a, b, return_indices=True)
    missing = np.array([np.nan, 5, 1, 5, np.nan])
    for a, b in ((A, B), (B, A), (X, A[:3]), (A, A[:0]), (A, B + 20), (missing, B), (A + 0j, B)):
        check_against_numpy(found, a, b)
    want = np.array([1, 5, -1]), np.array([1, 4, 0]), np.array([0, 1, 0])
    padded = lambda a, b: mnp.intersect1d(a, b, return_indices=True, size=3, fill_value=-1)
    same(padded, want, A, B.astype(int))


@pytest.mark.parametrize("mask", [X > 3, X % 3, np.zeros((3, 0)), np.zeros((2, 2, 2), bool)])
def test_places(mask):
    n = np.count_nonzero(mask)
    same(lambda m: mnp.nonzero(m, size=n), np.nonzero(mask), mask)
    same(lambda m: mnp.argwhere(m, size=n), np.argwhere(mask), mask)
    more = np.append(np.flatnonzero(mask), [-1, -1])
    same(lambda m: mnp.flatnonzero(m, size=n + 2, fill_value=-1), more, mask)


def test_extract_and_compress():
    mask = X > 3
    n = np.count_nonzero(mask)
    same(lambda m, x: mnp.extract(m, x, size=n), np.extract(mask, X), mask, X)
    rows = np.compress(mask[:, 0], X, axis=0)
    filled = np.concatenate([rows, np.full((4 - len(rows), 5), 9)])
    same(lambda m, x: mnp.compress(m[:, 0], x, axis=0, size=4, fill_value=9), filled, mask, X)


def test_compress_by_more_conditions_than_there_are_elements():
    same(lambda x: np.compress([0, 1, 1, 0, 0, 0], x, axis=0), X[1:3], X)
    with pytest.raises(mlc.BoundsError, match="index 5 is out of bounds for axis 0"):
        mlc.jit(lambda x: np.compress([0, 1, 1, 0, 0, 1], x, axis=0))(X)
    with pytest.raises(mlc.BoundsError, match="6 conditions for an axis of size 4"):
        mlc.jit(lambda c, x: mnp.compress(c, x, axis=0, size=2))(np.arange(6), X)


def test_known_arrays_need_no_size():
    known = np.array([1, 0, 2, 2])
    f = mlc.jit(lambda x: x[np.flatnonzero(known)] + len(np.unique(known)))
    np.testing.assert_array_equal(f(np.arange(4)), np.array([0, 2, 3]) + 3)


def in_a_loop(function):
    return lambda x: mlc.fori_loop(0, 9, lambda i, z: z + function(z).sum(), x)


def trimmed(x):
    return np.trim_zeros(x.ravel())


def test_refused():
    refused = [
        (in_a_loop(trimmed), UnsupportedError, r"np\.trim_zeros of traced values finds as"),
        (in_a_loop(trimmed), UnsupportedError, "give size=, which leaves room for that"),
        (lambda x: mnp.unique(x, size=2), BoundsError, "more is found than size=2 has room for"),
        (lambda x: mnp.nonzero(x, size=1), BoundsError, r"np\.nonzero: more is found than size=1"),
        (lambda x: mnp.unique(x, size=-1), ArgumentError, "size must be a number of elements, got"),
        (lambda x: mnp.unique(x, axis=0, size=1), BoundsError, "more is found than size=1 has"),
        (lambda x: mnp.compress(x, x, size=3), ShapeError, r"must be 1-d, got shape \(4, 5\)"),
    ]
    for function, error, sentence in refused:
        with pytest.raises(error, match=sentence):
            mlc.jit(function)(X)
