"""Variables that a branch reads and nobody has assigned on the way there."""

# ruff: noqa: F821, F841

from __future__ import annotations

import re
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


def one_side(x: Any) -> Any:
    if x.sum() > 100:
        part = x
    return part


def loop_of_no_iteration(x: Any) -> Any:
    at = 0
    while at < 3 and x[at] > 0:
        last = x[at]
        at += 1
    return last


def found_by_search(x: Any) -> Any:
    for i in range(400):
        if x[i % 4] > 60:
            best = i
            break
    x[best % 4] = 1
    return x


def earlier_iterations(x: Any) -> Any:
    at, total = 0, 0.0
    while at < 3 and x[at] > 0:
        if at > 0:
            total = total + before
        before = x[at]
        at += 1
    return x.sum() + total


def read_too_early(x: Any) -> Any:
    at = 0
    while at < 3 and x[at] > 0:
        if at > 0 or x[3] < 0:
            x = x + before
        before = x[at]
        at += 1
    return x


def long_loop(x: Any) -> Any:
    total = x[1]
    for i in range(300):
        if x[i % 4] > 5:
            total = total + before
        if x[i % 4] > 2:
            before = x[0]
    return total, before


def bound_late_in_a_long_loop(x: Any) -> Any:
    total = x[0]
    for i in range(300):
        if i > 5:
            total = total + before
        if i == 20:
            before = x[0]
    return total


def in_a_closure(x: Any) -> Any:
    if x[0] > 0:
        part = x[1]

    def inner() -> Any:
        return part

    return inner(), [part * n for n in (1, 2)]


def by_a_helper(x: Any) -> Any:
    def bind() -> None:
        nonlocal part
        part = x * 2

    if x[0] > 0:
        bind()
    return part
    part = 1


def augmented(x: Any) -> Any:
    if x[0] > 0:
        part = x[1]
    part += 1
    return part


def deleted(x: Any) -> Any:
    part = x[1]
    if x[0] > 0:
        del part
    if x[0] > 1:
        part = x[2]
    return part


def deleted_where_missing(x: Any) -> Any:
    if x[0] > 0:
        part = x
    del part
    return x


def caught(x: Any) -> Any:
    if x[0] > 0:
        part = x[1]
    try:
        return part
    except NameError:
        return x[2]


def bound_again(x: Any) -> Any:
    if x[0] > 0:
        part = x[1]
    if x[0] > 0:
        part = x[1]
    else:
        part = x[2]
    return part


def complex_value(x: Any) -> Any:
    if x[0] > 0:
        part = 1j * x
    return part


FUNCTIONS = [
    one_side, loop_of_no_iteration, found_by_search, earlier_iterations, read_too_early, long_loop,
    bound_late_in_a_long_loop, in_a_closure, by_a_helper, augmented, deleted, deleted_where_missing,
    caught, bound_again, complex_value,
]  # fmt: skip
INPUTS = ([1.0, 2, 3, 4], [-1.0, -2, -3, -4], [50.0, 60, 70, -3], [0.0, -1, 300, 2])


def outcome(function: Any, x: list[float]) -> str:
    try:
        return repr(function(np.array(x)))
    except NameError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_as_python_does(function: Any) -> None:
    compiled = mlc.jit(function)
    for x in INPUTS:
        assert outcome(compiled, x) == outcome(function, x)


def test_a_try_in_a_native_loop_is_refused() -> None:
    def tried(x: Any) -> Any:
        at = 0
        while at < 4 and x[at] > 0:
            try:
                x[at] += before
            except NameError:
                x[at] += 1
            before = x[at]
            at += 1
        return x

    with pytest.raises(mlc.UnsupportedError, match="with a try statement around it"):
        mlc.jit(tried)(np.array([1.0, 2, 3, 4]))


def test_no_flag_where_both_sides_bind() -> None:
    @mlc.jit
    def both(x: Any) -> Any:
        if x[0] > 0:
            part = x[1]
        else:
            part = x[2]
        for _ in range(100):
            last = x + part
        return last

    assert "is_bound" not in str(both.lower(np.ones(3)).program)


def _left_by_return(x):
    a = x[0]
    for v in x:
        if a <= 0.0:
            x[0] = 2.0
        elif v < 1:
            c = a
        else:
            if a + c <= 1.5:
                return x[0]
            x[1] += 1
    return a


@pytest.mark.parametrize("x", [-np.arange(1.0, 60), np.arange(0.5, 60), np.arange(1.0, 60)])
def test_loops_that_return_read_what_iterations_before_have_bound(x):
    try:
        expected = _left_by_return(x.copy())
    except UnboundLocalError as error:
        with pytest.raises(UnboundLocalError, match=re.escape(str(error))):
            mlc.jit(_left_by_return)(x.copy())
    else:
        assert mlc.jit(_left_by_return)(x.copy()) == expected


def _helper_with_the_same_name(x):
    def half(y):
        if (x > 1.0).any():
            c = 0.5
        else:
            c *= 2.0
        return y * c

    for _ in range(100):
        c = half(2.0)
    return c


def test_variables_of_other_functions_are_others():
    fast = mlc.jit(_helper_with_the_same_name)
    assert fast(np.arange(4.0)) == 1
    with pytest.raises(UnboundLocalError, match="'c'"):
        fast(-np.arange(4.0))
