"""Conditions that neighbours share, against all of their values."""

from __future__ import annotations

from itertools import product

import pytest

from mlc.dtypes import float32
from mlc.ir.expr import Const, Expr, Var, const, load, select
from mlc.ir.lanes import padded_load, same_for_lanes
from mlc.ir.program import Buffer
from mlc.ir.rewrite import substitute
from mlc.ir.simplify import simplify

LANES = 4
i, j, lane = Var("i"), Var("j"), Var("lane")
RANGES = {i: 5, j: 3, lane: LANES}


def truth(test: Expr, *values: int) -> bool:
    at = {v: const(n) for v, n in zip(RANGES, values, strict=True)}
    made = simplify(substitute(test, at), {})
    assert isinstance(made, Const)
    return bool(made.value)


@pytest.mark.parametrize(
    ("test", "is_same"),
    [
        (i * 4 + lane < 12, True),
        (i * 4 + j * 8 + lane + 4 < 20, True),
        ((i * 4 + lane < 8) & (j < 2), True),
        (i * 8 + lane <= 15, True),
        (i < 3, True),
        (i * 4 + lane < 10, False),
        (i * 4 + lane <= 12, False),
        (i * 2 + lane < 8, False),
        (i * 4 + lane + 1 < 8, False),
        (i * 4 + lane * 2 < 12, False),
        (i * 4 + lane >= 4, False),
        ((i * 4 + lane < 12) & (lane < 2), False),
        ((i + lane) // 4 + lane < 8, False),
    ],
)
def test_lanes_of_one_condition(test: Expr, is_same: bool) -> None:
    made = same_for_lanes(test, lane, LANES)
    assert (made is not None) == is_same
    for values in product(*map(range, RANGES.values())):
        assert made is None or truth(made, *values[:2], 0) == truth(test, *values)


def test_elements_that_are_padded_with_zeros() -> None:
    a = Buffer("a", (8,), float32)
    found = padded_load(select(i < 8, load(a, (i,)), 0.0))
    assert found is not None and found[1].source is a
    others = [select(i < 8, load(a, (i,)), -0.0), select(i < 8, load(a, (i,)), 1.0)]
    for other in (*others, select(load(a, (j,)) < 8, load(a, (i,)), 0.0), load(a, (i,))):
        assert padded_load(other) is None
