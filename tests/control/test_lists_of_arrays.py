"""Lists that ``tolist()`` and ``list()`` make of traced arrays are read from the array, as one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

LABELS = np.random.default_rng(0).integers(0, 60, 2000)
X = np.random.default_rng(1).standard_normal(3000)
TABLE = np.random.default_rng(2).integers(0, 9, (40, 30))


def counted(labels: Any) -> Any:
    counts: dict[Any, Any] = {}
    for label in labels.tolist():
        counts[label] = counts.get(label, 0) + 1
    return [counts.get(n, 0) for n in range(60)]


def counted_scalars(labels: Any) -> Any:
    counts: dict[Any, Any] = {}
    for label in list(labels):
        if label in counts:
            counts[label] += 1
        else:
            counts[label] = 1
    return [counts.get(n, 0) for n in range(60)]


def greatest(x: Any) -> Any:
    numbers = x.tolist()
    best, place = numbers[0], 0
    for i, number in enumerate(numbers):
        if number > best:
            best, place = number, i
    return best, place


def odd_sum(table: Any) -> Any:
    total = 0
    for row in table.tolist():
        for number in row:
            if number % 2:
                total += number
    return total


def lowered(table: Any) -> Any:
    rows = table.tolist()
    for i in range(len(rows)):
        for j in range(len(rows[0])):
            if rows[i][j] > 4:
                rows[i][j] = 0
    return np.array(rows)


def popped(labels: Any) -> Any:
    left, found = list(labels), []
    while left:
        label = left.pop()
        if label > 30:
            found.append(label)
    return found


def handed_on(x: Any) -> Any:
    for i, number in enumerate(x):
        if i + 1 < len(x):
            x[i + 1] = number * 0.5
    return x


def kept(x: Any) -> Any:
    numbers = list(x)
    x[0] = 100.0
    return numbers[0], x[0], sum(numbers)


@pytest.mark.parametrize(
    ("function", "argument", "lines"),
    [
        (counted, LABELS, 200),
        (counted_scalars, LABELS[:300], 200),
        (greatest, X, 20),
        (odd_sum, TABLE, 40),
        (lowered, TABLE, 60),
        (popped, LABELS, 40),
        (handed_on, X, 20),
        (kept, X[:100], 120),
    ],
)
def test_loops_over_lists_of_arrays(
    function: Callable[..., Any], argument: Any, lines: int
) -> None:
    ours, theirs = copy.deepcopy(argument), copy.deepcopy(argument)
    fast = mlc.jit(function)
    np.testing.assert_allclose(fast(ours), function(theirs), rtol=1e-12)
    np.testing.assert_array_equal(ours, theirs)
    assert len(fast.lower(copy.deepcopy(argument)).graph.splitlines()) < lines  # no loop unrolled


@pytest.mark.parametrize("dtype", [np.bool, np.uint8, np.int32, np.float32, np.float64])
def test_lists_hold_pythons_numbers(dtype: Any) -> None:
    x = np.arange(40).astype(dtype)
    ours, theirs = mlc.jit(lambda x: x.tolist())(x), x.tolist()
    assert ours == theirs and type(ours[1]) is type(theirs[1])
    nested = mlc.jit(lambda x: x.reshape(4, 10).tolist())(x)
    assert nested == x.reshape(4, 10).tolist()
    wider = mlc.jit(lambda x: [number + 300 for number in x.tolist()])(x)
    assert wider == [number + 300 for number in theirs]
