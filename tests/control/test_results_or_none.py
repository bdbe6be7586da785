"""Functions that return a value or None, called in native loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def root(a: Any, b: Any, c: Any) -> Any:
    inside = b * b - 4 * a * c
    return None if inside < 0 else (-b + np.sqrt(inside)) / (2 * a)


def sum_of_roots(x: Any) -> Any:
    count, total = 0, 0.0
    for a, b, c in x:
        found = root(a, b, c)
        if found is not None:
            total += found
            count += 1
    return count, total


def largest(row: Any, limit: Any) -> Any:
    best = None
    for v in row:
        if v < limit and (best is None or v > best):
            best = v
    return best


def largest_of_each(x: Any) -> Any:
    out = np.full(len(x), -9.0)
    for i in range(len(x)):
        found = largest(x[i], 0.5)
        if found is None:
            continue
        out[i] = found
    return out


def by_truth(x: Any) -> Any:
    total, count = 0.0, 0
    for i in range(len(x)):
        found = largest(x[i], -0.5)
        if found and found > -1:
            total += found
        elif not found:
            count += 1
    return total, count


def in_the_walrus(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        if (found := largest(x[i], -0.5)) is not None:
            total += found
    return total


def place_of(row: Any, v: Any) -> Any:
    low, high = 0, len(row) - 1
    while low <= high:
        mid = (low + high) // 2
        if row[mid] == v:
            return mid
        if row[mid] < v:
            low = mid + 1
        else:
            high = mid - 1
    return None


def handed_through(row: Any, v: Any) -> Any:
    return place_of(row, v)


def places(x: Any) -> Any:
    row, hits, missing, last = np.sort(np.floor(3 * x[:, 0])), 0, 0, None
    for v in np.floor(3 * x[:, 1]):
        k = handed_through(row, v)
        if place_of(row, v) is None:
            missing += 1
        if k is not None:
            hits += k
            last = k
    return hits, missing, last


def step(p: Any, q: Any) -> Any:
    if p[0] > q[0]:
        return None
    return q - p, np.sum((q - p) ** 2)


def steps(x: Any) -> Any:
    along, length = np.zeros(3), 0.0
    for i in range(len(x) - 1):
        found = step(x[i], x[i + 1])
        if found is None:
            continue
        towards, square = found
        along += towards
        length += square
    return along, length


class Line:
    def __init__(self, slope: Any, height: Any) -> None:
        self.slope, self.height = slope, height

    def meets(self, other: Line) -> Any:
        if abs(self.slope - other.slope) < 0.5:
            return None
        return (other.height - self.height) / (self.slope - other.slope)


def meetings(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        at = Line(x[i, 0], x[i, 1]).meets(Line(x[i, 1], x[i, 2]))
        if at is not None and at > 0:
            total += at
    return total


def none_on_one_way(x: Any) -> Any:
    count, last = 0, 0.0
    for v in x[:, 0]:
        if v > 0.5:
            kept = None
        else:
            kept = v
        also = None if v > 0 else 2 * v
        if kept is None:
            count += 1
        elif also is not None:
            last += also
    return count, last


def none_or_all(x: Any) -> Any:
    for i in range(len(x)):
        if x[i, 0] > 2:
            return None
    return x


@pytest.mark.parametrize(
    "function",
    [
        sum_of_roots, largest_of_each, by_truth, in_the_walrus, places, steps, meetings,
        none_on_one_way, none_or_all,
    ],
)  # fmt: skip
def test_as_python(function: Any) -> None:
    compiled = mlc.jit(function)
    for seed, scale in ((0, 1.0), (1, 0.1)):
        x = np.random.default_rng(seed).normal(size=(40, 3)) * scale
        got, expected = compiled(x), function(x)
        is_tuple = isinstance(expected, tuple)
        assert isinstance(got, tuple) == is_tuple
        pairs = zip(got, expected, strict=True) if is_tuple else [(got, expected)]
        for a, b in pairs:
            assert (a is None) == (b is None)
            np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-12)


def test_none_that_nobody_asks_for() -> None:
    def total(x: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            s += largest(x[i], 0.5)
        return s

    compiled = mlc.jit(total)
    assert np.isclose(compiled(np.full((40, 3), 0.25)), 10)
    with pytest.raises(
        TypeError, match=r"unsupported operand type\(s\) for \+=: 'float' and 'NoneType'"
    ):
        compiled(np.ones((40, 3)))


def none_deep_inside(a: Any, b: Any) -> Any:
    if a > 5:
        c = b
    else:
        if a > 2:
            return None
        c = b * 2
    return c, c + 1


def none_before_the_rest(a: Any, b: Any) -> Any:
    if a < 5:
        if a > 2:
            return None
    return a + b


def none_or_an_error(a: Any, b: Any) -> Any:
    if a > 0:
        if b > 0:
            return None
        elif b < -2:
            raise ValueError("too low")
    return np.array([a, b])


def none_several_times(a: Any, b: Any) -> Any:
    if a > 0:
        if b > 0:
            if a > b:
                return None
            b = -b
        if b == -2:
            return 3.0
        a = a * 2
    if a > 5:
        return
    return a + b


def asks_for_none_inside(a: Any, b: Any) -> Any:
    found = none_before_the_rest(a, b)
    return -1.0 if found is None else found * 2


@pytest.mark.parametrize(
    "function",
    [
        none_deep_inside, none_before_the_rest, none_or_an_error, none_several_times,
        asks_for_none_inside,
    ],
)  # fmt: skip
def test_conditions_in_conditions(function: Any) -> None:
    compiled = mlc.jit(function)
    for a in (6.0, 1.0, 3.0, -4.0):
        for b in (2.0, 4.0, 1.0, -2.0, -3.0):
            if function is none_or_an_error and a > 0 and b < -2:
                with pytest.raises(ValueError, match="too low"):
                    compiled(a, b)
                continue
            got, expected = compiled(a, b), function(a, b)
            assert (got is None) == (expected is None)
            if expected is not None:
                np.testing.assert_array_equal(got, expected)
