"""Rows for searching in sorted arrays."""

from __future__ import annotations

import numpy as np

from .cases import Case, Tolerance
from .inputs import FLOATS, shaped
from .table_reduce import REAL

NEEDED = ("n",), ("m", 2)

CASES = [
    Case(
        "searchsorted",
        lambda a, v: (np.searchsorted(np.sort(a), v), np.searchsorted(np.sort(a), v, "right")),
        shaped(*NEEDED, dtypes=REAL, same_dtype=False),
    ),
    Case(
        "searchsorted of specials",
        lambda a, v: np.searchsorted(np.sort(a), v, side="right"),
        shaped(*NEEDED, dtypes=FLOATS[:3], kind="any"),
    ),
    Case(
        "searchsorted sorter",
        lambda a, v: np.searchsorted(a, v, sorter=np.argsort(a)),
        shaped(*NEEDED, dtypes=REAL, sides=(1, 5)),
    ),
    Case(
        "digitize",
        lambda a, v: (np.digitize(v, np.sort(a)), np.digitize(v, np.sort(a)[::-1], right=True)),
        shaped(*NEEDED, dtypes=REAL),
    ),
    Case("digitize known", lambda v: np.digitize(v, [-2, 0, 3]), shaped(("m", 2), dtypes=REAL)),
    Case(
        "interp",
        lambda x, a, y: np.interp(x, np.sort(a), y, left=-7),
        shaped(("m", 2), ("n",), ("n",), kind="finite", dtypes=FLOATS[:3], sides=(1, 5)),
        Tolerance(40, lambda x, a, y: 1e3 + 0 * x),
        same=True,
    ),
]
