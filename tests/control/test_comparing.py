"""Tuples and lists of traced numbers, compared as Python does."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import mlc

from .test_lists import X, same


def all_operators(x: Any) -> Any:
    total = 0
    for v in x:
        i, j = int(v), int(v) % 3
        if (i, j) == (1, 1):
            total += 1
        if (i, j) != (4, 1):
            total += 10
        if (i, j) < (2, 5):
            total += 100
        if (i, j) >= (2, 0):
            total += 1000
        if (i, j) in ((3, 0), (9, 0)):
            total += 10000
        if (i, j) not in [(3, 0), (9, 0)]:
            total += 100000
        if [i, j] == [1, 1] or (i, j) == (1, 1, 1):
            total += 1000000
    return total


def walk(x: Any) -> Any:
    here, goal, steps = (0, 0), (3, 2), 0
    while here != goal:
        i, j = here
        if i < goal[0] and x[i] > 0:
            here = (i + 1, j)
        elif j < goal[1]:
            here = (i, j + 1)
        else:
            here = (i + 1, j)
        steps += 1
    return steps, here


def visited(x: Any) -> Any:
    seen, i, j = [], 0, 0
    for v in x:
        i += int(v) % 2
        j += int(v) % 3
        if (i, j) in seen:
            break
        seen.append((i, j))
    return seen


def smallest(x: Any) -> Any:
    best = (np.inf, -1)
    for i in range(len(x)):
        if (abs(x[i]), i) < best:
            best = (abs(x[i]), i)
    return best


class Place(NamedTuple):
    row: int
    column: int


def of_many_kinds(x: Any) -> Any:
    i = int(x[0])
    at = Place(i, int(x[1]))
    return (
        (i, 1) is None, (i, 1) == [i, 1], i == (i,), i != (i,), (i,) <= (3, 4), (i, 2) < (3,),
        (i, "a") == (3, "a"), (i, (x[1], 2)) == (3, (-1, 2)), at == Place(3, -1), at == (3, -1),
        at < Place(4, 0), (0, 1) < (i, 2) < (5,), [i, x[1]] >= [3, -1.0], not (i, 2) > (3, 2),
        (x[0], x[1]) < (x[2], x[3]), (x[0], 1) in {(3.0, 1): 2}, (3, 1) in [(i, 1)],
        max((x[0], 1), (x[2], 0)), min([(x[0], 1), (x[1], 2)]),
    )  # fmt: skip


@pytest.mark.parametrize(
    "function", [all_operators, walk, visited, smallest, of_many_kinds], ids=lambda f: f.__name__
)
def test_as_python_compares(function: Any) -> None:
    assert same(mlc.jit(function)(X), function(X))


def test_random_tuples() -> None:
    @mlc.jit
    def ours(a: Any, b: Any) -> Any:
        p, q = (a[0], a[1], a[2]), (b[0], b[1], b[2])
        r = (b[0], b[1])
        return np.array([p < q, p <= q, p > q, p >= q, p == q, p != q, p < r, p >= r, r == r])

    rng = np.random.default_rng(1)
    values = np.array([0.0, 1.0, 2.0, np.nan])
    for _ in range(60):
        a, b = values[rng.integers(0, 4, 3)], values[rng.integers(0, 4, 3)]
        p, q, r = tuple(a), tuple(b), tuple(b[:2])
        found = [p < q, p <= q, p > q, p >= q, p == q, p != q, p < r, p >= r, True]
        assert ours(a, b).tolist() == found


def test_what_cannot_be_compared() -> None:
    with pytest.raises(TypeError, match="'<' not supported between instances of"):
        mlc.jit(lambda x: 1 if (int(x[0]), 1) < (3, "a") else 2)(X)
    with pytest.raises(ValueError, match="truth value of an array with more than one element"):
        mlc.jit(lambda x: 1 if (x[0], x) == (3.0, x + 1) else 2)(X)
