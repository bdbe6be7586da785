"""np.arange and np.r_ between the numbers of native loops."""

import numpy as np
import pytest

import mlc

X = np.linspace(0.5, 2.0, 40)


def others(x):
    n = len(x)
    out = np.zeros(n)
    for i in range(n):
        rest = np.concatenate((np.r_[0:i], np.r_[i + 1 : n]))
        out[i] = np.sum(np.sin(x[rest]) * np.cos(x[i]))
    return out


def joined(x):
    n = len(x)
    out = np.zeros(n)
    for i in range(n):
        rest = np.r_[0:i, i + 1 : n]
        out[i] = np.sum(np.sin(x[rest]) * np.cos(x[i])) + len(rest)
    return out


def ranges(x):
    n = len(x)
    out = np.zeros(n)
    for i in range(n):
        a, b, c = np.arange(i), np.arange(i, n), np.arange(2 * i - 9, n - i)
        out[i] = np.sum(x[a]) - np.sum(x[b] * b) + np.sum(c * c) + len(c)
    return out


def falling(x):
    total = 0.0
    for i in range(len(x) - 1, -1, -1):
        total += np.sum(np.arange(i, len(x), dtype=np.float32)) + np.sum(x[np.arange(i + 1)])
    return total


def parts_of_known(x):
    table, count = np.arange(40), 0
    total = np.float64(0.0)
    for i in range(len(x)):
        total += np.sum(table[:i]) + np.sum(np.ones(40)[:i] * np.sin(x[0])) * np.cos(x[1])
        count += np.max(table[: i + 1])
    return total + count


@pytest.mark.parametrize("function", [others, joined, ranges, falling, parts_of_known])
def test_ranges_between_numbers_of_a_loop(function):
    lowered = mlc.jit(function).lower(X)
    assert len(str(lowered.graph).splitlines()) < 60  # not written out
    found, want = mlc.jit(function)(X), function(X)
    assert np.asarray(found).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(found, want, rtol=1e-12)
