"""Lists beside numbers: ``[0.0] * n`` is a longer list, as in Python, and no array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

CASES: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda n: [0.0] * n, 3),
    (lambda n: n * [1, 2], 2),
    (lambda n: (1.0,) * n, 2),
    (lambda n: [1] * n, np.int64(2)),
    (lambda n: [1.0, 2.0] * n, np.array(2)),
    (lambda x: [0] * int(x.sum()), np.ones(3)),
    (lambda x: [x[0]] * len(x), np.ones(3)),
]


@pytest.mark.parametrize("function, value", CASES)
def test_lists_are_repeated(function: Callable[[Any], Any], value: Any) -> None:
    got, want = mlc.jit(function)(value), function(value)
    assert type(got) is type(want)
    assert repr(got) == repr(want)


@pytest.mark.parametrize("value", [2.5, np.float64(2.5)])
def test_lists_are_not_repeated_by_fractions(value: Any) -> None:
    with pytest.raises(TypeError, match="can't multiply sequence by non-int of type"):
        mlc.jit(lambda s: [1.0, 2.0] * s)(value)


def test_numbers_are_not_added_to_lists() -> None:
    with pytest.raises(TypeError, match="can only concatenate list"):
        mlc.jit(lambda n: [1] + n)(2)
