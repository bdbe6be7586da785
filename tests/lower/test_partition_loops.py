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


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(257,), (1000,), (5000,), (130, 131)])
def test_parts_that_end_within_a_vector(dtype, shape):
    """Conditions that hold for the first part of a loop, or for the last, or on quotients."""
    x = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    for f in (
        lambda x: np.concatenate([x, x]),
        lambda x: np.concatenate([x[:3], x, x[1:], x[::2]]),
        lambda x: np.roll(x, 7),
        lambda x: np.roll(x, -3, 0),
        lambda x: np.pad(x, 3),
    ):
        np.testing.assert_array_equal(mlc.jit(f)(x), f(x))


def test_most_of_a_rolled_array_is_loaded_in_order():
    x = np.zeros(100_000, np.uint8)
    text = mlc.jit(lambda x: np.roll(x, 7)).lower(x).llvm
    gathers = [n for n, line in enumerate(text.splitlines()) if "call" in line and "gather" in line]
    assert len(gathers) == 1  # for the vector in which the array begins anew
