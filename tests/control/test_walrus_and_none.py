"""Names that ``:=`` binds where data decide whether it is asked, and functions that return None
where data decide that they come to their end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def second_side(x: Any) -> Any:
    y = x[3]
    if x[0] > 0 and (y := x[1]) > 2:
        z = y
    else:
        z = -y
    return y, z


def in_a_comprehension(x: Any) -> Any:
    return [(w, v) for v in (1.0, 2.0) if (w := v + 1) > 0 and w > 2], x[0]


def in_a_chain(x: Any) -> Any:
    seen = x[2]
    return x[3] < x[0] < (seen := x[1]), seen


def one_side(x: Any) -> Any:
    return x[3] if x[0] > 0 else (y := x[1]), y


def falls_off(x: Any) -> Any:
    if x.sum() > 0:
        return x


def search(x: Any) -> Any:
    for i in range(4):
        if x[i] < 0:
            return i


def gives_nothing(x: Any) -> None:
    def step(v: Any) -> None:
        if v > 0:
            return
        x[0] += 1

    for i in range(300):
        if x[i % 4] > 200:
            return
        step(x[i % 4])


def forever(x: Any) -> Any:
    while True:
        x = x * 2
        if abs(x.sum()) > 1000:
            return x


def shapes(x: Any) -> Any:
    if x[0] > 0:
        return x[:2]
    elif x[1] > -1.5:
        return None
    return x[1]


FUNCTIONS = [
    second_side, in_a_comprehension, in_a_chain, one_side, falls_off, search, gives_nothing,
    forever, shapes,
]  # fmt: skip
INPUTS = ([1.0, 2, 3, 4], [-1.0, -2, -3, -4], [50.0, 60, 70, -3], [0.0, -1, 300, 2])


def outcome(function: Any, values: list[float]) -> str:
    x = np.array(values)
    try:
        return repr((function(x), x))
    except NameError as error:
        return repr((error, x))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_as_python_does(function: Any) -> None:
    compiled = mlc.jit(function)
    for values in INPUTS:
        assert outcome(compiled, values) == outcome(function, values)


def test_an_argument_that_one_side_writes_to_and_the_other_renames() -> None:
    def sides(x: Any) -> Any:
        if x[0] < 0.0:
            x[-1] += 1
        elif x[0] <= 20.0:
            x = x * 0.5
            x[-1] += 7
        return x

    compiled = mlc.jit(sides)
    for values in INPUTS:
        assert outcome(compiled, values) == outcome(sides, values)
