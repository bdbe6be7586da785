"""Chained comparisons whose sides index or call: natively, each side once, in Python's order."""

import numpy as np
import pytest

import mlc


def _octants(angle):
    out = np.zeros(len(angle))
    for i in range(len(angle)):
        if (0 <= angle[i] < 22.5) or (157.5 <= angle[i] <= 180):
            out[i] = 1
        elif 22.5 <= angle[i] < 67.5:
            out[i] = 2
        elif 67.5 <= abs(angle[i]) < 112.5 < 200:
            out[i] = 3
        elif 112.5 <= np.abs(angle[i]) < angle[i - 1] + 40 < 1000:
            out[i] = 4
    return out


def _members(x):
    total = 0
    for i in range(len(x)):
        if 0 < abs(x[i]) in (1.0, 2.0):
            total += i
    return total


@pytest.mark.parametrize("function", [_octants, _members])
def test_sides_that_index_or_call_are_native(function):
    x = np.random.default_rng(0).integers(-10, 190, 300).astype(float)
    x[::7] = 2.0
    assert np.array_equal(mlc.jit(function)(x), function(x))


def test_each_side_is_computed_once_and_only_if_it_is_asked():
    asked = []

    def side(value, name):
        asked.append(name)
        return value

    @mlc.jit
    def f(x):
        return 1 if 0 < side(x[0], "first") < 5 < side(x[1], "last") else 2

    for x in ([1.0, 6.0], [1.0, 2.0], [9.0, 6.0]):
        assert f(np.array(x)) == (1 if 0 < x[0] < 5 < x[1] else 2)
    g = [0 < side(1.0, "first") < 0 < side(3.0, "last")]
    assert g == [False]
