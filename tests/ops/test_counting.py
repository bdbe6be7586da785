"""Counting: long arrays, what is refused while tracing and when data are met."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, DomainError, ShapeError, UnsupportedError

RNG = np.random.default_rng(5)


def test_long_arrays_are_counted_in_parts():
    x = RNG.integers(0, 50, 100_003)
    weights = RNG.integers(0, 9, x.shape).astype(float)
    got, sums = mlc.jit(lambda x, w: (np.bincount(x, minlength=50), np.bincount(x, w, 50)))(
        x, weights
    )
    np.testing.assert_array_equal(got, np.bincount(x, minlength=50))
    np.testing.assert_array_equal(sums, np.bincount(x, weights, 50))


def test_histogram_places_like_numpy():
    x = RNG.normal(size=50_000).astype("float32")
    for options in ({"bins": 37}, {"bins": 100, "range": (-1, 2)}, {"bins": np.linspace(-2, 1, 9)}):
        got, edges = mlc.jit(lambda x, o=options: np.histogram(x, **o))(x)
        np.testing.assert_allclose(edges, np.histogram(x, **options)[1], rtol=1e-5)
        np.testing.assert_array_equal(got, np.histogram(x, edges)[0])


def test_a_known_array_says_how_many():
    x = np.array([1, 4, 1])
    np.testing.assert_array_equal(mlc.jit(lambda y: np.bincount(x) + y)(0), np.bincount(x))


def test_places_outside_are_refused_when_met():
    f = mlc.jit(lambda x: np.bincount(x, minlength=3))
    np.testing.assert_array_equal(f(np.array([1, 2])), [0, 1, 1])
    for bad in (7, -7):
        sentence = rf"np\.bincount: {bad} is not in range\(3\), which minlength=3 says"
        with pytest.raises(DomainError, match=sentence):
            f(np.array([1, bad]))


def test_data_may_choose_the_least_length():
    def whole(x, labels):
        return np.bincount(x, minlength=labels.max() + 1)

    def in_a_loop(rows, labels):
        classes = labels.max() + 1
        best = np.empty(len(rows), dtype=labels.dtype)
        for i, row in enumerate(rows):
            nearest = np.argsort(np.abs(row - rows.sum()))[:3]
            votes = np.bincount(labels[nearest], weights=row[nearest], minlength=classes)
            best[i] = votes.argmax()
        return best

    f, g = mlc.jit(whole), mlc.jit(in_a_loop)
    x, rows = np.array([1, 2, 1, 0]), np.random.default_rng(0).random((12, 4))
    for labels in np.array([0, 1, 1, 0]), np.array([2, 4, 1, 0]), np.array([0, 0, 0, 0]):
        np.testing.assert_array_equal(f(x, labels), whole(x, labels))  # x may hold greater ones
        np.testing.assert_array_equal(g(rows, labels), in_a_loop(rows, labels))


def test_arrays_are_asked_once_for_their_greatest_element():
    def impurity(labels):
        if len(labels) == 0:
            return 0.0
        shares = np.bincount(labels, minlength=3) / len(labels)
        return 1 - (shares**2).sum()

    def of_all_splits(x, labels):
        total = 0.0
        for column in range(x.shape[1]):
            for threshold in x[:, column]:
                left = x[:, column] <= threshold
                total += impurity(labels[left]) + impurity(labels[~left])
        return total

    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 6, (20, 3)).astype(float), rng.integers(0, 3, 20)
    assert np.allclose(mlc.jit(of_all_splits)(x, labels), of_all_splits(x, labels))


def test_refused():
    x = np.zeros((3, 4))
    n = np.zeros(3, np.int64)
    refused = [
        (
            lambda n: mlc.fori_loop(0, 9, lambda i, z: z + np.bincount(z).sum(), n),
            n,
            UnsupportedError,
            "give minlength=, greater than every value",
        ),
        (
            lambda x: np.bincount(x, minlength=2),
            x[0],
            ArgumentError,
            "counts integers, got float64",
        ),
        (lambda x: np.bincount(x, minlength=2), x, ShapeError, r"1-d array, got shape \(3, 4\)"),
        (lambda x: np.histogram(x, "auto"), x, UnsupportedError, "give a number of bins, or their"),
        (lambda x: np.histogram(x, 0), x, DomainError, "bins must be a positive integer, got 0"),
        (lambda x: np.histogram(x, [1, 0]), x, ArgumentError, "bins must increase monotonically"),
        (
            lambda x: np.histogram(x, 3, (2, 1)),
            x,
            ArgumentError,
            r"range must be finite and rising",
        ),
    ]
    for function, argument, error, sentence in refused:
        with pytest.raises(error, match=sentence):
            mlc.jit(function)(argument)
