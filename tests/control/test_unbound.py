"""Variables that a branch reads and nobody has assigned on the way there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

TREE = {"at": 0.5, "low": 1, "high": {"at": 0.7, "low": 2, "high": 3}}


def leaf_of(x: Any, node: Any) -> Any:
    if x[0] < node["at"]:
        if isinstance(node["low"], int):
            return node["low"]
        found = leaf_of(x, node["low"])
    elif x[0] >= node["at"]:
        if isinstance(node["high"], int):
            return node["high"]
        found = leaf_of(x, node["high"])
    return found


def test_branches_that_do_not_come_there() -> None:
    compiled = mlc.jit(lambda x: leaf_of(x, TREE))
    for value in (0.1, 0.6, 0.8, 0.5, 0.7):
        assert compiled(np.array([value])) == leaf_of([value], TREE)


def late(x: Any, extra: Any = None) -> Any:
    if x > 1:
        if extra is not None:
            more = extra
        x = x + more
    return x


def test_a_run_that_comes_there() -> None:
    compiled = mlc.jit(late)
    for _ in range(3):
        assert compiled(0.5) == 0.5
        with pytest.raises(NameError, match="'more'"):
            compiled(2.0)
