"""Loops over lists of traced values: the rest of one whose iterations are long is a native loop."""

import numpy as np
import pytest

import mlc
from mlc.control import carry, rounds


@pytest.fixture
def attempts(monkeypatch):
    """The bodies of loops and branches that were traced."""
    traced = []
    attempt = rounds.attempt

    def counted(*args):
        traced.append(args)
        return attempt(*args)

    monkeypatch.setattr(carry, "attempt", counted)
    return traced


def joined(edges):
    """Kruskal's minimal spanning tree."""
    parent = np.arange(20)

    def find(x):
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    total, count = 0.0, 0
    for w, u, v in sorted(edges, key=lambda e: e[0]):
        a, b = find(u), find(v)
        if a != b:
            parent[a] = b
            total += w
            count += 1
    return total, count, parent


def hull(points):
    """Both halves of a convex hull, by monotone chains."""

    def cross(o, a, b):
        return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])

    points = sorted(points, key=lambda p: (p[0], p[1]))
    halves = []
    for along in (points, reversed(points)):
        half = []
        for p in along:
            while len(half) >= 2 and cross(half[-2], half[-1], p) <= 0:
                half.pop()
            half.append(p)
        halves.append(np.array(half))
    return halves


def edges(seed, count=18):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, 20, (count, 2)).tolist()
    return [(float(w), u, v) for w, (u, v) in zip(rng.random(count), ends)]


def test_tuples_of_numbers_in_order(attempts):
    f = mlc.jit(joined)
    for seed in range(2):
        for found, want in zip(f(edges(seed)), joined(edges(seed))):
            np.testing.assert_array_equal(found, want)
    assert len(attempts) < 80  # and not three loops for each edge


def test_rows_and_rows_backwards(attempts):
    x = np.random.default_rng(0).random((20, 2))
    for found, want in zip(mlc.jit(hull)(x), hull(x)):
        np.testing.assert_array_equal(found, want)
    assert len(attempts) < 200


def slow(v):
    """What is long to trace."""
    while v > 1.0:
        v = v / 2 if v > 3.0 else v - 1.0
        while v > 4.0:
            v -= 0.5
    return v


def ended(x):
    s, last = 0.0, 0.0
    rows = [x[n] * 2.0 for n in range(10)]
    for row in rows:
        s += slow(row[0])
        if s > 4.0:
            last = row[1]
            break
    return s, last


def written(x):
    rows = [x[n] for n in range(10)]
    s = 0.0
    for row in rows:
        s += slow(row[0])
    for row in rows:
        s += slow(row[0])
        x[9, 0] = s
    return s, x


def writing(x):
    rows = [x[n] for n in range(10)]
    s = 0.0
    for row in rows:
        row[1] = slow(row[0])
        s += row[1]
    return s, x


def getting_longer(x):
    values = [x[n, 0] for n in range(8)]
    s, count = 0.0, 0
    for v in values:
        s += slow(v)
        count += 1
        if len(values) < 11:
            values.append(x[count, 1])
    return s, count


def of_several_kinds(x):
    values = [x[0, 0], 2, x[1], x[2, 0], 3.5, x[3, 0], x[4, 0], x[5, 0]]
    return sum(slow(np.sum(v)) for v in values), [slow(v) for v in values[3:]]


def weak_and_known(x):
    s, n = 0, 0
    for v, k, is_last in [(x[i, 0], i, i == 8) for i in range(9)]:
        s = s + slow(v) * k
        n += k if is_last else 1
    return s, n


@pytest.mark.parametrize(
    "f", [ended, written, writing, getting_longer, of_several_kinds, weak_and_known]
)
def test_as_python_does_it(f):
    x = np.random.default_rng(1).random((10, 2)) * 9.0
    want_x, found_x = x.copy(), x.copy()
    want, found = f(want_x), mlc.jit(f)(found_x)
    np.testing.assert_array_equal(found_x, want_x)
    for a, b in zip(found, want):
        np.testing.assert_array_equal(a, b)
        assert type(a) is type(b)
