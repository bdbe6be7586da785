"""Items of known lists and tuples at places that the data decide, in native loops and outside."""

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

STEPS = [(0, 1), (1, 0), (0, -1), (-1, 0)]
SLOPES = np.random.default_rng(3).random((7, 7))


def descends(z, y, x):
    way = []
    while z[y, x] > 0.1 and len(way) < 20:
        way.append((y, x))
        near = [z[(y + a) % 7, (x + b) % 7] for a, b in STEPS]
        a, b = STEPS[np.argmin(near)]
        y, x = (y + a) % 7, (x + b) % 7
    return np.array(way), y, x


def nested(k):
    table = [[1, 2, 4], [8, 16, 32]]
    total = 0
    for n in range(60):
        total += table[(k + n) % 2][(k * n) % 3]
    return total


def weighted(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * (1, 0.5, -2)[np.int64(x[i] * 30) % 3]
    return total


def of_arrays(x):
    parts = [x[:3], x[3:6], np.ones(3)]
    total = np.zeros(3)
    for i in range(50):
        total = total + parts[-1 - np.int64(total[0] * 8) % 3] * i
    return total


def of_computed(x):
    total = 0.0
    n = 0
    while total < 20.0:
        total += (x[0], abs(x[1]), 2)[n % 3] + 0.5
        n += 1
    return total, n


def kinds(k):
    named = ["one", "two"][k % 2]
    made = [np.zeros(2), np.ones(3)][k % 2]
    return len(named) + made.sum()


@pytest.mark.parametrize(
    "function, args",
    [
        (descends, (SLOPES, 2, 3)),
        (nested, (5,)),
        (weighted, (SLOPES[0],)),
        (of_arrays, (SLOPES[1],)),
        (of_computed, (SLOPES[2],)),
        (kinds, (3,)),
    ],
)
def test_as_python_picks(function, args):
    check_against_numpy(function, *args)


def test_one_code_for_all_places():
    @mlc.jit
    def step(k, x):
        a, b = STEPS[k]
        return x[a] + b

    x = np.arange(2.0)
    for k in (0, 1, 2, 3, -1, -4):
        assert step(k, x) == x[STEPS[k][0]] + STEPS[k][1]
    assert len(step.cache_info()) == 1


def test_there_is_no_such_item():
    @mlc.jit
    def last(x):
        total = 0
        n = 0
        while n < x[0]:
            total += (3, 4)[n]
            n += 1
        return total

    assert last(np.array([2])) == 7
    with pytest.raises(IndexError, match="tuple index out of range"):
        last(np.array([3]))


def test_what_is_picked_is_not_written_to():
    @mlc.jit
    def doubles(x, rows):
        parts = [x[:2], x[2:]]
        for i in range(len(rows)):
            part = parts[rows[i]]
            part *= 2
        return x

    with pytest.raises(mlc.UnsupportedError, match="an array that is in a list is written to"):
        doubles(np.ones(4), np.arange(400) % 2)
