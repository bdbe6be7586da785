"""``itertools.groupby`` of traced items: the data decide where groups end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc


def lengths(x: Any) -> Any:
    return [(key, len(list(group))) for key, group in itertools.groupby(x)]


def sums(x: Any) -> Any:
    found = []
    for _, group in itertools.groupby(sorted(x.tolist())):
        found.append(sum(group))
    return found


def by_sign(x: Any) -> Any:
    return [key for key, _ in itertools.groupby(x, key=lambda v: v > 1)]


@pytest.mark.parametrize("function", [lengths, sums, by_sign])
def test_groups_of_traced_items(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(function)
    for x in ([1, 3, 2, 2, 0], [2, 2, 2, 2, 2], [0, 1, 2, 3, 4], [1, 3, 2, 2, 0]):
        assert jitted(np.array(x)) == function(np.array(x))


def test_many_groups_are_refused() -> None:
    with pytest.raises(mlc.UnsupportedError, match="makes as many groups as the keys say"):
        mlc.jit(lengths)(np.arange(200) // 2)
