"""Rows for gradients, polynomials, correlations, and arrays put together."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import FLOATS, SIGNED, shaped
from .table_reduce import FULL, REAL, matrices

USUAL = SIGNED[2:] + FLOATS[1:3]


def small(name: str, function: Any, *shapes: Any, ulps: float = 0, low: int = 1) -> Case:
    """Integers of magnitude at most 4: sums and products are exact."""
    inputs = shaped(*shapes, dtypes=USUAL, sides=(low, 4))
    return Case(name, function, inputs, Tolerance(ulps, lambda *a: 1e3) if ulps else Tolerance())


CASES = [
    Case(
        "bitwise_xor.reduce",
        lambda x: (np.bitwise_xor.reduce(x), np.logical_xor.reduce(x, axis=(0, 1), keepdims=True)),
        matrices(SIGNED, "any", min_side=1, max_side=4),
    ),
    Case(
        "fmax.reduce",
        lambda x: (np.fmax.reduce(x, 1), np.subtract.reduce(np.clip(x, -2, 2))),
        matrices(FLOATS[1:3], "any", **FULL),
        Tolerance(2, lambda x: 100.0),
    ),
    Case(
        "logaddexp.reduce",
        lambda x: (
            np.logaddexp.reduce(x, 1),
            np.logaddexp2.reduce(x, axis=None),
            np.logaddexp.accumulate(x, axis=-1),
            np.logaddexp2.reduceat(x, [0], axis=1),
            np.copysign.reduce(x, 1),
        ),
        matrices(FLOATS[1:3], "any", **FULL),
        Tolerance(16, lambda x: 100.0),
    ),
    Case(
        "nanargmax",
        lambda x: (np.nanargmax(np.where(x > 9, np.nan, x), 1), np.nanargmin(x)),
        matrices(USUAL, "finite", **FULL),
    ),
    *(
        small(
            f"convolve {mode}",
            lambda a, v, m=mode: (np.convolve(a, v, m), np.correlate(a, v, m)),
            ("n",),
            ("m",),
        )
        for mode in ("full", "same", "valid")
    ),
    small("gradient", lambda x: np.gradient(x), ("n", 3), low=2),
    small(
        "gradient of order 2", lambda x: np.gradient(x, 2, axis=0, edge_order=2), (3, "n"), ulps=4
    ),
    small("gradient of places", lambda x: np.gradient(x, [0, 1, 4], axis=1), ("n", 3), ulps=4),
    small("ediff1d", lambda x: np.ediff1d(x, to_begin=x[:1, 0], to_end=[1, 2]), ("n", 2)),
    small("unwrap", lambda x: np.unwrap(x, period=4), ("n", 3), ulps=4),
    small("polyval", lambda p, x: np.polyval(p, x), (3,), ("n", 2)),
    small("vander", lambda x: (np.vander(x), np.vander(x, 2, increasing=True)), ("n",)),
    small("polynomials", lambda p, q: (np.polyadd(p, q), np.polysub(p, q)), ("n",), ("m",)),
    small("polyder", lambda p: (np.polyder(p), np.polyint(p, 2, [1, 2])), (4,), ulps=2),
    small("cov", lambda x: np.cov(x), (2, "n"), ulps=8, low=2),
    small("cov of columns", lambda x: np.cov(x, rowvar=False, bias=True), ("n", 3), ulps=8),
    small(
        "apply_along_axis",
        lambda x: np.apply_along_axis(lambda r: r[:1] * r.sum(), 0, x),
        (2, "n"),
    ),
    small("block", lambda x, y: np.block([[x, y], [y, x]]), ("n", "m"), ("n", "m")),
    small("delete", lambda x: (np.delete(x, [0, 2], 1), np.delete(x, -1)), ("n", 3)),
    small("insert", lambda x: (np.insert(x, [0, 2], 7, axis=1), np.insert(x, 1, [5, 6])), ("n", 3)),
    small("resize", lambda x: np.resize(x, (3, 5)), ("n", 2)),
    small("cross", lambda a, b: np.cross(a, b), ("n", 3), ("n", 3)),
    Case(
        "choose",
        lambda x: (np.choose(x, [x, 0 * x, 7], mode="clip"), np.choose(x, [x, 5], mode="wrap")),
        matrices(SIGNED[3:], "small", **FULL),
    ),
    Case(
        "ix_",
        lambda x: (x[np.ix_(np.abs(x[:, 0]) % 2, [0, -1])], x[np.tril_indices_from(x)]),
        shaped((3, 3), dtypes=SIGNED[3:]),
    ),
    Case(
        "unravel_index",
        lambda x: (*np.unravel_index(abs(x), (2, 5)), np.ravel_multi_index((x % 2, x % 3), (2, 3))),
        shaped(("n",), dtypes=SIGNED[3:]),
    ),
    *(
        Case(
            f"{u.__name__}.reduceat",
            lambda x, u=u: (u.reduceat(x, [0, 2, 2, 1]), u.reduceat(x, np.array([1, 0]), axis=1)),
            shaped((4, 3), dtypes=REAL),
            Tolerance(2, lambda x: 100.0),
        )
        for u in (np.add, np.maximum)
    ),
]  # fmt: skip
