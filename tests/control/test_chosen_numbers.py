"""Numbers that ``min``, ``max`` and ``sorted`` choose are Python's: ``+=`` makes a new one."""

from typing import Any

import numpy as np
import pytest

import mlc


def _least(x: np.ndarray) -> tuple[Any, Any]:
    least = place = 0
    for start in range(40):
        least = min(start + 2, 5)
        place = least
        for _ in range(len(x)):
            place += 1
    return least, place


def _greatest(x: np.ndarray) -> tuple[Any, Any]:
    least = place = 0
    for start in range(40):
        least = max(start + 2, 5, key=lambda number: -number)
        place = least
        for _ in range(len(x)):
            place += 1
    return least, place


def _first(x: np.ndarray) -> tuple[Any, Any]:
    least = place = 0
    for start in range(40):
        least = sorted((start + 2, 5))[0]
        place = least
        for _ in range(len(x)):
            place += 1
    return least, place


def _merged(a: np.ndarray) -> np.ndarray:
    count, width = len(a), 1
    out = np.empty_like(a)
    while width < count:
        for start in range(0, count, 2 * width):
            middle = min(start + width, count)
            end = min(start + 2 * width, count)
            i, j = start, middle
            for k in range(start, end):
                if i < middle and (j >= end or a[i] <= a[j]):
                    out[k] = a[i]
                    i += 1
                else:
                    out[k] = a[j]
                    j += 1
        a, out = out, a.copy()
        width *= 2
    return a


@pytest.mark.parametrize("function", [_least, _greatest, _first])
def test_a_chosen_number_is_not_changed_through_another_name(function: Any) -> None:
    x = np.zeros(40)
    assert mlc.jit(function)(x) == function(x)


def test_a_merge_sort_without_recursion_sorts() -> None:
    x = np.random.default_rng(0).random(33)
    assert np.array_equal(mlc.jit(_merged)(x), np.sort(x))
    with mlc.config.override(debug=True):
        assert np.array_equal(mlc.jit(_merged)(x), np.sort(x))


def test_ranges_in_comprehensions():
    def grid(x):
        count = int(np.ceil((x.max() - x.min()) / 0.5))
        rows = [[0.0 for _ in range(count)] for _ in range(1, count)]
        for i in range(count - 1):
            for j in range(count):
                rows[i][j] = x[0] * i + j
        return rows, list(range(count)), {k: x[0] + k for k in range(count)}

    compiled = mlc.jit(grid)
    for x in (np.array([0.5, 2.0, 1.0]), np.array([0.1, 0.2]), np.array([3.0, 4.9])):
        assert compiled(x) == grid(x)
