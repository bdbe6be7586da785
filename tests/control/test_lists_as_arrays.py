"""In native loops, lists that data decide about become arrays as long as the data say, and Python's
functions go through arrays of such lengths."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import mlc

RNG = np.random.default_rng(0)
POINTS, LABELS = RNG.normal(size=(40, 3)), RNG.integers(0, 4, 40)


def near(x: Any, i: int, reach: float) -> list[int]:
    found = []
    for j in range(len(x)):
        if j != i and abs(x[i, 0] - x[j, 0]) < reach:
            found.append(j)
    return found


def indexing(x: Any, labels: Any, reach: float) -> Any:
    out = np.zeros((len(x), 2))
    for i in range(len(x)):
        found = [j for j in range(len(x)) if abs(x[i, 0] - x[j, 0]) < reach]
        out[i] = len(found), np.median(x[found, 1])
        out[found, 0] += 1
    return out


def empty_ones(x: Any, labels: Any, reach: float) -> Any:
    out = np.zeros((len(x), 2))
    for i in range(len(x)):
        places = near(x, i, reach / 5)
        taken = np.array(places)
        out[i] = taken.sum() + taken.size, x[places].sum()
        if len(places):
            out[i, 1] += x[places].mean() + np.max(places)
    return out


def changed_later(x: Any, labels: Any, reach: float) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        places = near(x, i, reach)
        places.append(i)
        before = np.array(places)
        places[0] = 7
        places.append(3)
        after = np.asarray(places)
        before[-1] += 1
        out[i] = before.sum() * 1000 + after.sum() + len(after) / len(before)
    return out


def rows(x: Any, labels: Any, reach: float) -> Any:
    out = np.zeros((len(x), 3))
    for i in range(len(x)):
        found, pairs = [x[i]], [(1.0, 2)]
        for j in near(x, i, reach):
            found.append(x[j])
            pairs.append((x[j, 1], j))
        out[i] = np.array(found).max(axis=0) + np.array(pairs).mean(axis=0)[0]
    return out


def groups(x: Any, labels: Any, reach: float) -> Any:
    members: list[list[int]] = [[] for _ in range(4)]
    for i in range(len(x)):
        members[labels[i]].append(i)
    means = np.zeros((4, 3))
    for k, each in enumerate(members):
        means[k] = np.mean(x[each], axis=0)
    return means


def last_one(x: Any, labels: Any, reach: float) -> Any:
    out, last = np.zeros(len(x)), np.zeros(0, int)
    for i in range(len(x)):
        out[i] = last.sum() + len(last)
        last = np.array(near(x, i, reach))
    return out


def gone_through(x: Any, labels: Any, reach: float) -> Any:
    out = np.zeros((len(x), 6))
    for i in range(len(x)):
        part = x[labels == labels[i]][:, 1]
        out[i, :3] = sum(part), max(part), min(part)
        out[i, 3:5] = sorted(part)[0], sum(v * v for v in part if v > 0)
        out[i, 5] = Counter(labels[near(x, i, 3.0)]).most_common(1)[0][0]
        for n, value in enumerate(part):
            out[i, 5] += n * value
    return out


def added_to(x: Any, labels: Any, reach: float) -> Any:
    found = [1.0]
    for i in range(len(x)):
        if x[i, 0] > 0:
            found.append(x[i, 1])
    kept = found[:]
    kept += found
    kept += x[x[:, 0] > reach][:, 2].tolist()
    found += x[0, :1]  # NumPy's: to each of the items
    return len(kept), np.array(kept).sum(), found + np.ones(1), np.ones(1) + found


def in_a_branch(x: Any, labels: Any, reach: float) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        part = x[np.where(x[:, 0] > i / 40)[0]]
        if x[i, 1] > 0:
            out[i] += part.mean()
    return out


@pytest.mark.parametrize("program", [
    indexing, empty_ones, changed_later, rows, groups, last_one, gone_through, in_a_branch,
    added_to,
])  # fmt: skip
def test_lists_and_arrays_of_any_length(program: Any) -> None:
    compiled = mlc.jit(program)
    for order in (1, -1):
        given = POINTS[::order].copy(), LABELS[::order].copy(), 0.3
        found, wanted = compiled(*given), program(*given)
        if not isinstance(wanted, tuple):
            found, wanted = (found,), (wanted,)
        for a, b in zip(found, wanted, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype and np.shape(a) == np.shape(b)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert len(compiled.cache_info()) == 1


def test_the_greatest_of_none() -> None:
    def best(x: Any) -> Any:
        out = np.zeros(len(x))
        for i in range(len(x)):
            out[i] = max(x[x > i])
        return out

    with pytest.raises(ValueError, match=r"max\(\) arg is an empty sequence"):
        mlc.jit(best)(np.linspace(0, 30, 40))
    np.testing.assert_array_equal(mlc.jit(best)(np.arange(99.0)[60:]), np.full(39, 98.0))
