"""The CUDA C of default schedules, run on the processor: what comes out is what NumPy makes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.schedules.defaults.gpu import default_gpu_schedule

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


@pytest.mark.parametrize(("function", "shape", "kernels"), [
    (lambda x: np.sqrt((x * x).sum()), (300,), 1),
    (lambda x: np.sqrt((x * x).sum()) + 1, (100_000,), 2),  # parts, and the fold of those
    (lambda x: x.mean(0) * 2, (50, 65), 1),
    (lambda x: x.mean(0) * 2, (300, 65), 2),
    (lambda x: np.sqrt((x * x).sum(1)), (3, 65_000), 2),
])  # fmt: skip
def test_what_follows_a_fold_is_in_its_kernel(function, shape, kernels) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    jitted = mlc.jit(function, target="cuda-emulated")
    np.testing.assert_allclose(jitted(x), function(x), rtol=1e-4, atol=1e-6)
    assert len(jitted.lower(x).compiled.device_module.launches) == kernels


def test_what_follows_short_columns_may_read_others_of_them() -> None:
    x, k = te.placeholder((5, 6), name="x"), te.reduce_axis(5, "k")
    top = te.compute((6,), lambda i: te.max(x[k, i], axis=k), name="top")
    turned = te.compute((6,), lambda i: top[5 - i] * 2.0, name="turned")
    s = default_gpu_schedule(te.create_program([x, turned], "turned"))
    a, b = np.random.default_rng(0).standard_normal((5, 6), np.float32), np.zeros(6, np.float32)
    mlc.build(s, target="cuda-emulated")(a, b)
    np.testing.assert_array_equal(b, a.max(0)[::-1] * 2)
