"""Whole numbers that data hold wrap at 2^63: what holds for indices is not taken for granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlc
from mlc import te
from mlc.dtypes import int32, int64
from mlc.ir.bounds import decide, interval
from mlc.ir.expr import Axis, apply, cast, const
from mlc.ir.simplify import simplify

LARGE = np.array([2**62, 3, -5, -(2**63), 2**63 - 1, 0, 2**61 + 7])
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "x * 4 // 4": lambda x: x * 4 // 4,
    "x * 4 % 4": lambda x: x * 4 % 4,
    "x * 6 // 3": lambda x: x * 6 // 3,
    "x * 6 % 3": lambda x: x * 6 % 3,
    "(x * 5 + 2) % 5": lambda x: (x * 5 + 2) % 5,
    "(x * 8 + 3) // 8": lambda x: (x * 8 + 3) // 8,
    "-x // 2": lambda x: -x // 2,
    "x // -1 // 8": lambda x: x // -1 // 8,
    "x // 2**40 // 2**40": lambda x: x // 2**40 // 2**40,
    "x + 1 > x": lambda x: x + 1 > x,
    "x - 1 < x": lambda x: x - 1 < x,
    "x * 2 == x": lambda x: x * 2 == x,
    "minimum(x, x + 1)": lambda x: np.minimum(x, x + 1),
    "maximum(x * 2, x * 2 + 1)": lambda x: np.maximum(x * 2, x * 2 + 1),
    "x // 8 * 8 + x % 8": lambda x: x // 8 * 8 + x % 8,
    "sums of sums": lambda x: (x + 2**62) + 2**62 - (x * 3 - x * 2),
    "shifts": lambda x: (x << 62) * 3,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_data_wrap_as_in_numpy(name: str) -> None:
    with np.errstate(over="ignore"):
        want = FUNCTIONS[name](LARGE)
    np.testing.assert_array_equal(mlc.jit(FUNCTIONS[name])(LARGE), want)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8), st.data())
def test_any_numbers(values: list[int], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FUNCTIONS)))
    x = np.array(values, np.int64)
    np.testing.assert_array_equal(_compiled(name)(x), FUNCTIONS[name](x))


def _compiled(name: str, known: dict[str, Any] = {}) -> Any:  # noqa: B006 (compiled once)
    return known.setdefault(name, mlc.jit(FUNCTIONS[name], dynamic={"x": {0: mlc.dim("n")}}))


def test_small_numbers_do_not_wrap() -> None:

    i = Axis("i", 4)
    table = te.placeholder((4,), "int32", name="table")
    x = cast(table[i], int64)
    assert simplify(apply("floordiv", x * 8 + 3, const(8))) is x
    assert decide(x + 1 > x, {}) is True
    wide = te.placeholder((4,), "int64", name="wide")[i]
    assert decide(wide + 1 > wide, {}) is None
    assert decide(i + 1 > i, {}) is True


def test_bounds_of_small_types_wrap() -> None:
    from mlc.dtypes import uint8

    i = Axis("i", 4)
    flag = te.placeholder((4,), "bool", name="flag")[i]
    bright = te.select(flag, const(200, uint8), const(250, uint8))
    assert interval(cast(bright, int64), {}) == (200, 250)
    assert interval(cast(bright + const(100, uint8), int64), {}) == (0, 255)
    assert interval(cast(cast(flag, int32) * const(3, int32), int64), {}) == (0, 3)


def test_bounds_of_parts_in_many_places_are_found_once() -> None:
    i = Axis("i", 4)
    flag = te.placeholder((4,), "bool", name="flag")[i]
    count: Any = cast(i, int64)
    for _ in range(100):  # 2 ** 100 ways from the last to the first
        count = te.select(flag, count, te.min(count, 90) + 1)
    assert interval(count, {}) == (0, 91)
    assert decide(count < 92, {}) is True
    assert decide(count < 91, {}) is None
