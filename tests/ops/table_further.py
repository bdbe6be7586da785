"""Rows for functions that have none elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import EXACT, Case, Tolerance, ulp
from .inputs import ALL, FLOATS, INTEGERS, SIGNED, one_array, shaped
from .table_reduce import FULL, REAL, matrices

IEEE = FLOATS[:3]
PLAIN = ALL[:-1]
NEEDING_JIT = {
    "np.astype", "copies", "asked of memory", "polymul", "piecewise",
    "places that are narrow integers",
}  # fmt: skip
NARROW = INTEGERS[:2] + INTEGERS[4:6]


def exact(name: str, function: Any, *shapes: Any, dtypes: Any = PLAIN, kind: str = "small") -> Case:
    inputs = shaped(*shapes, dtypes=dtypes, kind=kind, sides=(1, 4))
    return Case(name, function, inputs, EXACT, needs_jit=name in NEEDING_JIT)


def near(name: str, function: Any, *shapes: Any, dtypes: Any = (*SIGNED[2:], *IEEE[1:])) -> Case:
    """Of small integers, in the dtype that NumPy computes in."""
    inputs = shaped(*shapes, dtypes=dtypes, sides=(2, 4))
    return Case(name, function, inputs, Tolerance(64, lambda *a: 400.0), same=True)


def _regular(a: Any) -> Any:
    """A matrix that can be inverted: its diagonal outweighs the rest."""
    return a + 30 * np.eye(a.shape[-1], dtype=a.dtype)


def _rebuilt(a: Any) -> Any:
    """A symmetric matrix from its eigenvectors, whose signs are open."""
    values, vectors = np.linalg.eigh(a + a.T)
    return values, (vectors * values) @ vectors.T


def _path(a: Any, b: Any) -> Any:
    return np.einsum("ij,kj", a, b, optimize=np.einsum_path("ij,kj", a, b)[0])


CASES = [
    exact("amax", lambda x: (np.amax(x, axis=0), np.amin(x, axis=1)), "ij", kind="any"),
    exact("apply_over_axes", lambda x: np.apply_over_axes(np.max, x, (0, 1)), "ij"),
    exact("around", lambda x: np.around(x), "ij", dtypes=INTEGERS + IEEE, kind="any"),
    exact("array_equiv", lambda x: (np.array_equiv(x, x[:1]), np.array_equiv(x, x)), "ij"),
    exact("min_scalar_type", lambda x: x.astype(np.min_scalar_type(x)), "ij"),
    exact("np.astype", lambda x: (np.astype(x, np.float32), np.astype(x, bool)), "ij"),
    exact("copy", np.copy, "ij"),
    exact("copies", lambda x: (np.copy(x), np.ravel(x, order="F"), np.transpose(x)), "ij"),
    exact(
        "asked of shapes",
        lambda x: (np.ndim(x), *np.shape(x), np.size(x), np.size(x, 1), np.empty_like(x).size),
        "ij",
    ),
    exact(
        "asked of dtypes",
        lambda x: (
            x.astype(np.result_type(x, np.float32)),
            np.can_cast(x, np.float32),
            np.isrealobj(x),
            np.iscomplexobj(x),
        ),
        "ij",
    ),
    exact("common_type", lambda x: x.astype(np.common_type(x, x)), "ij", dtypes=REAL),
    exact(
        "asked of memory",
        lambda x: (np.may_share_memory(x, x[::2]), np.shares_memory(x, x.T)),
        "i",
    ),
    exact("diagonals", lambda x: (x[np.diag_indices_from(x)], x[np.triu_indices_from(x)]), (3, 3)),
    exact("diagflat", lambda x: np.diagflat(x, -1), "ij"),
    exact("dsplit", lambda x: np.dsplit(x, 2), (2, "n", 4)),
    exact("polymul", lambda p, q: np.polymul(p, q), "n", "m", dtypes=SIGNED[2:] + IEEE[1:]),
    exact("piecewise", lambda x: np.piecewise(x, [x < 0, x > 2], [lambda v: v * 2, 7]), "ij"),
    exact("nanprod", lambda x: np.nanprod(x, axis=0), "ij"),
    exact(
        "places that are narrow integers",
        lambda x: (
            *np.unravel_index(abs(x), (3, 200)),
            *np.unravel_index(abs(x), (3, 200), "F"),
            np.ravel_multi_index((abs(x), x), (200, 300), mode=("raise", "wrap")),
            np.take(np.arange(300.0), x, mode="wrap"),
            np.take(np.arange(300.0), x, mode="clip"),
            np.choose(x, [0, x, 200], mode="clip"),
        ),
        "n",
        dtypes=NARROW,
    ),
    Case("deg2rad", lambda x: (np.deg2rad(x), np.rad2deg(x)), one_array(IEEE), ulp(3)),
    Case(
        "nanquantile",
        lambda x: np.nanquantile(x, [0.2, 0.7], axis=0),
        matrices(IEEE[1:], "small", **FULL),
        Tolerance(4, lambda x: 4.0),
    ),
    near("nanstd", lambda x: (np.nanstd(x, axis=0), np.nanvar(x, axis=1, ddof=1)), "ij"),
    near("corrcoef", lambda x: np.corrcoef(x + 3 * np.arange(5)), (2, 5)),
    near("logspace", lambda x, y: np.logspace(x / 4, y / 4, 4), "i", "i"),
    near("polyfit", lambda y: np.polyfit(np.arange(6), y, 2), (6,)),
    near("histogram2d", lambda x, y: np.histogram2d(x, y, 3, ((-4, 4), (-3, 3)))[0], "n", "n"),
    near("histogram_bin_edges", lambda x: np.histogram_bin_edges(x, 4), "n"),
    near("cond", lambda a: [np.linalg.cond(_regular(a), p) for p in (None, 1, "fro")], "nn"),
    near("eigh", _rebuilt, "nn"),
    near("svdvals", lambda a: np.linalg.svdvals(a), "mn"),
    near("tensorinv", lambda a: np.linalg.tensorinv(_regular(a).reshape(2, 2, 4)), (4, 4)),
    near(
        "tensorsolve",
        lambda a, b: np.linalg.tensorsolve(_regular(a).reshape(2, 2, 4), b),
        (4, 4),
        (2, 2),
    ),
    near("linalg.matmul", lambda a, b: np.linalg.matmul(a, b), "ij", "jk"),
    near("matvec", lambda a, b: (np.matvec(a, b), np.vecmat(b, a.T)), "ij", "j"),
    near("vecdot", lambda a, b: np.vecdot(a, b), "ij", "j"),
    near("einsum_path", _path, "ij", "kj"),
]
