"""Variables that one iteration alone has: each trace of a body finds them as the first did."""

from typing import Any

import numpy as np
import pytest

import mlc


def _steepest(e: np.ndarray) -> np.ndarray:
    rows, columns = e.shape
    total = e.copy()
    for i in range(1, rows):
        for j in range(columns):
            if j == 0:
                above = total[i - 1, j]
            else:
                above = total[i - 1, j - 1]
            total[i, j] += above
    return total


def _last_above(x: np.ndarray) -> np.ndarray:
    out = np.zeros(len(x))
    k = 0
    while k < len(x) - x[0]:
        if x[k] > 1:
            step = x[k]
        elif x[k] > 0:
            step = 2 * x[k]
        else:
            step = 0.5
        out[k] = step
        k += 1
    return out


def _damped(x: np.ndarray) -> np.ndarray:
    for _ in range(50):
        if x.max() < 1e-3:
            break
        if x[0] > 0.5:
            rate = 0.5
        else:
            rate = x[1]
        x = x * np.cos(rate)
    return x


def test_a_loop_that_is_left_takes_what_branches_bind_in_its_rest() -> None:
    x = np.abs(np.random.default_rng(0).standard_normal(40))
    fast = mlc.jit(_damped)
    np.testing.assert_allclose(fast(x), _damped(x), rtol=1e-12)
    assert len(str(fast.lower(x).graph).splitlines()) < 40


class _Body:
    def __init__(self, place: Any, speed: Any) -> None:
        self.place, self.speed = place, speed


def _pulled(places: np.ndarray, speeds: np.ndarray) -> Any:
    bodies = [_Body(p.copy(), v.copy()) for p, v in zip(places, speeds)]
    for _ in range(50):
        pulls = [np.zeros(3) for _ in bodies]
        for n, one in enumerate(bodies):
            for other in bodies:
                away = other.place - one.place
                pulls[n] += away / (away @ away + 0.1)
        for body, pull in zip(bodies, pulls):
            body.speed += 0.01 * pull
            body.place += 0.01 * body.speed
    return np.array([body.place for body in bodies]), sum(body.speed[0] for body in bodies)


def test_variables_of_a_comprehension_afterwards_are_its_own() -> None:
    x, v = np.random.default_rng(0).standard_normal((2, 4, 3))
    fast = mlc.jit(_pulled)
    for ours, theirs in zip(fast(x, v), _pulled(x, v), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)
    assert len(str(fast.lower(x, v).graph).splitlines()) < 400  # fifty times as many if unrolled


@pytest.mark.parametrize("function", [_steepest, _last_above], ids=["for", "while"])
def test_variables_of_one_iteration_alone_do_not_speak_against_native_loops(function: Any) -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((40, 60)))
    x = x if function is _steepest else x[0]
    fast = mlc.jit(function)
    assert np.array_equal(fast(x), function(x))
    assert len(str(fast.lower(x).graph).splitlines()) < 40  # not one line for each iteration


def _coarse(u: np.ndarray, f: np.ndarray) -> np.ndarray:
    for _ in range(30):
        u[1:-1] = 0.5 * (u[2:] + u[:-2] - f[1:-1])
    if len(u) > 4:
        u[::2] += 0.1 * _coarse(u[::2] * 0.5, f[::2])
    return u


def _cycles(f: np.ndarray) -> Any:
    u = np.zeros_like(f)
    rounds = 0
    for _ in range(12):
        u, rounds = _coarse(u, f), rounds + 1
        if np.abs(u[1:-1] - 0.5 * (u[2:] + u[:-2])).max() < 1e-3:
            break
    return u, rounds


def test_few_iterations_with_many_loops_in_them_are_one_loop() -> None:
    f = np.random.default_rng(0).standard_normal(65)
    fast = mlc.jit(_cycles)
    u, k = fast(f)
    wanted, rounds = _cycles(f)
    np.testing.assert_allclose(u, wanted, rtol=1e-9, atol=1e-12)
    assert k == rounds
    assert len(str(fast.lower(f).graph).splitlines()) < 60  # those of two iterations
