"""Variables that are None until the data give them a value, in native loops and branches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def best_of_each(x: Any) -> Any:
    out = []
    for v in x:
        best, at = -np.inf, None
        for c in range(3):
            if x[c] * v > best:
                best, at = x[c] * v, c
        out.append(at)
    return np.array(out)


def annotated(x: Any) -> Any:
    found: Any = None
    if x[0] > 0:
        found = x[1]
    return found


def first_above(x: Any) -> Any:
    first = None
    for c in range(len(x)):
        if x[c] > 1.5:
            first = c
            break
    return first


def none_above(x: Any) -> Any:
    found = None
    for i in range(len(x)):
        if x[i] > 100:
            found = x[i]
    return found


def pairs(x: Any) -> Any:
    best = None
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            d = abs(x[i] - x[j])
            if best is None or d < best[0]:
                best = (d, i, j)
    return best


def gaps(x: Any) -> Any:
    before, total = None, 0.0
    for v in x:
        if v > 0:
            if before is not None:
                total += v - before
            before = v
        elif before is not None and v < -1:
            before = None
    return total, before


def labels(x: Any) -> Any:
    out = []
    for v in x:
        label = None
        if v > 1:
            label = 1
        elif v < -1:
            label = 0
        if label is not None:
            out.append(label)
    return out


def skipped(x: Any) -> Any:
    total = 0
    for i in range(len(x)):
        hit = None
        for c in range(len(x)):
            if x[c] > 1.5 + x[i]:
                hit = c
                break
        if hit is None:
            continue
        total += hit
    return total


def runs(x: Any) -> Any:
    last, count = None, 0
    for v in x:
        sign = 1 if v > 0 else 0
        if sign != last:
            count += 1
            last = sign
    return count


def by_a_helper(x: Any) -> Any:
    def find(v: Any) -> Any:
        hit = None
        for i in range(len(x)):
            if x[i] > v:
                hit = i
                break
        return hit

    found = find(0.5)
    return -1 if found is None else found


def smoothed(x: Any) -> Any:
    state, k = None, 0
    while k < len(x):
        state = x[k] if state is None else 0.9 * state + 0.1 * x[k]
        k += 1
    return state


def found_or_left(x: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        hit = None
        for k in range(40):
            if x[i] > k:
                hit = k
                break
            if x[i] < -0.1:
                break
        if hit is not None:
            out[i] = 1 + hit
    return out


@pytest.mark.parametrize("size", [8, 150])
@pytest.mark.parametrize(
    "function",
    [
        annotated, best_of_each, first_above, none_above, pairs, gaps, labels, skipped, runs,
        by_a_helper, smoothed, found_or_left,
    ],
)  # fmt: skip
def test_as_python(function: Any, size: int) -> None:
    compiled = mlc.jit(function)
    for seed, scale in ((0, 1), (5, 0.3)):  # the second time other ways are taken
        x = np.random.default_rng(seed).normal(size=size) * scale
        got, expected = compiled(x), function(x)
        if expected is None:
            assert got is None
        else:
            assert type(got) is type(expected)
            np.testing.assert_allclose(np.asarray(got, float), np.asarray(expected, float))


def test_none_that_a_loop_would_add() -> None:
    def total(x: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            hit = None
            if x[i] > 0:
                hit = x[i]
            s += hit
        return s

    compiled = mlc.jit(total)
    assert np.isclose(compiled(np.ones(150)), 150)
    with pytest.raises(TypeError, match=r"hit is None where a compiled loop or branch reads it"):
        compiled(-np.ones(150))
