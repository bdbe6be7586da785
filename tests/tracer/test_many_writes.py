"""Long chains of writes to parts of one array: one pass over the parts, not one for each."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest

import mlc

ROWS, WIDTH = 24, 48
RANDOM = Random(7)
DRAWN = [
    (RANDOM.randrange(ROWS - 2), RANDOM.randrange(WIDTH - 40), RANDOM.random() < 0.2)
    for _ in range(40)
]


def rows(x: Any) -> Any:
    out = np.empty(x.shape)
    for k in range(len(x)):
        out[k] = x[k] * k
    return out


def columns(x: Any) -> Any:
    out = np.zeros((WIDTH, ROWS))
    for k in range(1, ROWS):
        out[:, k] = x[k] + out[:, k - 1]
    return out


def recurrence(x: Any) -> Any:
    u = np.zeros(x.shape)
    u[0] = x[0]
    for k in range(1, len(x)):
        u[k, 1:-1] = u[k - 1, 2:] * 0.5 + x[k, :-2]
        u[k, 0] = u[k - 1, 3]
    return u


def overlapping(x: Any) -> Any:
    for k, low, is_halved in DRAWN:
        part = x[k : k + 2, low : low + 40] + 1
        x[k + 1 : k + 3, low : low + 40] = part
        if is_halved:
            x[k] *= 0.5
    x[::-2, ::3] = 1
    return x[:, 5].copy()


@pytest.mark.parametrize("target", ["cpu", "interpret"])
@pytest.mark.parametrize("function", [rows, columns, recurrence, overlapping])
def test_as_numpy(function: Callable[[Any], Any], target: str) -> None:
    mine = np.arange(ROWS * WIDTH, dtype=float).reshape(ROWS, WIDTH)
    theirs = mine.copy()
    got = mlc.jit(function, target=target)(mine)
    np.testing.assert_allclose(got, function(theirs), rtol=1e-14)
    np.testing.assert_allclose(mine, theirs, rtol=1e-14)


@pytest.mark.parametrize("function", [rows, columns])
def test_each_part_is_copied_to_its_place_once(function: Callable[[Any], Any]) -> None:
    lowered = mlc.jit(function).lower(np.ones((ROWS, WIDTH)))
    assert str(lowered.graph).count("assemble") == 1
    assert "slice_update" not in str(lowered.graph)
