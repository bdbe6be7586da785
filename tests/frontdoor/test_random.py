"""``mlc.random``: known answers, the same bits everywhere, and distributions as they should be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import random

KEY = random.key(2024)
N = 200_000

# Of the authors' reference implementation: key and counter, then the two words.
KNOWN = [
    ((0, 0), (0, 0), 0x6B20015999BA4EFE),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), 0x1CB996FCBB002BE7),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), 0xC4923A9C483DF7A0),
]


@pytest.mark.parametrize(("key", "counter", "want"), KNOWN)
def test_the_words_are_threefrys(key: Any, counter: Any, want: int) -> None:
    from mlc.ops.random import random_words

    found = random_words(np.array(key, np.uint32), counter[1], count=1, stream=counter[0])
    assert int(found[0]) == want


DRAWS = {
    "bits": lambda k, n: random.bits(k, n),
    "uniform": lambda k, n: random.uniform(k, n),
    "uniform float32": lambda k, n: random.uniform(k, n, np.float32, -1, 3),
    "normal": lambda k, n: random.normal(k, n),
    "normal float32": lambda k, n: random.normal(k, n, np.float32),
    "integers": lambda k, n: random.integers(k, -3, 12, n),
    "exponential": lambda k, n: random.exponential(k, n),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_inside_outside_for_any_size_and_number_of_threads(name: str) -> None:
    draw = DRAWS[name]
    want = draw(KEY, 70_001)
    before = mlc.get_num_threads()
    try:
        for threads in (1, 2):
            mlc.set_num_threads(threads)
            assert np.array_equal(draw(KEY, 70_001), want)
            assert np.array_equal(mlc.jit(lambda k: draw(k, 70_001))(KEY), want)
    finally:
        mlc.set_num_threads(before)
    assert np.array_equal(draw(KEY, 37), want[:37])
    assert not np.array_equal(draw(random.key(2025), 37), want[:37])


def _is_uniform(unit: Any) -> None:
    """The counts of 64 classes, within 5 deviations of chi-square; neighbours uncorrelated."""
    counts = np.histogram(unit, 64, (0, 1))[0]
    expected = len(unit) / 64
    assert abs(np.sum((counts - expected) ** 2 / expected) - 63) < 5 * math.sqrt(2 * 63)
    assert unit.min() >= 0 and unit.max() < 1
    assert abs(np.corrcoef(unit[:-1], unit[1:])[0, 1]) < 5 / math.sqrt(len(unit))


def test_uniform_numbers() -> None:
    for dtype in (np.float64, np.float32):
        found = random.uniform(KEY, N, dtype)
        assert found.dtype == dtype
        _is_uniform(found.astype(np.float64))
    low = random.uniform(KEY, (3, 4), np.float16, 2.0, 4.0)
    assert low.dtype == np.float16 and low.shape == (3, 4) and 2 <= low.min() <= low.max() <= 4


def test_every_bit_is_even() -> None:
    words = random.bits(KEY, N)
    for bit in range(64):
        share = np.mean((words >> np.uint64(bit)) & np.uint64(1))
        assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(N)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_normal_numbers(dtype: Any) -> None:
    found = random.normal(KEY, N, dtype)
    assert found.dtype == dtype and np.all(np.isfinite(found))
    as_unit = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in found[:50_000].tolist()])
    _is_uniform(as_unit)
    wide = found.astype(np.float64)
    assert abs(wide.mean()) < 5 / math.sqrt(N) and abs(wide.var() - 1) < 5 * math.sqrt(2 / N)
    assert abs(np.mean(wide**4) - 3) < 5 * math.sqrt(96 / N)
    moved = random.normal(KEY, N, dtype, 10.0, 0.5)
    np.testing.assert_allclose(moved, wide * 0.5 + 10, rtol=1e-5)


def test_exponential_numbers_and_coins() -> None:
    found = random.exponential(KEY, N, scale=2.0)
    _is_uniform(-np.expm1(-found / 2))
    coins = random.bernoulli(KEY, 0.3, N)
    assert coins.dtype == bool and abs(coins.mean() - 0.3) < 5 * math.sqrt(0.21 / N)


def test_integers() -> None:
    found = random.integers(KEY, -3, 12, N, np.int16)
    assert found.dtype == np.int16 and found.min() == -3 and found.max() == 11
    counts = np.bincount(found.astype(int) + 3)
    assert abs(np.sum((counts - N / 15) ** 2 / (N / 15)) - 14) < 5 * math.sqrt(28)
    whole = random.integers(KEY, -(2**63), 2**63 - 1, 1000)
    assert whole.min() < -(2**62) and whole.max() > 2**62
    assert random.integers(KEY, 5).shape == ()
    with pytest.raises(mlc.ArgumentError, match="integers: low is below high, got 3 and 3"):
        mlc.jit(lambda k: random.integers(k, 3, 3))(KEY)


def test_keys() -> None:
    parts = random.split(KEY, 1000)
    assert parts.shape == (1000, 2) and parts.dtype == np.uint32
    assert len({tuple(part) for part in parts.tolist()}) == 1000
    _is_uniform(np.array([random.uniform(part) for part in random.split(KEY, 640)]))
    folded = {tuple(random.fold_in(KEY, n).tolist()) for n in range(50)}
    assert len(folded) == 50 and not folded & {tuple(part) for part in parts.tolist()}
    assert random.key(-1).tolist() == [0xFFFFFFFF] * 2
    assert random.key(1 << 32).tolist() == [1, 0]
    traced = mlc.jit(lambda seed: random.key(seed))(np.int64(1 << 33 | 5))
    assert traced.tolist() == [2, 5]
    with pytest.raises(mlc.ArgumentError, match="a key is an array of two numbers of uint32"):
        random.uniform(np.zeros(3))


def test_permutations() -> None:
    found = random.permutation(KEY, np.arange(500))
    assert np.array_equal(np.sort(found), np.arange(500)) and not np.array_equal(
        found, np.arange(500)
    )
    rows = random.permutation(KEY, np.arange(12).reshape(3, 4), axis=1)
    assert np.array_equal(np.sort(rows, axis=1), np.arange(12).reshape(3, 4))
    first = [random.permutation(key, np.arange(4))[0] for key in random.split(KEY, 800)]
    assert np.all(np.abs(np.bincount(first) - 200) < 5 * math.sqrt(150))


def _walk(rng: Any, count: int) -> Any:
    steps = rng.normal(0.0, 1.0, (count, 3)) + rng.uniform(size=(count, 3))
    return np.cumsum(steps, axis=0), rng.integers(0, 9, 4), rng.permutation(5), rng.random()


def test_a_generator_draws_anew_each_time() -> None:
    rng = random.default_rng(3)
    assert not np.array_equal(rng.random(5), rng.random(5))
    assert [g.random() for g in rng.spawn(2)] != [g.random() for g in rng.spawn(2)]
    eager = _walk(random.Generator(KEY), 20)
    traced = mlc.jit(lambda key: _walk(random.Generator(key), 20))(KEY)
    for a, b in zip(eager, traced, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


def test_a_generator_from_outside_is_refused_inside() -> None:
    rng = random.Generator(1)
    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.jit(lambda x: x + rng.random())(1.0)
    assert caught.value.message == (
        "a random generator made outside of a jitted function would draw the same numbers at each "
        "call; pass a key (mlc.random.key, mlc.random.split) as an argument and make the generator "
        "inside: mlc.random.Generator(key)"
    )
