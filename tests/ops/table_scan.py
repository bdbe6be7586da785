"""Rows for running sums, products and extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import ALL, INTEGERS, SIGNED, one_array
from .table_reduce import IEEE, REAL, matrices

EMPTY_TOO = {"min_side": 0, "max_side": 5}


def running(name: str, function: Any, inputs: Any) -> Case:
    return Case(name, function, inputs, Tolerance(2, function))


CASES = [
    running("cumsum", lambda x: np.cumsum(x), one_array(ALL, "finite")),
    *(
        running(f"cumsum over {axis}", lambda x, axis=axis: np.cumsum(x, axis), matrices(ALL))
        for axis in (0, 1, -1)
    ),
    running("cumsum as method", lambda x: np.cumsum(x, axis=1), one_array(ALL, "finite", 3, 3)),
    running("cumsum dtype", lambda x: np.cumsum(x, 0, dtype="float64"), matrices(REAL)),
    running("cumsum int16", lambda x: np.cumsum(x, 1, dtype="int16"), matrices(SIGNED[:1])),
    Case("cumprod", lambda x: np.cumprod(x, axis=-1), matrices(ALL, "small"), Tolerance(6)),
    Case("cumprod first", lambda x: np.cumprod(x, axis=0), matrices(REAL, "small"), Tolerance(6)),
    Case(
        "cummax",
        lambda x: (np.maximum.accumulate(x), np.minimum.accumulate(x, axis=1)),
        matrices(ALL, "any", **EMPTY_TOO),
    ),
    Case("fmax.accumulate", lambda x: np.fmax.accumulate(x, 1), matrices(REAL, "any")),
    running("add.accumulate", lambda x: np.add.accumulate(x), matrices(REAL)),
    Case(
        "subtract.accumulate",
        lambda x: np.subtract.accumulate(x, 1),
        matrices(REAL),
        Tolerance(2, lambda x: np.cumsum(x, 1)),
    ),
    Case(
        "logical accumulate",
        lambda x: (np.logical_and.accumulate(x), np.logical_or.accumulate(x, axis=1)),
        matrices(ALL, "small"),
    ),
    Case(
        "bitwise accumulate",
        lambda x: (np.bitwise_xor.accumulate(x), np.bitwise_or.accumulate(x, 1)),
        matrices(INTEGERS, "any"),
    ),
    Case("divide.accumulate", lambda x: np.divide.accumulate(x, 1), matrices(REAL, "nonzero"),
         Tolerance(8)),
    running(
        "nancumsum", lambda x: np.nancumsum(np.where(x > 2, np.nan, x), 1), matrices(IEEE[1:])
    ),
    Case(
        "nancumprod",
        lambda x: np.nancumprod(np.where(x > 2, np.nan, x), 0),
        matrices(IEEE[1:], "small"),
        Tolerance(6),
    ),
    running(
        "cumulative_sum",
        lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
        matrices(REAL),
    ),
    running("cumulative_sum of vectors", np.cumulative_sum, one_array(REAL, "finite", 1, 1)),
    Case(
        "cumulative_prod",
        lambda x: np.cumulative_prod(x, axis=0, include_initial=True),
        matrices(REAL, "small"),
        Tolerance(6),
    ),
]  # fmt: skip
