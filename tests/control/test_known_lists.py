"""Loops over many known numbers, which are native, and over lists that they change."""

from collections.abc import Callable
from typing import Any

import pytest

import mlc

HALVES = [0.5 * n for n in range(30)]


def added(x: float) -> Any:
    total = 0.0
    for v in HALVES:
        total += v * x
        if v > 7:
            total -= 1
    return total


def escapes(x: float) -> Any:
    def steps(c: complex) -> int:
        z = c
        for n in range(40):
            if abs(z) > 2:
                return n
            z = z * z + x
        return 40

    real = [-2 + 0.1 * n for n in range(26)]
    return [steps(complex(a, b)) for a in real for b in [-1 + 0.25 * n for n in range(9)]]


def of_complex(x: float) -> Any:
    counts = []
    for z in [1 + 2j * n for n in range(40)]:
        count = 0
        while abs(z) < 100 and count < 30:
            z = z * z + x
            count += 1
        counts.append(count)
    return counts


def pairs(x: float) -> Any:
    out = []
    for a, (b, n) in zip(HALVES, [(n * 1.0, n) for n in range(30)]):
        t = x
        for _ in range(n):
            t = t * 0.5 + a
        out.append(t - b)
    return out


def items_set(x: float) -> Any:
    held = list(HALVES)
    for n, v in enumerate(held):
        held[n] = v + x
        if n < 29:
            held[n + 1] += 1
    return held


def items_added(x: float) -> Any:
    held = list(HALVES)
    for v in held:
        if len(held) < 40:
            held.append(v + x)
    return held


def last_added(x: float) -> Any:
    held, total = list(HALVES), 0.0
    for v in held:
        total += v * x
        if v == 14.5:
            held.append(3.0)
    return total, held


def added_elsewhere(x: float) -> Any:
    held, total = list(HALVES), 0.0

    def note(v: float) -> None:
        if v == 14.5:
            held.append(3.0)

    for v in held:
        note(v)
        total += v * x
    return total, held


FUNCTIONS = [added, escapes, of_complex, pairs, items_set, items_added, last_added, added_elsewhere]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_loops_over_known_numbers(function: Callable[..., Any]) -> None:
    wanted = function(1.25)
    found = mlc.jit(function)(1.25)
    assert found == wanted
    assert repr(found) == repr(wanted)
