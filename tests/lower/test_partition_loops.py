"""Long bodies in vectors are not copied for their last lanes."""

import numpy as np
import pytest

import mlc
from mlc.lower import partition_loops


def chain(x, y):
    x = np.maximum(x * 0.5 + y * 0.3, y - 1) - x * 0.125
    x = np.where(x > y, np.sqrt(np.abs(x)), x / 1.5)
    return x + np.exp(-(x * x)) * np.sin(y)


def padded(x, y):
    return np.pad(np.sqrt(x) * y + np.sin(x), 1) * 0.5


@pytest.mark.parametrize("shape", [(50, 50), (3, 203), (1, 17), (1001,)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_body_gives_the_bits_that_two_give(shape, dtype, monkeypatch):
    monkeypatch.setattr(mlc.config, "cache", False)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    rows = (rng.standard_normal((*shape[:-1], shape[-1] + 9)).astype(dtype))[..., 5:-4]
    made = []
    for long in (10, 10**9):
        monkeypatch.setattr(partition_loops, "_LONG", long)
        made.append([mlc.jit(chain)(x, y), mlc.jit(chain)(rows, y)])
    near = 8 * np.finfo(dtype).eps  # of terms around 1, which may cancel out
    np.testing.assert_allclose(made[0][0], chain(x, y), rtol=near, atol=near)
    assert [a.tobytes() for a in made[0]] == [a.tobytes() for a in made[1]]


def count(function, long, monkeypatch):
    monkeypatch.setattr(partition_loops, "_LONG", long)
    text = mlc.jit(function).lower(np.ones((50, 50)), np.ones((50, 50))).llvm
    return sum("call <" in line and "@llvm.sqrt.v" in line for line in text.splitlines())


def test_a_long_body_is_there_once(monkeypatch):
    assert (count(chain, 10, monkeypatch), count(chain, 10**9, monkeypatch)) == (1, 2)


def test_borders_are_cut_off_whatever_the_length(monkeypatch):
    assert count(padded, 10, monkeypatch) == count(padded, 10**9, monkeypatch)
