"""Lists, dicts and objects that branches and loops over traced values change."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

UP, DOWN = np.array([1.0, 3.0, 2.0]), np.array([3.0, 1.0, 2.0])


class Point:
    """An object that methods change."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.moves = 0

    def move(self, by: Any) -> None:
        self.x = self.x + by
        self.moves += 1


def exchange(items: list[Any], i: int, j: int) -> None:
    items[i], items[j] = items[j], items[i]


def swap(x: Any) -> Any:
    pair = [x[0], x[1]]
    if x[0] > x[1]:
        pair[0], pair[1] = pair[1], pair[0]
    return pair[0] * 10 + pair[1]


def swap_by_a_helper(x: Any) -> Any:
    items = [x[0], x[1], x[2]]
    same = items
    if x[0] < x[1]:
        exchange(items, 0, 2)
    return same[0] * 100 + same[1] * 10 + items[2]


def nested(x: Any) -> Any:
    held = {"a": [x[0], {"k": x[1]}]}
    if x[0] > x[1]:
        held["a"][1]["k"] = x[2]
    else:
        held["a"][0] = held["a"][1]["k"] * 3
    return held["a"][0] * 7 + held["a"][1]["k"]


def attribute(x: Any) -> Any:
    point = Point(x[0])
    if x[0] > x[1]:
        point.x = x[1] * 5
    return point.x


def method(x: Any) -> Any:
    point = Point(x[0])
    if x[0] < x[1]:
        point.move(x[2])
    return point.x + point.moves * 100


def attribute_in_a_loop(x: Any) -> Any:
    point = Point(x[0])
    for i in range(500):
        point.x = point.x + x[i % 3]
    return point.x


def items_in_a_while_loop(x: Any) -> Any:
    state = [x[0], 0]
    while state[0] < 100:
        state[0] = state[0] * 2
        state[1] += 1
    return state[0] + state[1]


def bubble_sort(values: list[Any]) -> list[Any]:
    items = list(values)
    for i in range(len(items) - 1):
        for j in range(len(items) - i - 1):
            if items[j] > items[j + 1]:
                items[j], items[j + 1] = items[j + 1], items[j]
    return items


def one_each(x: Any) -> Any:
    u, v = x[1], x[0]
    if x[0] > x[1]:
        u = x[2]
    else:
        v = u * 3
    return u, v


FUNCTIONS = [
    swap, swap_by_a_helper, nested, attribute, method, attribute_in_a_loop, items_in_a_while_loop,
    one_each,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("x", [UP, DOWN], ids=["up", "down"])
def test_the_items_are_those_that_python_has(function: Any, x: Any) -> None:
    check_against_numpy(function, x)


def test_a_list_is_sorted_in_place() -> None:
    assert mlc.jit(bubble_sort)([3, 1, 2, 5, -4]) == [-4, 1, 2, 3, 5]


def test_a_list_that_grows_in_a_branch() -> None:
    """Data choose the branch, and there is code for each; in a native loop one serves all."""

    def grows(x: Any) -> Any:
        items = [x[0]]
        if x[0] > x[1]:
            items.append(x[1])
        return sum(items)

    f = mlc.jit(grows)
    for x in (UP, UP[::-1].copy()):
        assert f(x) == grows(x)

    def in_a_loop(x: Any) -> Any:
        return mlc.fori_loop(0, len(x) - 1, lambda i, s: s + grows(x[i : i + 2]), 0.0)

    check_against_numpy(in_a_loop, UP)


def halved(x: Any, times: int) -> Any:
    if times == 0:
        return x
    return halved(x / 2, times - 1)


def test_a_function_that_calls_itself() -> None:
    assert mlc.jit(halved)(8.0, 3) == 1.0


def with_defaults(x: Any, scale: float = 2.0, shift: float = 1.0) -> Any:
    if scale > 0:
        return x * scale + shift
    return x


def test_a_function_with_several_defaults() -> None:
    check_against_numpy(with_defaults, UP)
    check_against_numpy(with_defaults, UP, -1.0)


def checked(x: Any, y: Any) -> Any:
    if np.any(x > 5):
        raise ValueError("too large")
    x = x + y
    x = np.clip(x, 0, 1)
    return x


def annotated(x: Any) -> Any:
    total: float = 0.0
    for i in range(3):
        if x[i] > 1:
            total: float = total + x[i]
        last: int
        last = i
    return total + last


def test_a_parameter_that_is_named_anew_after_a_check() -> None:
    check_against_numpy(checked, UP, DOWN)
    check_against_numpy(checked, UP * 9, DOWN)


def test_annotated_names_in_loops_and_branches() -> None:
    check_against_numpy(annotated, UP)


@pytest.mark.parametrize("first", ["one", 1])
@pytest.mark.parametrize("limit", [-100.0, 100.0])
def test_keys_stay_in_order_where_a_branch_takes_some_out(first: Any, limit: float) -> None:
    def program(x: Any) -> Any:
        held = {first: 1, "two": 2, "three": 3}
        if x.sum() > limit:
            del held[first]
        return held

    x = np.arange(3.0)
    assert list(mlc.jit(program)(x).items()) == list(program(x).items())


def test_functions_of_math_give_python_numbers() -> None:
    def length(a: Any, b: Any) -> Any:
        return [math.sqrt(a * a + b) if b > 0 else a]

    (found,) = mlc.jit(length)(2.0, 5)
    assert found == 3.0 and type(found) is float


def bound_anew_by_a_function(x: Any) -> Any:
    held = [0.5, 2.0]

    def see(v: Any) -> Any:
        nonlocal held
        held = [w * 0.5 for w in held if w > v]
        held.append(v)
        return v

    total = 0.0
    for v in x:
        total += see(v)
    return held, total


def bound_anew_while_the_data_say(x: Any) -> Any:
    held, n, total = [0.5, 2.0], 0, 0.0

    def see(v: Any) -> Any:
        nonlocal held
        held = [w * 0.5 for w in held if w > v]
        return v

    while len([w for w in x if w > total]) > 1:
        total += see(x[n]) + 1
        n += 1
        held.append(total)
    return held, total


@pytest.mark.parametrize("f", [bound_anew_by_a_function, bound_anew_while_the_data_say])
def test_lists_that_functions_bind_anew_are_not_asked_for_their_items(f: Any) -> None:
    check_against_numpy(f, np.random.default_rng(0).uniform(-1, 6, 120))
