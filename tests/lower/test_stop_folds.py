"""Folds of truth values end once nothing can change their result, and no sooner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

N = 140_001  # parts of a fixed size, the last of them short
SEVERAL = np.arange(N) % 7


def looks(function: Callable[..., Any], *arrays: Any) -> bool:
    """Whether machine code looks at a flag between the parts of the fold."""
    return "call void @intrinsic_see_flag" in mlc.jit(function).lower(*arrays).llvm


STOPPED = {
    "any": lambda a: a.any(),
    "all": lambda a: a.all(),
    "max": lambda a: a.max(),
    "min": lambda a: a.min(),
    "dot": lambda a: np.dot(a, a[::-1]),
    "any of sums": lambda a: (a + SEVERAL > 6).any(),
    "all of sums": lambda a: (a + SEVERAL < 7).all(),
    "any of rows": lambda a: a[: N // 3 * 3].reshape(3, -1).any(),
    "any apart": lambda a: np.concatenate([a, a])[::2].any(),
}


@pytest.mark.parametrize("name", STOPPED)
def test_one_number_of_many(name: str) -> None:
    function = STOPPED[name]
    compiled = mlc.jit(function)
    for base in (False, True):
        for place in (None, 0, 1, 32767, 32768, N // 2, N - 9000, N - 2, N - 1):
            a = np.full(N, base)
            if place is not None:
                a[place] = not base
            assert compiled(a) == function(a), (base, place)
    assert looks(function, np.zeros(N, bool))


def _beside(a: Any) -> Any:
    mask = a > 1
    return mask, mask.any(), mask.all()


KEPT = {
    "one for each row": lambda a: (a > 1).reshape(3, -1).any(axis=1),
    "one for each column": lambda a: (a > 1).reshape(-1, 3).all(axis=0),
    "count": lambda a: (a > 1).sum(),
    "exclusive or": lambda a: np.logical_xor.reduce(a > 1),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("at", [None, 0, 70_000, 150_000 - 1])
def test_what_all_parts_decide(name: str, at: int | None) -> None:
    function, a = KEPT[name], np.zeros(150_000, np.float32)
    if at is not None:
        a[at] = 2
    np.testing.assert_array_equal(mlc.jit(function)(a), function(a))
    assert not looks(function, a)


def test_what_else_the_loop_makes_is_made() -> None:
    a = np.zeros(N, np.float32)
    a[[3, -1]] = 2
    for got, want in zip(mlc.jit(_beside)(a), _beside(a), strict=True):
        np.testing.assert_array_equal(got, want)


def test_places_outside_of_an_array_are_found_behind_the_end() -> None:
    function = lambda a, i: a[i].any()
    a, places = np.ones(10, bool), np.zeros(N, np.int64)
    places[-1] = 10
    assert not looks(function, a, places)
    with mlc.config.override(debug=True), pytest.raises(IndexError):
        mlc.jit(function)(a, places)
