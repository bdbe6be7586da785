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


@pytest.mark.parametrize("function", [_steepest, _last_above], ids=["for", "while"])
def test_variables_of_one_iteration_alone_do_not_speak_against_native_loops(function: Any) -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((40, 60)))
    x = x if function is _steepest else x[0]
    fast = mlc.jit(function)
    assert np.array_equal(fast(x), function(x))
    assert len(str(fast.lower(x).graph).splitlines()) < 40  # not one line for each iteration
