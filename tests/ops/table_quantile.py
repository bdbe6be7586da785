"""Rows for medians and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import FLOATS, SIGNED
from .table_reduce import FULL, matrices

USUAL = SIGNED[2:] + FLOATS[1:3]


def read(name: str, function: Any, kind: str = "finite", dtypes: Any = USUAL) -> Case:
    mass = lambda x: np.max(np.where(np.isfinite(x), x, 0))
    return Case(name, function, matrices(dtypes, kind, **FULL), Tolerance(4, mass))


CASES = [
    read("median", lambda x: np.median(x, axis=1)),
    read("median of all", lambda x: np.median(x, keepdims=True), "small"),
    read("median of specials", lambda x: np.median(x, axis=0), "any", FLOATS[1:3]),
    read("nanmedian", lambda x: np.nanmedian(np.where(x > 2, np.nan, x), axis=1)),
    read("quantile", lambda x: np.quantile(x, [0.1, 0.5, 1], axis=0)),
    read("percentile", lambda x: np.percentile(x, 30)),
    read("percentile keepdims", lambda x: np.percentile(x, [5, 75], axis=(0, 1), keepdims=True)),
    read("quantile nearest", lambda x: np.quantile(x, 0.3, axis=-1, method="nearest")),
    read(
        "nanpercentile",
        lambda x: np.nanpercentile(np.where(x > 9, np.nan, x), 60, axis=1),
        dtypes=FLOATS[2:3],
    ),
]
