"""Rows for what the data choose: places, elements and sets, as long as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import BOOL, FLOATS, INTEGERS, shaped
from .table_reduce import matrices

REAL = BOOL + INTEGERS + FLOATS[:3]
EMPTY_TOO = {"min_side": 0, "max_side": 5}


def chosen(name: str, function: Any, kind: str = "any") -> Case:
    return Case(name, function, matrices(REAL, kind, **EMPTY_TOO), needs_jit=True)


def of_two(name: str, function: Any) -> Case:
    return Case(name, function, shaped(("n",), ("m",), dtypes=REAL), needs_jit=True)


CASES = [
    chosen("nonzero", lambda x: (*np.nonzero(x), np.flatnonzero(x), *np.where(x > 1)), "small"),
    chosen("argwhere", lambda x: np.argwhere(x > 0)),
    chosen("elements", lambda x: (x[x > 1], np.extract(x <= 1, x))),
    chosen("compress", lambda x: (np.compress(x[:, :1].ravel() > 0, x, 0), x[x.any(axis=1)])),
    chosen("unique", lambda x: np.unique(x, True, True, True)),
    chosen("unique of different NaN", lambda x: np.unique(x, equal_nan=False)),
    chosen("unique rows", lambda x: np.unique(x[:, :2], axis=0), "small"),
    chosen(
        "unique of the standard",
        lambda x: (*np.unique_all(x), *np.unique_counts(x), *np.unique_inverse(x)),
        "small",
    ),
    chosen("unique_values", lambda x: np.sort(np.unique_values(x)), "small"),
    of_two("intersect1d", lambda x, y: np.intersect1d(x, y)),
    of_two("setdiff1d", lambda x, y: (np.setdiff1d(x, y), np.setxor1d(x, y))),
    of_two("union1d", lambda x, y: np.union1d(x, y)),
    of_two("isin", lambda x, y: (np.isin(x, y), np.isin(x, y, invert=True))),
    Case("trim_zeros", lambda x: np.trim_zeros(x), shaped(("n",), dtypes=REAL[1:]), needs_jit=True),
    Case(
        "histogram of what is chosen",
        lambda x: np.histogram(x[x > 0], bins=3, range=(0, 5))[0],
        shaped(("n",), dtypes=REAL[1:]),
        Tolerance(),
        needs_jit=True,
    ),
]
