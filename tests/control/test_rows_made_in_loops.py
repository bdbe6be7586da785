"""Lists of lists that each iteration of a loop makes anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

from .test_tables import same

X = np.random.default_rng(3).integers(0, 17, 30)


def groups_of(x: Any, m: int) -> Any:
    groups = [[] for _ in range(m)]
    for v in x:
        groups[v % m].append(v)
    return groups


def given_before(x: Any, m: int) -> Any:
    groups = groups_of(x, m)
    total = 0
    for s in range(40):
        old = groups
        groups = groups_of(x + s, m)
        groups[s % m].append(x[s % 30])
        x = x * 3 % 17
        for a, b in zip(old, groups):
            total += len(a) * s + sum(b)
    return total, groups


def none_before(x: Any, m: int) -> Any:
    groups = None
    for s in range(40):
        groups = groups_of(x + s, m)
        x = x * 3 % 17
    return groups, x


def first_inside(x: Any, m: int) -> Any:
    while x[0] != 1:
        groups = groups_of(x, m)
        x = x * 3 % 17
    return groups


def means(x: Any, m: int) -> Any:
    points = x.reshape(-1, 2) * 1.0
    centers = points[:m].copy()
    for _ in range(12):
        near = [[] for _ in range(m)]
        for i in range(len(points)):
            near[np.argmin(((points[i] - centers) ** 2).sum(1))].append(i)
        centers = np.array([np.mean(points[c], axis=0) for c in near])
    return near


@pytest.mark.parametrize("program", [given_before, none_before, first_inside, means])
def test_lists_of_lists_that_each_iteration_makes(program: Any) -> None:
    x = X.copy()
    x[0] = 5
    assert same(mlc.jit(program)(x.copy(), 3), program(x.copy(), 3))


def test_none_where_the_loop_is_not_entered() -> None:
    x = X.copy()
    x[0] = 5
    jitted = mlc.jit(first_inside)
    jitted(x, 3)
    x[0] = 1
    with pytest.raises(UnboundLocalError):
        jitted(x, 3)
