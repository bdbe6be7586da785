"""Rows for counting."""

from __future__ import annotations

import numpy as np

from .cases import Case, Tolerance
from .inputs import FLOATS, SIGNED, shaped
from .table_reduce import REAL

CASES = [
    Case(
        "bincount",
        lambda x, v: (
            np.bincount(np.abs(x), minlength=7),
            np.bincount(np.abs(x), weights=v, minlength=5),
        ),
        shaped(("n",), ("n",), dtypes=SIGNED),
    ),
    Case(
        "histogram",
        lambda x: np.histogram(x, bins=5, range=(-3, 2)),
        shaped(("n", 3), dtypes=REAL[:4] + FLOATS[1:3]),
        Tolerance(2),
        same=True,
    ),
    Case(
        "histogram of edges",
        lambda x: np.histogram(x, [-3, -1, -1, 2])[0],
        shaped(("n",), dtypes=REAL[:4] + FLOATS[1:3], kind="any"),
    ),
    Case(
        "histogram of what there is",
        lambda x, v: np.histogram(x, bins=4, weights=v),
        shaped(("n",), ("n",), dtypes=FLOATS[1:3], sides=(1, 6)),
        Tolerance(8),
        same=True,
    ),
    Case(
        "histogram density",
        lambda x: np.histogram(np.abs(x), bins=3, range=(0, 4.5), density=True)[0],
        shaped(("n",), dtypes=FLOATS[1:3], sides=(1, 6)),
        Tolerance(4),
        same=True,
    ),
]
