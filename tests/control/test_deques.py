"""Deques that are turned round while data decide how long they are."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(5).normal(size=30)


def turned(x: Any, many: int) -> Any:
    rows = np.zeros((many, len(x)))
    for i in range(many):
        line = deque(x)
        line.rotate(i)
        for j, value in enumerate(line):
            rows[i, j] += value
    return rows


def chosen(x: Any) -> Any:
    line: Any = deque()
    for value in x:
        if value > 0:
            line.append(value)
        line.rotate(2)
    line.rotate(-3)
    line.rotate()
    line.rotate(int(x[0] * 10))
    total = 0.0
    while line:
        total = total / 2 + line.popleft()
    return total


def test_rotated() -> None:
    for given in (X[:4], X[:4].tolist()):
        assert np.array_equal(mlc.jit(turned)(given, 9), turned(given, 9))
    compiled = mlc.jit(chosen)
    for x in (X, X - 9, np.abs(X)):
        assert compiled(x) == pytest.approx(chosen(x), rel=1e-12)
