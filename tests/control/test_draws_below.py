"""Whole numbers below limits that the data say, and items of lists as long as they say."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.array([2.0, 1, 2, 0, 2, 5, 3])
MAKERS = (np.random.default_rng, np.random.RandomState, random.Random)


def whole(g: Any, low: Any, high: Any) -> Any:
    if isinstance(g, np.random.Generator):
        return g.integers(low, high)
    return g.randint(low, high) if isinstance(g, np.random.RandomState) else g.randrange(low, high)


def limits(x: Any, g: Any) -> Any:
    total = 0.0
    for i in range(60):
        total += whole(g, -int(x[i % 7]), int(x[(i + 1) % 7]) + 1) * (i + 1)
    return total


def one_of_one(x: Any, g: Any) -> Any:  # NumPy draws nothing where there is one number
    total = 0
    for v in x:
        total += whole(g, 3, 4 + int(v > 2))
    return total, whole(g, 0, int(x[3]) + 1)


def greedy(x: Any, g: Any) -> Any:
    taken = 0
    while taken < 30 and x.sum() < 60:
        best = [place for place, value in enumerate(x) if value == max(x)]
        place = g.choice(best)
        x[place] = (x[place] + taken) % 4 + 1
        taken += 1
    return taken, x


def some(x: Any, g: Any) -> Any:
    total = 0
    for i in range(40):
        total += g.choice(np.flatnonzero(x > i % 4))
    return total


def of_ranges(x: Any, g: Any) -> Any:
    total = 0
    for i in range(30):
        n = int(x[i % 7]) + 1
        total += g.choice(range(n)) + 100 * g.choice(range(n + 4, 1, -2))
    return total


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("function", [limits, one_of_one, greedy, some, of_ranges])
def test_numbers_are_those_of_the_libraries(
    make: Callable[..., Any], function: Callable[..., Any]
) -> None:
    theirs, ours = make(4), make(4)
    jitted = mlc.jit(function)
    for x in (X, X[::-1], X + 1):
        wanted, found = function(x.copy(), theirs), jitted(x.copy(), ours)
        np.testing.assert_equal(found, wanted)
        assert ours.random() == theirs.random()


def test_of_seeds_and_of_the_modules() -> None:
    def seeded(x: Any) -> Any:
        rng = np.random.default_rng(3)
        np.random.seed(5)
        return rng.integers(int(x.sum())), np.random.randint(int(x[0]), 9), rng.random()

    assert mlc.jit(seeded)(X) == seeded(X)

    def of_modules(x: Any) -> Any:
        return np.random.randint(int(x.sum())), random.randint(1, int(x[5]))

    drawn = []
    for function in (of_modules, mlc.jit(of_modules)):
        np.random.seed(7)
        random.seed(7)
        drawn.append((*function(X), np.random.rand(), random.random()))
    assert drawn[0] == drawn[1]
    assert list(map(type, drawn[0])) == list(map(type, drawn[1]))


@pytest.mark.parametrize("make", MAKERS)
def test_of_nothing(make: Callable[..., Any]) -> None:
    error = IndexError if make is random.Random else ValueError
    with pytest.raises(ValueError, match=r"high <= 0|empty range"):
        mlc.jit(lambda x, g: whole(g, 0, int(x[3])))(X, make(0))
    with pytest.raises(error, match=r"empty|no samples"):
        mlc.jit(lambda x, g: g.choice(np.flatnonzero(x > 9)))(X, make(0))
    with pytest.raises((ValueError, IndexError), match=r"empty"):
        mlc.jit(lambda x, g: g.choice(range(int(x[3]))))(X, make(0))


@pytest.mark.parametrize("options", [{"size": 2}, {"replace": False, "size": 2}, {"p": [0.5, 0.5]}])
def test_what_native_code_does_not_draw(options: dict[str, Any]) -> None:
    draw = lambda x: np.random.choice(range(int(x[0])), **options)
    with pytest.raises(mlc.UnsupportedError, match="draw one item at a time"):
        mlc.jit(draw)(X)


def test_limits_beyond_32_bits_are_refused() -> None:
    with pytest.raises(mlc.UnsupportedError, match="below 2\\*\\*32 - 1 alone"):
        mlc.jit(lambda x, g: g.integers(int(x[0]) << 40))(X, np.random.default_rng(0))


@pytest.mark.parametrize("make", MAKERS[:2])
@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.1), (1, 0.9), (10, 0.3), (40, 0.7), (5, 0.0), (0, 0.4), (7, 1.0)]
)
def test_successes_of_tries(make: Callable[..., Any], n: int, p: float) -> None:
    def tried(x: Any, g: Any) -> Any:
        total = 0
        for v in x:
            if v > 1:
                total += g.binomial(n, p)
        return total, g.binomial(n, p, size=3)

    theirs, ours = make(4), make(4)
    jitted = mlc.jit(tried)
    for _ in range(3):
        np.testing.assert_equal(jitted(X, ours), tried(X, theirs))
        assert ours.random() == theirs.random()


def test_numbers_among_the_arguments_are_asked_where_native_code_cannot_draw() -> None:
    def shorts(x: Any, g: Any, n: Any) -> Any:
        return x + g.integers(0, n, dtype=np.int16), g.integers(n)

    for make in (np.random.PCG64, np.random.MT19937):
        theirs, ours = (np.random.Generator(make(3)) for _ in range(2))
        jitted = mlc.jit(shorts)
        for n in (5, 9, 5):
            assert jitted(1.0, ours, n) == shorts(1.0, theirs, n)
