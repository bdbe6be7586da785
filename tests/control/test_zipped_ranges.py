"""``zip`` and ``enumerate`` of ranges with traced bounds, in native loops."""

import numpy as np
import pytest

import mlc


def backwards(x):
    s = 0.0
    for i in mlc.range(len(x)):
        k = (x[i] * 10).astype(np.int64)
        for a, b in zip(range(k, -1, -1), range(i, -1, -1)):
            s += x[b] * a
    return s


def in_steps(x):
    s = 0.0
    for i in mlc.range(len(x)):
        k = (x[i] * 10).astype(np.int64)
        for j, a in enumerate(range(i, k, 2), 3):
            s += j * a
        for a, b in zip(range(k, i, -3), range(5)):
            s -= a * b
    return s


def beside_an_array(x):
    s = 0.0
    for i in mlc.range(len(x)):
        for a, b in zip(range((x[i] * 20).astype(np.int64)), x):
            if a > 7:
                break
            s += b * a
    return s


@pytest.mark.parametrize("f", [backwards, in_steps, beside_an_array])
def test_as_python_does_it(f):
    for seed in range(2):
        x = np.random.default_rng(seed).random(9)
        np.testing.assert_allclose(mlc.jit(f)(x), f(x), 1e-12)
