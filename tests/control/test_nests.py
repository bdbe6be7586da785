"""Reductions inside of loops: sums of several rows and columns stay in registers."""

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target


def windows(x, w):
    k, rows = w.shape[0], x.shape[1] - w.shape[0] + 1
    out = np.empty((x.shape[0], rows, rows, w.shape[3]), x.dtype)
    for i in range(rows):
        for j in range(rows):
            part = x[:, i : i + k, j : j + k, :, np.newaxis] * w[np.newaxis]
            out[:, i, j, :] = np.sum(part, axis=(1, 2, 3))
    return out


def greatest(x, w):
    out = np.zeros((x.shape[1], x.shape[2], w.shape[3]), x.dtype)
    for i in range(x.shape[1]):
        out[i] = np.max(x[0, i, :, :, np.newaxis] * w[0, 0], axis=1)
    return out


@pytest.mark.parametrize("f", [windows, greatest])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize(("batch", "outputs"), [(8, 16), (6, 32), (7, 24), (3, 5)])
def test_as_numpy(f, dtype, batch, outputs):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (batch, 9, 9, 3)).astype(dtype)
    w = rng.integers(-9, 9, (3, 3, 3, outputs)).astype(dtype)
    np.testing.assert_array_equal(mlc.jit(f)(x, w), f(x, w))


def test_sums_stay_in_registers():
    x, w = np.ones((8, 12, 12, 3), np.float32), np.ones((3, 3, 3, 16), np.float32)
    text = str(mlc.jit(windows).lower(x, w).program)
    rows = 8 if host_target().vector_bits >= 512 else 4  # as many as registers hold
    assert f"for u in T.unrolled({rows}):" in text
