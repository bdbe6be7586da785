"""Copies of arguments and arrays of one number are results that native code writes."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

X = np.arange(12, dtype=np.float32).reshape(3, 4)
ARRAYS = [X, X.T, X[::2], X[:, ::-1], X[:0], X.astype(np.float16), X > 3, X.astype(np.int8)]
COMPLEX = [X.astype(np.complex64), X * (1 + 2j)]
FUNCTIONS = [
    lambda a: a.copy(),
    lambda a: (a.copy(), a.copy()),
    lambda a: [a.copy(), np.full(5, -0.0), np.zeros((2, 3), np.int16), a],
    lambda a: (np.ones(3, bool), np.full(2, 2**64 - 1, np.uint64), np.full(2, -(2**63)), np.eye(3)),
    lambda a: (np.full(3, -0.0), np.full(3, 0.0), np.full(3, np.nan), np.zeros(0)),
    lambda a: {"one": a.copy(), "two": (np.full((2, 1), 7, np.float16), 3)},
]


def _leaves(tree):
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in _leaves(part)]
    return (
        [leaf for part in tree for leaf in _leaves(part)] if type(tree) in (list, tuple) else [tree]
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_are_those_of_numpy_and_arrays_of_their_own(function):
    for x in ARRAYS + COMPLEX:
        jitted = mlc.jit(function)
        for _ in range(2):
            found = jitted(x)
            assert type(found) is type(function(x))
            for a, b in zip(_leaves(found), _leaves(function(x)), strict=True):
                a, b = np.asarray(a), np.asarray(b)
                assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
                assert np.shares_memory(a, x) == np.shares_memory(b, x)
            for leaf in _leaves(found):  # what the caller does with them changes no later call
                if isinstance(leaf, np.ndarray) and not np.shares_memory(leaf, x):
                    leaf[...] = 0


@pytest.mark.parametrize("function", [FUNCTIONS[0], FUNCTIONS[1], lambda a: np.full(5, 2.5)])
def test_they_are_written_by_a_kernel(function):
    assert "store" in mlc.jit(function).lower(X).llvm


def test_out_may_share_memory_with_the_argument():
    x = np.arange(100, dtype=np.float32)
    mlc.jit(lambda a: a.copy())(x[:-1], out=x[1:])
    assert x.tolist() == [0, *range(99)]
