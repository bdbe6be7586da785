"""Lists, dicts and variables of modules and of functions around, changed by jitted functions."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

LOG: list = []
SEEN: dict = {}
TOTAL = 0.0
COUNT = 0
WEIGHTS = np.ones(3)


def logs(x):
    LOG.append(x.sum())
    return x * 2


def logs_in_a_loop(x):
    for i in range(300):
        if x[i % 3] > 1:
            LOG.append(x[i % 3] * i)
    return x


def remembers(x):
    SEEN["calls"] = SEEN.get("calls", 0) + 1
    SEEN["last"] = x * 2
    return x + SEEN["calls"]


def adds_up(x):
    global TOTAL
    for i in range(300):
        TOTAL = TOTAL + x[i % 3]
    return TOTAL


def counts(x):
    global COUNT
    COUNT += 1
    return x * COUNT


def learns(x):
    global WEIGHTS
    WEIGHTS = WEIGHTS - 0.1 * x
    return WEIGHTS.sum()


def state():
    return [list(LOG), dict(SEEN), TOTAL, COUNT, WEIGHTS.copy()]


def begin():
    global TOTAL, COUNT, WEIGHTS
    LOG.clear()
    SEEN.clear()
    TOTAL, COUNT, WEIGHTS = 0.0, 0, np.ones(3)


def called(function):
    """What three calls give, and what is held after each of them."""
    begin()
    given = (np.arange(3.0) + k for k in range(3))
    return [(function(x), state()) for x in given]


def assert_same(a, b):
    if isinstance(b, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
    elif isinstance(b, dict):
        assert list(a) == list(b)
        assert_same([*a.values()], [*b.values()])
    else:
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("function", [logs, logs_in_a_loop, remembers, adds_up, counts, learns])
def test_what_a_module_holds_changes_at_each_call(function):
    assert_same(called(mlc.jit(function)), called(function))


def counting():
    calls, last = 0, None

    def inner(x):
        nonlocal calls, last
        calls += 1
        last = x * calls
        return x + calls

    return inner, lambda: (calls, last)


def test_variables_of_functions_around_change_at_each_call():
    (plain, expected), (function, got) = counting(), counting()
    jitted = mlc.jit(function)
    for k in range(3):
        x = np.arange(3.0) + k
        assert np.array_equal(jitted(x), plain(x))
        assert_same(got(), expected())


def test_a_variable_that_is_new_is_there_afterwards():
    def sets(x):
        global FRESH
        FRESH = x * 2
        return x

    jitted = mlc.jit(sets)
    for k in range(2):
        jitted(np.arange(3.0) + k)
        assert np.array_equal(FRESH, np.arange(0, 6, 2) + 2 * k)
