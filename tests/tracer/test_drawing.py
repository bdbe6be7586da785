"""Random numbers drawn in traced functions: those of NumPy's own streams, at each call."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(6.0)


def in_place(x: Any) -> Any:
    w = np.random.uniform(-1, 1, 6)
    w -= x
    w[0] = x.sum()
    return w


def of_a_generator(x: Any) -> Any:
    w = np.random.default_rng(0).normal(size=6)
    w += x
    return w


def of_a_new_generator(x: Any) -> Any:
    return x + 0 * np.random.default_rng().normal(size=6)


def orders(x: Any) -> Any:
    order = np.arange(6)
    np.random.shuffle(order)
    np.random.shuffle(x)
    rows = np.random.permutation(x.reshape(3, 2))
    return x[order] + np.random.permutation(x), rows, np.random.choice(x, 2)


def seeded(x: Any) -> Any:
    np.random.seed(4)
    return x + np.random.rand(6) * np.random.randn(6)


def seeded_loop(x: Any) -> Any:
    np.random.seed(4)
    total = 0.0
    for i in range(300):
        total += np.random.randn() * x[i % 6]
    return total + np.random.rand()


def loops_in_turn(x: Any) -> Any:
    rng = np.random.default_rng(4)
    out = np.zeros((2, 50))
    for i in range(50):
        out[0, i] = rng.uniform() * x[1]
    for i in range(50):
        out[1, i] = rng.uniform()
    return out


def state_put_back(x: Any) -> Any:
    state = np.random.get_state()
    np.random.seed(1)
    noise = np.random.rand(6)
    np.random.set_state(state)
    return x * noise


def monte_carlo(x: Any) -> Any:
    inside = 0
    for _ in range(2000):
        a, b = np.random.rand(), np.random.rand()
        if a * a + b * b <= x[1]:
            inside += 1
    return 4 * inside / 2000


def metropolis(x: Any) -> Any:
    at, accepted = 0.0, 0
    for _ in range(300):
        other = at + np.random.randn()
        if np.random.rand() < np.exp((at * at - other * other) * x[1]):
            at = other
            accepted += 1
    return at + accepted


def nested(x: Any) -> Any:
    out = np.zeros((20, 20))
    for i in range(20):
        start = np.random.rand()
        for j in range(20):
            out[i, j] = start + np.random.randn() * x[2]
    return out


def only_where_asked(x: Any) -> Any:
    total = x.sum()
    for _ in range(8):
        step = np.random.randn() * x[1]
        if step < 0 or np.random.rand() < np.exp(-step):
            total = total + step
    return total


def scaled(x: Any) -> Any:
    return np.random.normal(x.mean(), x.std(), 3) + np.random.uniform(x[0], x[5])


def by_probability(x: Any) -> Any:
    return np.random.choice(6, 4, p=x / x.sum()) + np.random.choice([10, 20], 4)


def by_size(x: Any) -> Any:
    return np.zeros(np.random.randint(1, 5)).sum() + x[np.random.rand(6) > 0.5].sum()


def of_the_library(x: Any) -> Any:
    total = x[0]
    for _ in range(200):
        total = total + random.random() * x[1] + random.uniform(0, 2)
    return total + random.randint(0, 9)


def of_a_list(x: Any) -> Any:
    items = [1, 2, 3, 4]
    random.shuffle(items)
    return x * items[0] + random.choice(items)


def by_name(x: Any) -> Any:
    return x + 1 if np.random.choice(["add", "keep"]) == "add" else x * 1


PROGRAMS = [
    in_place, of_a_generator, of_a_new_generator, orders, seeded, seeded_loop, loops_in_turn,
    state_put_back, monte_carlo, metropolis, nested, only_where_asked, scaled, by_probability,
    by_size, of_the_library, of_a_list, by_name,
]  # fmt: skip


def _three_calls(function: Callable[[Any], Any]) -> list[Any]:
    """Three calls, and what the generators give after them."""
    np.random.seed(3)
    random.seed(3)
    return [function(X.copy()) for _ in range(3)] + [np.random.rand(), random.random()]


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_the_streams_are_those_of_numpy(function: Callable[[Any], Any]) -> None:
    for got, want in zip(_three_calls(mlc.jit(function)), _three_calls(function), strict=True):
        for mine, theirs in zip(*((v if type(v) is tuple else (v,)) for v in (got, want))):
            assert type(mine) is type(theirs)
            np.testing.assert_allclose(mine, theirs, rtol=1e-9)


def test_generators_among_the_arguments_and_in_objects_go_on() -> None:
    class Walker:
        def __init__(self, seed: int) -> None:
            self.rng, self.at = np.random.default_rng(seed), np.zeros(6)

        def step(self, x: Any, other: Any) -> Any:
            self.at = self.at + self.rng.normal(size=6) * x
            return self.at + other.permutation(x)

    def steps(step: Any) -> list[Any]:
        walker, other = Walker(3), np.random.RandomState(1)
        found = [step(walker, X, other) for _ in range(3)]
        walker.rng = np.random.default_rng(8)  # another one, which is seen
        found.append(step(walker, X, other))
        return [*found, walker.at, walker.rng.random(), other.rand()]

    for got, want in zip(steps(mlc.jit(Walker.step)), steps(Walker.step), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_one_compilation_serves_all_numbers() -> None:
    compiled = mlc.jit(monte_carlo)
    for _ in range(3):
        compiled(X)
    assert len(compiled.cache_info()) == 1


def test_probabilities_are_checked() -> None:
    compiled = mlc.jit(lambda p: np.random.choice(3, 2, p=p))
    compiled(np.array([0.5, 0.25, 0.25]))
    with pytest.raises(ValueError, match="do not sum to 1"):
        compiled(np.array([0.5, 0.5, 0.25]))


def test_what_native_code_cannot_draw_in_a_loop_is_refused() -> None:
    def until(x: Any) -> Any:
        while x.sum() < 9:
            x = x + np.random.poisson(3.0)
        return x

    with pytest.raises(mlc.UnsupportedError, match="random numbers are drawn in a loop whose end"):
        mlc.jit(until)(np.zeros(3))


def test_weights_that_are_drawn_kept_and_trained() -> None:
    class Regression:
        def fit(self, x: Any, y: Any) -> Any:
            self.w = np.random.uniform(-0.1, 0.1, x.shape[1])
            self.errors: list[Any] = []
            for _ in range(10):
                p = x @ self.w
                self.errors.append(np.mean((y - p) ** 2))
                self.w -= 0.01 * -(y - p) @ x
            return self

    x = np.random.default_rng(0).normal(size=(9, 3))
    ours, theirs = Regression(), Regression()
    np.random.seed(0)
    theirs.fit(x, x.sum(1))
    np.random.seed(0)
    mlc.jit(Regression.fit)(ours, x, x.sum(1))
    np.testing.assert_allclose(ours.w, theirs.w, rtol=1e-9)
    np.testing.assert_allclose(ours.errors, theirs.errors, rtol=1e-9)
    assert type(ours.w) is np.ndarray


@pytest.mark.parametrize("shape", [(7,), (7, 2)])
@pytest.mark.parametrize("name", ["shuffle", "permutation"])
@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_orders_of_traced_arrays(shape: tuple[int, ...], name: str, make: Any) -> None:
    def ordered(rng: Any, x: Any) -> Any:
        found = getattr(rng, name)(x)
        return x if found is None else found

    x, mine, theirs = np.random.default_rng(0).normal(size=shape), make(5), make(5)
    compiled = mlc.jit(ordered)
    for _ in range(2):
        want = copy.copy(ordered(theirs, x.copy()))
        np.testing.assert_array_equal(compiled(mine, x.copy()), want)


def test_a_row_that_is_chosen_is_no_view() -> None:
    def chosen(x: Any) -> Any:
        row = np.random.default_rng(1).choice(x)
        x[:] = 0
        row += 1
        return row

    rows = np.arange(6.0).reshape(3, 2)
    got, want = rows.copy(), rows.copy()
    assert np.array_equal(mlc.jit(chosen)(got), chosen(want)) and np.array_equal(got, want)


def test_items_that_python_samples() -> None:
    def sampled(x: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            others = [j for j in range(len(x)) if j != i]
            a, b, c = random.sample(others, 3)
            if x[a] > x[b]:
                total += x[c]
        return total, random.sample(range(10), 4), np.random.sample()

    x = np.arange(6.0) ** 2
    found = []
    for function in (mlc.jit(sampled), sampled):
        random.seed(3)
        np.random.seed(3)
        found.append((*function(x), random.random()))
    assert found[0] == found[1]
