"""Branches of one place that leave values of different kinds each time they are traced."""

import numpy as np
import pytest

import mlc


def by_kind(x):
    def rec(x, depth):
        if x[0] > depth:
            return x * 2 if depth % 2 else x[0]
        if depth == 0:
            return x[1]
        return rec(x - 0.5, depth - 1) + 1

    return rec(x, 4)


def dtypes(x):
    def pick(v, k):
        if v > 0:
            found = k
        else:
            found = k * 2
        return found

    return pick(x[0], 1) / 2, pick(x[1], 1.5), pick(x[2], np.float32(2)), pick(x[0], 3) // 2


def tuples(x):
    def pick(v, deep):
        if v > 0:
            pair = (v, deep) if deep else v
        else:
            pair = (v * 2, deep) if deep else v * 3
        return pair

    return pick(x[0], 0), *pick(x[1], 2), pick(x[2], 0)


def sometimes(x):
    def pick(v, named):
        if v > 0:
            if named:
                extra = v * 2
            left = v
        else:
            if named:
                extra = v * 5
            left = -v
        return extra + left if named else left

    return pick(x[0], True), pick(x[1], False), pick(x[2], True)


def under(function):
    def outer(x):
        if x[0] > -100:
            return function(x)
        return function(x + 1)

    return outer


@pytest.mark.parametrize("function", [by_kind, dtypes, tuples, sometimes])
def test_branches_met_again_with_values_of_other_kinds(function):
    f = mlc.jit(under(function))
    for x in (np.array([1.0, -2, 3]), np.array([-1.0, 2, -3]), np.array([5.0, 2, 3])):
        for a, b in zip(np.atleast_1d(function(x)), np.atleast_1d(f(x)), strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(b, a, rtol=1e-12)


def test_a_branch_in_itself_is_traced_as_often_as_it_is_met(monkeypatch):
    met = []
    monkeypatch.setattr("mlc.control.calls.note_call", met.append)

    def rec(a, b, depth):
        m = (a + b) / 2
        if depth <= 0 or np.cos(20 * m) > 0.9:
            return (b - a) * np.cos(20 * m)
        return rec(a, m, depth - 1) + rec(m, b, depth - 1)

    assert mlc.jit(lambda a, b: rec(a, b, 5))(0.0, 1.0) == pytest.approx(rec(0.0, 1.0, 5))
    assert 2**5 < sum(code.co_name == "rec" for code in met) < 2**9  # 4**5 with two rounds each
