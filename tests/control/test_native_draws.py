"""Random numbers that are drawn where the data decide: those that NumPy and Python would draw."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import call_trace
from mlc.tracer.function import trace_function

X = np.random.default_rng(0).random(30)


def of_generator(x: Any, rng: Any) -> Any:
    total = 0.0
    for v in x:
        if v > 0.5:
            total += rng.uniform(2.0, 3.0) * rng.integers(7) + rng.normal(1.0, 2.0)
    return total


def of_numpy(x: Any) -> Any:
    total = 0.0
    for v in x:
        if v > 0.5:
            total += np.random.rand() * np.random.randint(7) + np.random.randn()
    return total


def of_python(x: Any) -> Any:
    total = 0.0
    for v in x:
        if v > 0.5:
            total += random.random() * random.randint(1, 6) + random.choice([2, 5])
            total += random.gauss(0.0, 2.0)
    return total


def following() -> tuple[Any, ...]:
    return np.random.randn(), np.random.rand(), random.random(), random.gauss(0, 1)


def of_calls(function: Callable[..., Any], generators: tuple[Any, ...]) -> list[Any]:
    np.random.seed(3)
    random.seed(4)
    # One number is kept for the next call, as it may be for each of them.
    drawn = [np.random.randn(), random.gauss(0, 1)]
    drawn += [function(x, *generators) for x in (X, 1 - X, X)]
    return [*drawn, *following(), *(g.random() for g in generators)]


@pytest.mark.parametrize("function", [of_generator, of_numpy, of_python])
def test_under_conditions(function: Callable[..., Any]) -> None:
    def generators() -> tuple[Any, ...]:
        return (np.random.default_rng(5),) if function is of_generator else ()

    expected = of_calls(function, generators())
    found = of_calls(mlc.jit(function), generators())
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_the_data_decide_how_often() -> None:
    def walk(n: int) -> Any:
        place, steps = 0, 0
        while abs(place) < n:
            place += 1 if np.random.rand() < 0.5 else -1
            steps += 1
        return place, steps

    jitted = mlc.jit(walk)
    for seed in (1, 2):
        np.random.seed(seed)
        expected = walk(20), np.random.rand()
        np.random.seed(seed)
        assert (jitted(20), np.random.rand()) == expected


def metropolis(spins: Any, beta: float, steps: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    start = rng.permutation(4)
    n = len(spins)
    for _ in range(steps):
        i, j = rng.integers(n), rng.integers(n)
        around = spins[(i + 1) % n, j] + spins[i - 1, j] + spins[i, (j + 1) % n] + spins[i, j - 1]
        change = 2 * spins[i, j] * around
        if change <= 0 or rng.random() < math.exp(-beta * change):
            spins[i, j] *= -1
    return spins.sum(), start


def test_a_generator_made_in_the_function() -> None:
    spins = np.where(np.random.default_rng(1).random((6, 6)) > 0.5, 1, -1)
    mine, theirs = spins.copy(), spins.copy()
    total, start = metropolis(mine, 0.4, 200, 7)
    found, begun = mlc.jit(metropolis)(theirs, 0.4, 200, 7)
    assert found == total and begun.tolist() == start.tolist()
    np.testing.assert_array_equal(mine, theirs)


def test_seeds_and_arrays() -> None:
    def seeded(x: Any) -> Any:
        np.random.seed(11)
        before = np.random.rand(2)
        if x[0] > 0:
            return before[0] + np.random.rand(3, 2)
        return np.random.exponential(2.0, 6).reshape(3, 2)

    for x in (np.ones(2), -np.ones(2)):
        np.random.seed(1)
        expected = seeded(x), np.random.rand()
        np.random.seed(1)
        found = mlc.jit(seeded)(x), np.random.rand()
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-15)


@pytest.mark.parametrize("name", ["standard_normal", "standard_exponential"])
def test_the_rare_ways_of_the_ziggurat(name: str) -> None:
    def many(x: Any, rng: Any) -> Any:
        if x > 0:
            return getattr(rng, name)(40_000)
        return np.zeros(40_000)

    rng, twin = np.random.default_rng(2), np.random.default_rng(2)
    np.testing.assert_allclose(mlc.jit(many)(1.0, rng), many(1.0, twin), rtol=1e-14)
    assert rng.bit_generator.state == twin.bit_generator.state


def test_what_native_code_cannot_draw() -> None:
    @mlc.jit
    def unknown(x: Any, rng: Any) -> Any:
        total = 0.0
        for v in x:
            if v > 0.5:
                total += rng.beta(2.0, 3.0)
        return total

    with pytest.raises(
        mlc.UnsupportedError, match=r"drawn in a branch .* not what beta of PCG64 gives"
    ):
        unknown(X, np.random.default_rng(0))


def test_generators_of_a_known_seed_in_loops_with_break() -> None:
    def steps_to(x: Any) -> Any:
        rng = np.random.default_rng(3)
        place, steps = 0, 0
        for _ in range(500):
            if rng.random() < 0.1:
                place += 1
            if x[place] > 0.9:
                break
            steps += 1
        return place, steps

    jitted = mlc.jit(steps_to)
    for x in (X, 1 - X):
        assert jitted(x) == steps_to(x)


def orders_of_generator(x: Any, rng: Any) -> Any:
    orders, picked = np.zeros((12, 7), int), np.zeros((12, 4), int)
    for i in range(12):
        if x[i] > 0.5:
            orders[i] = rng.permutation(7)
            picked[i] = rng.choice(5, 4, replace=False)
    return orders, picked


def orders_of_numpy(x: Any) -> Any:
    y, picked = np.arange(9), np.zeros((12, 4), int)
    for i in range(12):
        if x[i] > 0.5:
            np.random.shuffle(y)
            picked[i] = np.random.choice(7, 4, replace=False)
    return y, picked


@pytest.mark.parametrize("function", [orders_of_generator, orders_of_numpy])
def test_orders_under_conditions(function: Callable[..., Any]) -> None:
    def called(run: Callable[..., Any]) -> list[Any]:
        np.random.seed(3)
        generators = (np.random.default_rng(5),) if function is orders_of_generator else ()
        parts = [part for x in (X, 1 - X) for part in run(x, *generators)]
        return [*parts, np.random.rand(), *(g.random() for g in generators)]

    for ours, theirs in zip(called(mlc.jit(function)), called(function), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each trace from here on."""
    traces: list[int] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        traces.append(1)
        return trace_function(*args, **kwargs)

    monkeypatch.setattr(call_trace, "trace_function", counting)
    return traces


def walked(x: Any, n: int) -> Any:
    if n < 1:
        raise ValueError("no steps")
    rng = np.random.default_rng()
    place = x + 0 * rng.random(x.shape)
    for _ in range(n):
        place = place * 0.5 + 1
    return place, rng.random()


def test_generators_of_no_seed_behind_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    traces, jitted = _counted(monkeypatch), mlc.jit(walked)
    first, second = jitted(np.ones(3), 50), jitted(np.ones(3), 50)
    np.testing.assert_allclose(first[0], walked(np.ones(3), 50)[0])
    assert first[1] != second[1] and len(traces) < 12
    with pytest.raises(ValueError, match="no steps"):
        jitted(np.ones(3), 0)


def test_generators_that_a_library_makes_behind_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    library: dict[str, Any] = {"make": np.random.default_rng}
    exec("def seeded():\n    return make(5)", library)  # without a source, it runs as it is

    def drawn(x: Any, n: int) -> Any:
        if n < 1:
            raise ValueError("no steps")
        return x + n + library["seeded"]().random(x.shape)

    traces = _counted(monkeypatch)
    np.testing.assert_array_equal(mlc.jit(drawn)(np.ones(3), 50), drawn(np.ones(3), 50))
    assert len(traces) < 12
