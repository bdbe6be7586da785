"""Lists whose items data choose, of one kind and another, in branches, and in heaps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(2).integers(0, 20, 30)


def tuples_in_tuples(x: Any) -> Any:
    heap = []
    for i in range(len(x)):
        heapq.heappush(heap, (x[i] % 3, (i % 2, x[i]), i))
    found = []
    while heap:
        _, (_, value), i = heapq.heappop(heap)
        if value > 5:
            found.append(i)
    return found


def floats_and_ints(x: Any) -> Any:
    least = [float("inf")] * len(x)
    least[0] = 0
    heap = [(0, 0)]
    while heap:
        so_far, u = heapq.heappop(heap)
        if so_far > least[u]:
            continue
        for v in range(len(x)):
            other = so_far + x[(u + v) % len(x)]
            if x[v] > 2 and other < least[v]:
                least[v] = other
                heapq.heappush(heap, (other, v))
    return least


def in_a_branch(x: Any) -> Any:
    parents, ranks = list(range(20)), [0] * 20
    for k in (3, 4):
        a, b = x[k], x[k + 1]
        while parents[a] != a:
            a = parents[a]
        if a != b:
            if ranks[a] < ranks[b]:
                a, b = b, a
            parents[b] = a
            ranks[a] += 1
    return parents, ranks


@pytest.mark.parametrize("program", [tuples_in_tuples, floats_and_ints, in_a_branch])
def test_lists_that_data_look_into(program: Callable[..., Any]) -> None:
    jitted = mlc.jit(program)
    for x in (X, 19 - X):
        assert jitted(x) == program(x)
