"""Arrays with two names: what a loop or branch writes by the one is read by the other."""

import numpy as np
import pytest

import mlc


def _branch(x, c):
    y = x * 2
    z = y
    if c > 0:
        y[0] = 9
    else:
        y = y * 2
    return y, z


def _in_a_loop(x, c):
    y = x * 2
    z = y
    for i in range(300):
        if c > i:
            y[0] += 9
        else:
            y = y * 1.001
    return y, z


def _then_another(x, c):
    y = x * c
    z = y[1:]
    for i in range(300):
        y[i % 3] += 1
        y = y * 1.001
    return y, z


def _in_a_list(x, c):
    y = x * 2
    held = {"first": [y]}
    if c > 0:
        y += 1
    else:
        y = y - 1
    return y, held["first"][0]


def _changed(y, c):
    if c > 0:
        y[0] = 9
    else:
        y = y * 2
    return y


def _in_the_caller(x, c):
    y = x + 1
    return _changed(y, c), y


@pytest.mark.parametrize(
    "function", [_branch, _in_a_loop, _then_another, _in_a_list, _in_the_caller],
    ids=lambda f: f.__name__.strip("_"),
)  # fmt: skip
def test_writes_by_one_name_are_read_by_the_other(function):
    fast = mlc.jit(function)
    for c in (1.0, -1.0, 5.0):
        for got, expected in zip(fast(np.ones(3), c), function(np.ones(3), c), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_an_array_with_one_name_stays_native():
    def f(x):
        y = x * 2
        for i in range(300):
            y[i % 3] += 1
            y = y * 1.001
        return y

    fast = mlc.jit(f)
    np.testing.assert_allclose(fast(np.ones(3)), f(np.ones(3)), rtol=1e-12)
    assert len(str(fast.lower(np.ones(3)).graph).splitlines()) < 10
