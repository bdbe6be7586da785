"""Functions that call themselves as the data decide: loops over lists of what is left to do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlc


def fibonacci(n: Any) -> Any:
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


def ackermann(m: Any, n: Any) -> Any:
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def greatest_divisor(a: Any, b: Any) -> Any:
    return a if b == 0 else greatest_divisor(b, a % b)


def simpson(k: Any) -> Any:
    f = lambda x: np.exp(-x * x) * np.cos(k * x)

    def rec(a: Any, b: Any, eps: Any, whole: Any, depth: Any) -> Any:
        m = (a + b) / 2
        left, right = (m - a) * f((a + m) / 2), (b - m) * f((m + b) / 2)
        if depth <= 0 or abs(left + right - whole) < eps:
            return left + right
        return rec(a, m, eps / 2, left, depth - 1) + rec(m, b, eps / 2, right, depth=depth - 1)

    return rec(0.0, 1.0, 1e-5, f(0.5), 20)


def subset(items: Any, target: Any) -> Any:
    def go(i: Any, left: Any) -> Any:
        if left == 0:
            return True
        if i == len(items) or left < 0:
            return False
        return go(i + 1, left - items[i]) or go(i + 1, left)

    return go(0, target)


def knapsack(weights: Any, values: Any, room: Any) -> Any:
    def best(n: Any, room: Any) -> Any:
        if n == len(weights):
            return 0
        found = best(n + 1, room)
        if weights[n] <= room:
            mine = values[n]
            found = max(found, 0 * mine + (values[n] + best(n + 1, room - weights[n])) + 0 * mine)
        return found

    return best(0, room)


def fill(image: Any, r: Any, c: Any, old: Any, new: Any) -> None:
    if r < 0 or c < 0 or r >= image.shape[0] or c >= image.shape[1] or image[r, c] != old:
        return
    image[r, c] = new
    for dr, dc in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        fill(image, r + dr, c + dc, old, new)


def filled(image: Any) -> Any:
    fill(image, 1, 1, 1, 7)
    return image


class Union:
    """Sets, each with one of its items as its root."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def find(self, x: Any) -> Any:
        if self.parent[x] != x:
            self.parent[x] = self.find(self.parent[x])
        return self.parent[x]


def unions(pairs: Any) -> Any:
    sets = Union(6)
    for a, b in pairs:
        sets.parent[sets.find(a)] = sets.find(b)
    return sets.find(0), sets.find(3)


def order(adjacent: Any) -> Any:
    seen, found = np.zeros(5, bool), []

    def visit(u: Any) -> None:
        seen[u] = True
        for v, there in enumerate(adjacent[u]):
            if there and not seen[v]:
                visit(v)
                found.append(u)

    visit(0)
    return found


def alpha_beta(scores: Any) -> Any:
    def best(depth: Any, node: Any, is_ours: Any, alpha: Any, beta: Any) -> Any:
        if depth == 0:
            return scores[node]
        value = -math.inf if is_ours else math.inf
        for k in range(2):
            found = best(depth - 1, 2 * node + k, not is_ours, alpha, beta)
            if is_ours:
                value = max(value, found)
                alpha = max(alpha, value)
            else:
                value = min(value, found)
                beta = min(beta, value)
            if beta <= alpha:
                break
        return value

    return best(4, 0, True, -math.inf, math.inf)


def sorted_in_place(a: Any, low: Any, high: Any) -> Any:
    """All calls return the array that they were handed."""
    if low >= high:
        return a
    i = low
    for j in range(low, high):
        if a[j] <= a[high]:
            a[i], a[j] = a[j], a[i]
            i += 1
    a[i], a[high] = a[high], a[i]
    sorted_in_place(a, low, i - 1)
    return sorted_in_place(a, i + 1, high)


def parted(a: Any, low: Any, high: Any) -> Any:
    left, right = low, high
    while left < high:
        pivot = a[(low + high) // 2]
        while left <= right:
            while a[left] < pivot:
                left += 1
            while a[right] > pivot:
                right -= 1
            if left <= right:
                a[left], a[right] = a[right], a[left]
                left, right = left + 1, right - 1
        if low < right:
            b = parted(a, low, right)
            b[right] += 0.0
        low, right = left, high
    return a


X = np.random.default_rng(3).normal(size=16)
CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (fibonacci, (np.int64(9),)),
    (ackermann, (np.int64(2), np.int64(2))),
    (greatest_divisor, (np.int64(84), np.int64(36))),
    (simpson, (20.0,)),
    (subset, (np.array([5, 3, 8, 6]), np.int64(14))),
    (subset, (np.array([5, 3, 8, 6]), np.int64(4))),
    (knapsack, (np.array([2, 3, 1]), np.array([3, 4, 2]), np.int64(4))),
    (filled, (np.array([[0, 1, 1], [1, 1, 0], [0, 0, 1]]),)),
    (unions, (np.array([[0, 1], [3, 4], [1, 4], [2, 2]]),)),
    (order, (np.eye(5, k=1) + np.eye(5, k=3) > 0,)),
    (alpha_beta, (X,)),
    (sorted_in_place, (X, 0, 15)),
    (parted, (X, 0, 15)),
]


@pytest.mark.parametrize(("function", "given"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_as_python(function: Any, given: tuple[Any, ...]) -> None:
    ours, theirs = ([np.copy(v) if np.ndim(v) else v for v in given] for _ in range(2))
    found, expected = mlc.jit(function)(*ours), function(*theirs)
    assert_same(found, expected)
    assert_same(ours, theirs)


def assert_same(found: Any, expected: Any) -> None:
    """Values and classes; numbers of Python's may be NumPy's."""
    if isinstance(expected, (list, tuple)):
        assert type(found) is type(expected) and len(found) == len(expected)
        for a, b in zip(found, expected):
            assert_same(a, b)
        return
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12)
