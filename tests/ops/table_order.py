"""Rows for sorting, and what is found by it."""

from __future__ import annotations

import numpy as np

from .cases import Case
from .inputs import ALL, BFLOAT16, one_array
from .table_reduce import IEEE, REAL, matrices

SORTED = tuple(d for d in ALL if d != BFLOAT16)
EMPTY_TOO = {"min_side": 0, "max_side": 5}

CASES = [
    Case("sort", lambda x: (np.sort(x), np.sort(x, axis=0)), matrices(SORTED, "any", **EMPTY_TOO)),
    Case("sort flat", lambda x: np.sort(x, axis=None), one_array(SORTED, "any", 1, 3)),
    Case(
        "argsort",
        lambda x: (np.argsort(x, kind="stable"), np.argsort(x, axis=0, stable=True)),
        matrices(SORTED, "small", **EMPTY_TOO),
    ),
    Case(
        "argsort of specials", lambda x: np.argsort(x, axis=1, stable=True), matrices(IEEE, "any")
    ),
    Case(
        "partition",
        lambda x: (np.partition(x, 0)[..., 0], np.partition(x, (0, -1), axis=0)[-1]),
        matrices(REAL, "any"),
    ),
    Case("argpartition", lambda x: np.argpartition(x, 0)[..., 0], matrices(IEEE, "distinct")),
    Case(
        "lexsort",
        lambda x: (np.lexsort((x, np.abs(x))), np.lexsort(x), np.lexsort((x[0],))),
        matrices(REAL, "small"),
    ),
]
