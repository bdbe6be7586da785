"""While loops whose condition reads an item at a place that goes on, past the end, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def first_above(x: Any) -> Any:
    i = 0
    while x[i] < 3:
        i += 1
    return i


def last_above(x: Any) -> Any:
    i = len(x) - 1
    while x[i] < 3:  # on to negative indices, which NumPy takes from the end
        i -= 1
    return i


def steps_of_each(x: Any) -> Any:
    out = np.zeros(len(x))
    for n in range(len(x)):
        i = n
        while x[i] < 3:
            if x[i] > 1:
                i += 2
            else:
                i += 1
        out[n] = i - n
    return out


def along_a_column(x: Any) -> Any:
    table, i = np.stack([x, x]), 0
    while table[1, i] < 3 and table[0, i] < 4:
        i += 1
    return i


def endless(x: Any) -> Any:
    i = 0
    while True:
        if x[i] >= 3:
            break
        i += 1
    return i


def endless_with_a_step_first(x: Any) -> Any:
    i, steps = -1, 0
    while True:
        i += 1
        if x[i] > 3:
            return i, steps
        if x[i] < 1:
            steps += 1


def with_another_way_out(x: Any) -> Any:
    i, total = 0, 0.0
    while True:
        if x[i] >= 3:
            break
        total += x[i]
        if total > 90:
            break
        i += 1
        if x[i - 1] < 1:
            continue
        total += 1
    return i, total


def until_the_body_breaks(x: Any) -> Any:
    i = 0
    while True:
        v = x[i]
        if v >= 3:
            break
        i += 1
    return i


def by_the_item_before(x: Any) -> Any:
    i, v, total = 0, x[0], 0.0
    while v < 3:
        total += v
        i += 1
        v = x[i]
    return i, total


def with_a_flag(x: Any) -> Any:
    i, found = 0, False
    while not found:
        if x[i] > 3:
            found = True
        i += 1
    return i


def computed_from_the_item(x: Any) -> Any:
    i = 0
    while True:
        v = x[i] * 2
        w = v + 1
        if w > 6:
            return w
        i = i + 1


@pytest.mark.parametrize("function", [
    first_above, last_above, steps_of_each, along_a_column, endless, endless_with_a_step_first,
    with_another_way_out, until_the_body_breaks, by_the_item_before, with_a_flag,
    computed_from_the_item,
])  # fmt: skip
def test_past_the_end(function: Any) -> None:
    compiled = mlc.jit(function)
    x = np.zeros(8)
    with pytest.raises(IndexError, match=r"out of bounds for axis [01] with size 8"):
        compiled(x)
    with pytest.raises(IndexError):
        function(x)
    x[-1] = 5
    np.testing.assert_array_equal(compiled(x), function(x))
    with pytest.raises(IndexError):
        compiled(np.ones(8))


def root_of(parent: Any, i: Any) -> Any:
    while parent[i] != i:
        i = parent[i]
    return i


def count_below(x: Any) -> Any:
    i = 0
    while i < len(x) and x[i] < 3:
        i += 1
    return i


def halved_until_found(x: Any, wanted: Any) -> Any:
    low, high = 0, len(x)
    while low < high:
        middle = (low + high) // 2
        if x[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def test_places_that_are_read_or_asked_for_cost_nothing() -> None:
    parent = np.array([0, 0, 1, 2])
    compiled = mlc.jit(root_of)
    assert compiled(parent, 3) == 0
    assert "int32" not in str(compiled.lower(parent, 3).program)  # no note of an error
    counting = mlc.jit(count_below)
    assert counting(np.zeros(5)) == 5
    assert "int32" not in str(counting.lower(np.zeros(5)).program)
    halving, x = mlc.jit(halved_until_found), np.arange(8.0)
    assert halving(x, 5.0) == 5
    assert "int32" not in str(halving.lower(x, 5.0).program)
