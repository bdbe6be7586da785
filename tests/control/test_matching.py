"""``match`` over values that data decide: native where Python compares, else Python's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(0).random(60)
TEXT = np.frombuffer(b"abc 123 de4 77 x", np.uint8).copy()


class State(IntEnum):
    START = 0
    NUMBER = 1
    WORD = 2


@dataclass
class Point:
    x: Any
    y: Any


def tokens(text: Any) -> Any:
    state, start, found = State.START, 0, []
    for i, c in enumerate(text):
        match state:
            case State.START:
                if 48 <= c <= 57:
                    state, start = State.NUMBER, i
                elif 97 <= c <= 122:
                    state, start = State.WORD, i
            case State.NUMBER:
                if not 48 <= c <= 57:
                    found.append((int(state), start, i))
                    state = State.START
            case State.WORD:
                if not 97 <= c <= 122:
                    found.append((int(state), start, i))
                    state = State.START
    return found, state == State.WORD


def pairs(x: Any) -> Any:
    out = np.zeros(len(x), int)
    for i, v in enumerate((x * 40).astype(int)):
        match (v % 3, v % 5):
            case (0, 0):
                out[i] = 15
            case (0, _):
                out[i] = 3
            case (_, 0 | 1):
                out[i] = 5
            case (1, k) if k > 2:
                out[i] = k * 100
            case (a, b):
                out[i] = a - b
    return out


def guarded(x: Any) -> Any:
    n = 0
    for v in x:
        match int(v * 10):
            case 0 | 1 | 2:
                n += 1
            case 5 as k:
                n += k
            case k if k > 7:
                n += 2 * k
            case 4:
                continue
            case 6:
                break
    return n


def early(x: Any) -> Any:
    for i in range(len(x)):
        match int(x[i] * 20):
            case 3:
                return i, 3
            case 19 if i > 5:
                return i, x[i]
    return -1, 0


def of_settings(x: Any, kind: Any = "sum", axis: Any = None) -> Any:
    match kind:
        case "sum" | "total":
            y = x.sum()
        case "mean":
            y = x.mean()
        case _:
            raise ValueError(f"unknown kind {kind!r}")
    match axis:
        case None:
            return y
        case True:
            return -y
    return y + axis


def taken_apart(x: Any, point: Any) -> Any:
    match point:
        case Point(x=0, y=y):
            return x * y
        case Point(x=a):
            return x + a
        case [a, *rest]:
            return x * a + len(rest)
        case {"w": w}:
            return x * w
    return x


def swapped(x: Any) -> Any:
    a, b, n = 1, 2, 0
    for v in x:
        match a, b:
            case (1, k) if v > 0.5 and k < 4:
                a, b = k, k + 1
            case (b, a):
                n += a * 2 + b
    return a, b, n


def changed_by_a_guard(x: Any) -> Any:
    n = 0
    for v in (x * 9).astype(int):
        match v:
            case 3 if (v := v + 1) > 4:
                n += 100
            case 3:
                n += 10 * v
            case 4:
                n += 1
    return n


def while_matching(x: Any) -> Any:
    phase, i, trace = 0, 0, []
    while i < len(x):
        match phase:
            case 0:
                phase = 1 if x[i] > 0.3 else 2
            case 1:
                phase = 2
                i += 1
            case _:
                phase = 0
                i += 2
        trace.append(phase)
    return trace


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (tokens, (TEXT,)), (tokens, (TEXT[:3],)), (pairs, (X,)), (pairs, (X[:4],)),
        (guarded, (X,)), (early, (X,)), (early, (X * 0,)), (of_settings, (X,)),
        (of_settings, (X, "mean", True)), (of_settings, (X, "total", 2)), (while_matching, (X,)),
        (swapped, (X,)), (changed_by_a_guard, (X,)),
        (taken_apart, (X, Point(0, 2))), (taken_apart, (X, Point(3, 2))),
        (taken_apart, (X, [2.0, 1.0])), (taken_apart, (X, {"w": 2.0})), (taken_apart, (X, None)),
    ],
)  # fmt: skip
def test_cases_are_chosen_as_python_does(function: Callable[..., Any], arguments: Any) -> None:
    for _ in range(2):
        got, want = mlc.jit(function)(*arguments), function(*arguments)
        if isinstance(want, (np.ndarray, float)):
            np.testing.assert_allclose(got, want)
        else:
            assert got == want


def test_one_compilation_serves_all_states() -> None:
    compiled = mlc.jit(tokens)
    for seed in range(4):
        text = np.random.default_rng(seed).integers(32, 123, 40).astype(np.uint8)
        assert compiled(text) == tokens(text)
    assert len(compiled.cache_info().rows) == 1


def test_errors_of_a_case_are_raised() -> None:
    with pytest.raises(ValueError, match="unknown kind 'max'"):
        mlc.jit(of_settings)(X, "max")
