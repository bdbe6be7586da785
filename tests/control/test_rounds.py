"""How often the body of a loop is traced until its types are settled."""

import itertools

import numpy as np
import pytest

import mlc
from mlc.control import carry, rounds
from mlc.errors import HostStateError


def test_a_settled_loop_is_traced_once_more_to_compare(monkeypatch):
    settled = []
    attempt = rounds.attempt

    def counted(*args):
        made = attempt(*args)
        settled.append(made is not None)
        return made

    def f(x):
        y = np.zeros(400)
        s = 0
        for i in range(400):
            s = s + x[i]
            y[i] = s
        return s, y

    monkeypatch.setattr(carry, "attempt", counted)
    x = np.arange(400) * 0.5
    np.testing.assert_array_equal(mlc.jit(f)(x)[1], f(x)[1])
    assert settled == [False, False, True, True]


def places_around_places(x):
    """Places that a generator reads are variables of a closure."""
    y = np.zeros(x.shape)
    for p in np.ndindex(x.shape):
        for q in np.ndindex(x.shape):
            y[p] += x[tuple((a + b) % n for a, b, n in zip(p, q, x.shape))]
    return y


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_deep_nests_are_traced_no_more_often_than_flat_ones(ndim, monkeypatch):
    attempt, attempts = rounds.attempt, 0

    def counted(*args):
        nonlocal attempts
        attempts += 1
        return attempt(*args)

    monkeypatch.setattr(carry, "attempt", counted)
    x = np.random.default_rng(ndim).random((7, 6, 5, 4)[:ndim])
    np.testing.assert_allclose(mlc.jit(places_around_places)(x), places_around_places(x), 1e-12)
    assert attempts < 30 * ndim  # not some power of two by each axis


@pytest.mark.parametrize("period", [2, 3])
def test_what_changes_each_time_is_found_whatever_its_period(period):
    draw = itertools.cycle(range(period)).__next__

    @mlc.jit
    def f(x):
        return mlc.fori_loop(0, 10, lambda i, s: s + x[i] * draw(), 0.0)

    with pytest.raises(HostStateError):
        f(np.ones(10))
