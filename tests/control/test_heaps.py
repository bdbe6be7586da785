"""All functions of heapq, and ranges of traced numbers side by side, in native loops."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any

import numpy as np
import pytest

import mlc

RNG = np.random.default_rng(8)
NUMBERS = RNG.integers(0, 40, 24)


def greatest(x: Any) -> Any:
    heap: list[Any] = []
    for v in x:
        if len(heap) < 4:
            heapq.heappush(heap, v)
        elif v > heap[0]:
            heapq.heapreplace(heap, v)
    return heap


def greatest_pairs(x: Any) -> Any:
    heap: list[Any] = []
    for i, v in enumerate(x):
        if i < 4:
            heapq.heappush(heap, (v, i))
        else:
            heapq.heappushpop(heap, (v, -i))
    return heap


def medians(x: Any) -> Any:
    low: list[Any] = []
    high: list[Any] = []
    out = []
    for v in x:
        heapq.heappush(low, -heapq.heappushpop(high, v))
        if len(low) > len(high):
            heapq.heappush(high, -heapq.heappop(low))
        out.append(high[0] if len(high) > len(low) else (high[0] - low[0]) / 2)
    return out


def at_the_ends(x: Any) -> Any:
    places = heapq.nlargest(3, range(len(x)), key=lambda i: x[i])
    return heapq.nsmallest(3, x), heapq.nlargest(3, x), places


def one_that_is_left(x: Any) -> Any:
    mine, theirs = deque(x[:12]), deque(x[12:])
    for _ in range(60):
        if not (mine and theirs):
            break
        a, b = mine.popleft(), theirs.popleft()
        if a > b:
            mine.extend([a, b])
        else:
            theirs.extend([b, a])
    left = mine or theirs
    return len(left), left[0]


def diagonals(x: Any) -> Any:
    table, out = np.arange(144).reshape(12, 12), []
    for k in x % 8:
        total = 0
        for i, j in zip(range(k, -1, -1), range(k + 3)):
            total += table[i, j]
        for m, i in enumerate(range(k, 10, 3)):
            total += m * table[i, 1]
        out.append(total)
    return out


@pytest.mark.parametrize(
    "function", [greatest, greatest_pairs, medians, at_the_ends, one_that_is_left, diagonals]
)
def test_lists_are_as_python_has_them(function: Any) -> None:
    assert mlc.jit(function)(NUMBERS) == function(NUMBERS)


def test_nothing_is_taken_of_an_empty_heap() -> None:
    @mlc.jit
    def replaced(x: Any) -> Any:
        heap = [x[0]]
        for v in x:
            if v > 3:
                heapq.heappop(heap)
            heapq.heapreplace(heap, v)
        return heap

    assert replaced(np.arange(4)) == [3]
    with pytest.raises(IndexError):
        replaced(np.arange(40))
