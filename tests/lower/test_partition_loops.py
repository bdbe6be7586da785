"""Long bodies in vectors are not copied for their last lanes."""

import re

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


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(100_000,), (60, 317)])
def test_what_begins_anew_within_a_vector_is_loaded_in_order(dtype, shape):
    x = np.zeros(shape, dtype)
    widths = [(0, 0)] * (x.ndim - 1) + [(9, 5)]
    for f in (lambda x: np.roll(x, 7, -1), lambda x: np.pad(x, widths, mode="wrap")):
        text = mlc.jit(f).lower(x).llvm
        assert not [line for line in text.splitlines() if "call" in line and "gather" in line]
        assert not re.search(r"icmp \w+ <(32|64) x i64>", text)  # many lanes are told by one number


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("widths", [(1, 4), (4, 4), (5, 0), (70, 3), (130, 261)])
def test_mirrors_of_few_and_of_many_elements(widths, mode):
    for dtype in ("int8", "float64"):
        for n in (2, 5, 130):
            x = np.random.default_rng(0).integers(0, 99, (2, n)).astype(dtype)
            found = mlc.jit(lambda x: np.pad(x, ((0, 0), widths), mode=mode))(x)
            np.testing.assert_array_equal(found, np.pad(x, ((0, 0), widths), mode=mode))
