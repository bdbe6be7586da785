"""Loops over what is known are Python's while tracing, until they take too long."""

from __future__ import annotations

import numpy as np
import pytest

import mlc


def flips(n):
    """Of all orders of n numbers: the most flips of a head, and an alternating sum of them."""
    is_even, most, total = True, 0, 0
    order, count = list(range(n)), list(range(n))
    while True:
        first = order[0]
        if first:
            turned, flipped = order[:], 1
            here = turned[first]
            while here:
                turned[: first + 1] = turned[first::-1]
                flipped += 1
                first = here
                here = turned[here]
            most = max(most, flipped)
            total += flipped if is_even else -flipped
        if is_even:
            order[0], order[1] = order[1], order[0]
        else:
            order[1], order[2] = order[2], order[1]
            for r in range(2, n - 1):
                if count[r]:
                    break
                count[r] = r
                head = order[0]
                order[: r + 1] = order[1 : r + 2]
                order[r + 1] = head
            else:
                r = n - 1
                if not count[r]:
                    return total, most
            count[r] -= 1
        is_even = not is_even


def primes(n):
    is_prime, found = [True] * (n + 1), []
    for i in range(2, n + 1):
        if is_prime[i]:
            found.append(i)
            for j in range(i * i, n + 1, i):
                is_prime[j] = False
    return len(found), sum(found), np.array(found)


def greatest_worth(n):
    weights = [3 + 7 * i % 11 for i in range(n)]
    worths = [5 + 13 * i % 17 for i in range(n)]
    best = [0] * (5 * n + 1)
    for i in range(n):
        for c in range(5 * n, weights[i] - 1, -1):
            worth = best[c - weights[i]] + worths[i]
            if worth > best[c]:
                best[c] = worth
    return best[5 * n]


def powers(n):
    """Numbers that get beyond 64 bits."""
    held, at, turns = [1], 0, len([*range(n)])
    while at < turns:
        held[0] = held[0] * 3 % (2**70 + 25)
        at += 1
    return held[0] % 1000003


def kept_by_name(n):
    """What a loop makes is looked up in a dict of texts afterwards, and decides shapes."""
    names, held, at, turns = {0: "zero", 1: "one", 2: "two"}, [0, 0, 0], 0, len([*range(n)])
    while at < turns:
        held[at % 3] = (held[(at + 1) % 3] + at) % 3
        at += 1
    made = {names[k]: np.zeros(k + 1) for k in held}
    return {key: value.shape[0] for key, value in made.items()}


def is_equal(a, b):
    if isinstance(b, tuple):
        return len(a) == len(b) and all(map(is_equal, a, b))
    return np.array_equal(a, b)


@pytest.mark.parametrize(("function", "n"), [(flips, 7), (primes, 30000), (greatest_worth, 120)])
def test_long_loops_over_known_lists_become_native(function, n):
    jitted = mlc.jit(function)
    assert is_equal(jitted(n), function(n))
    assert "def loop" in str(jitted.lower(n).program)


def shown(n):
    """A text says what the loop made."""
    held, at, turns = [0, 0, 0], 0, len([*range(n)])
    while at < turns:
        held[at % 3] = (held[(at + 1) % 3] + at) % 3
        at += 1
    return f"{held[0]} {held[1]} {held[2]}"


@pytest.mark.parametrize("function", [powers, kept_by_name, shown])
def test_what_cannot_be_native_stays_pythons(function):
    assert mlc.jit(function)(12000) == function(12000)


def smoothed(x):
    """Some twenty operations with a loop that the data end. Rounding errors get smaller in it."""
    y, steps = np.roll(x, 1) + np.roll(x, -1) - 2 * x, 0
    while np.abs(y).max() > 0.1:
        y, steps = np.tanh(y) * np.cos(y) * 0.5, steps + 1
    z = np.sin(x) * np.exp(-x * x) + np.cos(y) / (1 + y * y)
    z = (z + np.tanh(z - x) + np.arctan(z * x) + x / (2 + x * x)) / (1 + z * z)
    return x * 0.25 + y * 0.125 + z * 0.0625 + steps


def rounds_apart(x):
    sizes = []
    for _ in range(20):
        x = smoothed(x)
        if np.abs(x).max() > 50.0:
            break
        sizes.append(np.abs(x).max())
    return x, sizes


def rows_apart(x):
    total = 0.0
    for row in x:
        row[:] = smoothed(row)
        total += row[0]
    return (total,)


def of_each_length(x):
    return [smoothed(x[: 3 + i]) for i in range(5)]


def in_parts(x):
    made = {}
    for i in range(12):
        x = smoothed(x)
        made[f"part {i}"] = x[i]
    return made


@pytest.mark.parametrize("function", [rounds_apart, rows_apart])
def test_short_loops_of_long_iterations_become_native(function):
    x = np.linspace(-2, 2, 120).reshape((20, 6) if function is rows_apart else -1)
    given, changed = x.copy(), x.copy()
    jitted = mlc.jit(function)
    want, got = (np.hstack(found) for found in (function(changed), jitted(given)))
    np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(given, changed, rtol=1e-12)
    assert str(jitted.lower(x.copy()).program).count("tanh") <= 10


@pytest.mark.parametrize("function", [of_each_length, in_parts])
def test_long_iterations_that_differ_stay_apart(function):
    x = np.linspace(-2, 2, 60)
    want, got = function(x), mlc.jit(function)(x)
    for a, b in zip(*(v.values() if isinstance(v, dict) else v for v in (want, got))):
        np.testing.assert_allclose(b, a, rtol=1e-12)
