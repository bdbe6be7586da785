"""Functions that call themselves under conditions that data decide: as deep as can be traced."""

import math
import re

import numpy as np
import pytest

import mlc


def simpson(a, b, eps):
    f = lambda x: np.exp(-x * x) * np.cos(20 * x)

    def rec(a, b, eps, whole, depth):
        m = (a + b) / 2
        left, right = (m - a) * f((a + m) / 2), (b - m) * f((m + b) / 2)
        if depth <= 0 or abs(left + right - whole) < eps:
            return left + right
        return rec(a, m, eps / 2, left, depth - 1) + rec(m, b, eps / 2, right, depth - 1)

    return rec(a, b, eps, (b - a) * f((a + b) / 2), 20)


def short(a, b):
    def rec(a, b, depth):
        m = (a + b) / 2
        if depth <= 0 or math.cos(20 * m) > 0.9:
            return (b - a) * math.cos(20 * m)
        return rec(a, m, depth - 1) + rec(m, b, depth - 1)

    return rec(a, b, 3)


def starred(a, b):
    f = lambda x: np.exp(-x * x) * np.cos(20 * x)

    def rec(a, b, whole, depth):
        m = (a + b) / 2
        left, right = (m - a) * f((a + m) / 2), (b - m) * f((m + b) / 2)
        if depth <= 0 or abs(left + right - whole) < 1e-8:
            return left + right
        return rec(*(a, m), left, depth - 1) + rec(*(m, b), right, depth - 1)

    return rec(a, b, (b - a) * f((a + b) / 2), 20)


def test_recursion_that_data_end_becomes_a_loop():
    assert mlc.jit(simpson)(0.0, 1.0, 1e-8) == pytest.approx(simpson(0.0, 1.0, 1e-8), rel=1e-12)


def test_recursion_that_data_end_and_no_loop_can_stand_for_is_refused_early():
    with pytest.raises(mlc.errors.EndlessRecursionError) as caught:
        mlc.jit(starred)(0.0, 1.0)
    text = str(caught.value)
    assert re.match(
        r"rec calls itself under conditions that the data decide, of which both sides are traced: "
        r"5\d\d calls up to now, up to 20 in each other, and no end is near; write it as a while "
        r"loop over a list of what is left to do, which is native",
        text,
    )
    assert "test_recursion_bounds.py" in text


def test_recursion_that_nothing_known_ends_is_refused_after_a_few_calls():
    calls = []

    def halved(x, least):
        calls.append(x)
        if x.sum() < least:
            return x
        return halved(*(x / 2, least)) + 1

    with pytest.raises(mlc.errors.EndlessRecursionError) as caught:
        mlc.jit(halved)(np.ones(3), 0.1)
    assert "nothing that is known differs between 10 calls in each other; write it" in str(
        caught.value
    )
    assert len(calls) < 60


def test_recursion_that_something_known_ends_is_traced():
    def halved(x, depth):
        if x.sum() < 0.01 or depth == 15:
            return x
        return halved(*(x / 2, depth + 1)) + 1

    x = np.ones(3)
    assert mlc.jit(lambda x: halved(x, 0))(x) == pytest.approx(halved(x, 0))


def test_recursion_to_a_small_depth_is_traced():
    assert mlc.jit(short)(0.0, 1.0) == pytest.approx(short(0.0, 1.0), rel=1e-12)


def test_recursion_that_sizes_end_has_no_bound():
    def halves(x):
        if len(x) == 1:
            return x
        return np.concatenate([halves(x[0::2]) + 1, halves(x[1::2]) * 2])

    def chosen(x):
        if x[0] > 0:
            return np.sum(halves(x))
        return np.sum(halves(x[::-1]))

    x = np.arange(1.0, 33.0)
    assert mlc.jit(chosen)(x) == chosen(x)
