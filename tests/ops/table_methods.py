"""Rows for the methods of ufuncs, all that are declared: ``np.subtract.reduce`` and its kin."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from mlc import ops
from mlc.ops.op import UFUNC_METHODS

from .cases import Case, Tolerance
from .inputs import BOOL, FLOATS, INTEGERS, SIGNED, shaped

IEEE = FLOATS[:3]
AT = [0, 2, 1, 1]
WIDE = {"power", "lcm", "gcd", "hypot", "arctan2", "copysign", "logaddexp", "logaddexp2"}
WRONG_IN_NUMPY = {"power", "arctan2"}  # along neighbours in memory


def _dtypes(name: str) -> Any:
    if name.startswith(("bitwise", "logical")):
        return BOOL + INTEGERS
    if name in ("gcd", "lcm"):
        return SIGNED[2:]
    if name in WIDE:
        return (SIGNED[2], *FLOATS[1:3])
    return SIGNED + IEEE if name == "subtract" else INTEGERS + IEEE


def _one_by_one(ufunc: np.ufunc, method: str, x: Any) -> Any:
    """What a method gives over the first axis, by calls of ``ufunc`` with two rows."""
    if method == "reduceat":
        ends = [*AT[1:], len(x)]
        runs = [x[a : max(a + 1, b)] for a, b in zip(AT, ends, strict=True)]
        return np.stack([_one_by_one(ufunc, "reduce", run) for run in runs])
    rows = [ufunc.reduce(x[:1])]
    for row in x[1:]:
        rows.append(ufunc(rows[-1], row))
    return np.stack(rows) if method == "accumulate" else rows[-1]


def _called(ufunc: np.ufunc, method: str, x: Any) -> Any:
    return getattr(ufunc, method)(x, *([AT] if method == "reduceat" else []))


def _row(ufunc: np.ufunc, methods: list[str]) -> Case:
    name = ufunc.__name__
    like = lambda x: [_one_by_one(ufunc, method, x) for method in methods]
    return Case(
        f"methods of {name}",
        lambda x: [_called(ufunc, method, x) for method in methods],
        shaped((4, "n"), dtypes=_dtypes(name), kind="positive" if name in WIDE else "small"),
        Tolerance(16, lambda x: 100.0),
        like=like if name in WRONG_IN_NUMPY else None,
    )


def _declared() -> dict[np.ufunc, list[str]]:
    ops.load()
    found = defaultdict(list)
    for ufunc, method in sorted(UFUNC_METHODS, key=lambda key: (key[0].__name__, key[1])):
        found[ufunc].append(method)
    return found


CASES = [_row(ufunc, methods) for ufunc, methods in _declared().items()]
