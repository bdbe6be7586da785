"""Rows for reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import ALL, FLOATS, INTEGERS, NUMBERS, SIGNED, one_array

IEEE = tuple(d for d in FLOATS if d.kind == "f")
EMPTY_TOO = {"min_side": 0, "max_side": 5}
FULL = {"min_side": 1, "max_side": 5}
REAL = SIGNED + IEEE


def summed(name: str, function: Any, inputs: Any, mass: Any = None) -> Case:
    return Case(name, function, inputs, Tolerance(2, mass or function))


def matrices(dtypes: Any = NUMBERS, kind: str = "finite", **sides: int) -> Any:
    return one_array(dtypes, kind, min_dims=2, max_dims=2, **(sides or FULL))


def _square_mean(axis: Any) -> Any:
    return lambda x: 4 * np.mean(np.square(x), axis=axis) + 0.0


_std_mass = lambda axis: lambda x: 4 * np.sqrt(np.mean(np.square(x), axis=axis))

CASES = [
    summed("sum", np.sum, one_array(ALL, "finite")),
    summed("sum of specials", np.sum, one_array(IEEE)),
    *(
        summed(f"{name} over {axis}", lambda x, f=f, axis=axis: f(x, axis=axis), matrices(ALL))
        for name, f in (("sum", np.sum), ("mean", np.mean))
        for axis in (0, 1, -1, (0, 1), ())
        if not (name == "mean" and axis == ())
    ),
    summed(
        "sum keepdims",
        lambda x: np.sum(x, axis=0, keepdims=True),
        matrices(NUMBERS, "any", min_side=0),
    ),
    summed("sum as method", lambda x: x.sum(-1), matrices(INTEGERS, "any")),
    summed("sum dtype", lambda x: np.sum(x, dtype="float64"), matrices(REAL)),
    summed("sum dtype int16", lambda x: np.sum(x, axis=0, dtype="int16"), matrices(SIGNED[:1])),
    summed("sum initial", lambda x: np.sum(x, axis=1, initial=5), matrices(REAL)),
    Case(
        "sum where",
        lambda x: np.sum(x, axis=0, where=x > 0),
        matrices(REAL),
        Tolerance(2, lambda x: np.sum(x, axis=0)),
    ),
    summed("sum 3-d", lambda x: x.sum((0, 2)), one_array(NUMBERS, "finite", 3, 3, 0, 4)),
    summed("add.reduce", lambda x: np.add.reduce(x), matrices(REAL)),
    Case("prod", lambda x: np.prod(x, axis=-1), matrices(NUMBERS, "small"), Tolerance(6)),
    Case("prod of bool", lambda x: np.prod(x), matrices(ALL[:1])),
    *(
        Case(
            f"{f.__name__} over {axis}",
            lambda x, f=f, axis=axis: f(x, axis=axis),
            matrices(ALL, "any"),
        )
        for f in (np.max, np.min, np.argmax, np.argmin, np.any, np.all)
        for axis in (None, 0, 1)
    ),
    Case("argmax of ties", lambda x: (x.argmax(), x.argmin(1)), matrices(REAL, "small")),
    Case("argmax keepdims", lambda x: np.argmax(x, axis=1, keepdims=True), matrices(REAL, "any")),
    Case("max initial", lambda x: np.max(x, axis=1, initial=0), matrices(REAL, "any", min_side=0)),
    Case("max where", lambda x: np.max(x, axis=0, where=x < 2, initial=-9), matrices(REAL, "any")),
    Case("maximum.reduce", lambda x: np.maximum.reduce(x, axis=1), matrices(REAL, "any")),
    Case("any all empty", lambda x: (x.any(0), x.all(0)), matrices(REAL, "any", min_side=0)),
    Case("any where", lambda x: np.any(x, axis=0, where=x > 0), matrices(REAL, "any")),
    Case(
        "count_nonzero", lambda x: np.count_nonzero(x, axis=0), matrices(ALL, "small", min_side=0)
    ),
    Case("ptp", lambda x: np.ptp(x, axis=1), matrices(REAL, "small")),
    summed("mean of all", np.mean, one_array(REAL, "finite")),
    summed("mean of float16", lambda x: x.mean(1), matrices(IEEE[:1])),
    summed("mean dtype", lambda x: np.mean(x, axis=0, dtype="float32"), matrices(SIGNED)),
    Case("var", lambda x: np.var(x, axis=1), matrices(REAL), Tolerance(4, _square_mean(1))),
    Case("var of all", lambda x: x.var(), matrices(REAL), Tolerance(4, _square_mean(None))),
    Case(
        "var ddof",
        lambda x: np.var(x, axis=0, ddof=1),
        matrices(IEEE, min_side=2),
        Tolerance(4, lambda x: 2 * _square_mean(0)(x)),
    ),
    Case(
        "std",
        lambda x: np.std(x + x, axis=1),
        matrices(IEEE, "distinct", min_side=2),
        Tolerance(8, lambda x: 2 * _std_mass(1)(x)),
    ),
    summed("average", lambda x: np.average(x, axis=0), matrices(REAL)),
    Case(
        "average weighted",
        lambda x: np.average(x, axis=0, weights=np.arange(1.0, x.shape[0] + 1)),
        matrices(REAL),
        Tolerance(4, lambda x: 2 * np.average(x, axis=0, weights=np.arange(1.0, x.shape[0] + 1))),
    ),
    summed("nansum", lambda x: np.nansum(x, axis=0), matrices(IEEE[1:], "any")),
    Case("nanmax", lambda x: (np.nanmax(x, axis=0), np.nanmin(x)), matrices(IEEE[1:], "any")),
    Case(
        "nanmean",
        lambda x: np.nanmean(np.where(x > 3, np.nan, x), axis=0),
        matrices(IEEE[1:]),
        Tolerance(4, lambda x: 5 * np.mean(x, axis=0)),
    ),
    Case(
        "norm",
        lambda x: np.linalg.norm(x, axis=1),
        matrices(IEEE[1:]),
        Tolerance(3, lambda x: np.linalg.norm(x, axis=1)),
    ),
    Case(
        "norm of vectors",
        lambda x: tuple(np.linalg.norm(x, o, 0) for o in (1, np.inf, -np.inf, 0)),
        matrices(IEEE[1:]),
        Tolerance(2, lambda x: np.sum(x, axis=0)),
    ),
    Case(
        "norm of matrices",
        lambda x: tuple(np.linalg.norm(x, o) for o in ("fro", 1, np.inf)),
        matrices(IEEE[1:]),
        Tolerance(2, lambda x: np.sum(x)),
    ),
]
