"""The CUDA C of default schedules, run on the processor: what comes out is what NumPy makes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import mlc

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="no C++ compiler"
)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer(x, w, b):
    return np.maximum(x @ w + b, 0)


def folds(x):
    return x.sum(), x.sum(0), x.max(1), x.argmax(1), x.mean()


def attention(x):
    return softmax(x @ np.swapaxes(x, 1, 2)) @ x


def turned(x):
    return x.T + 1, np.cumsum(x, 1)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (softmax, [(33, 70)]),
        (softmax, [(3, 1030)]),
        (layer, [(33, 21), (21, 35), (35,)]),
        (layer, [(64, 32), (32, 128), (128,)]),
        (folds, [(130, 70)]),
        (attention, [(2, 9, 10)]),
        (turned, [(33, 40)]),
    ],
)
def test_functions(function, shapes):
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    got, want = mlc.jit(function, target="cuda-emulated")(*arrays), function(*arrays)
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, want)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
