"""Operators and programs of one's own in native loops keep inside of arrays, or raise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te

X = np.arange(8, dtype=np.float32)


@mlc.op
def looked_up(x: Any, i: Any) -> Any:
    picked = te.compute(i.shape, lambda n: x[i[n]], name="picked")
    return te.compute(i.shape, lambda n: picked[n] * 2)


def in_a_loop(x: Any, i: Any, n: Any) -> Any:
    total = x[:4] * 0
    for k in range(n):
        if x[k % 8] >= 0:
            total = total + looked_up(x, i)
    return total


def until(x: Any, i: Any, n: Any) -> Any:
    total = x[:4] * 0
    while total.sum() < n:
        total = total + looked_up(x, i)
    return total


@pytest.mark.parametrize("function", [in_a_loop, until])
def test_places_outside_are_refused_in_loops(function: Any) -> None:
    compiled = mlc.jit(function)
    good = np.array([1, 2, 7, 3])
    assert compiled(X, good, 60).tolist() == function(X, good, 60).tolist()
    for outside in (8, -1, 2**33):
        with pytest.raises(IndexError, match=f"index {outside} is out of bounds for axis 0"):
            compiled(X, np.array([1, outside, 7, 3]), 60)


def test_sizes_that_change_have_code_of_their_own() -> None:
    compiled = mlc.jit(lambda x, i: looked_up(x, i), dynamic={"x": {0: "n"}})
    places = np.array([1, 7])
    for n in (8, 20):
        x = np.arange(n, dtype=np.float32)
        assert compiled(x, places).tolist() == [2, 14]
        with pytest.raises(IndexError, match=f"index {2**33} is out of bounds for axis 0"):
            compiled(x, np.array([1, 2**33]))
    reasons = [row.reason for row in compiled.cache_info()]
    assert all("is looked at by code for each size" in reason for reason in reasons)
