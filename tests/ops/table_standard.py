"""Rows for the names that the array API standard brought."""

from __future__ import annotations

import numpy as np

from .cases import Case, ulp
from .inputs import ALL, BFLOAT16, NUMBERS, one_array
from .table_reduce import REAL, matrices, summed

PLAIN = tuple(d for d in ALL if d != BFLOAT16)
WIDE = {"min_side": 3, "max_side": 5}


def _norm(ord: float, axis: object = None) -> object:
    return lambda x: np.linalg.vector_norm(x, axis=axis, ord=ord, keepdims=axis is not None)


CASES = [
    Case("imag", lambda x: np.imag(x), one_array(PLAIN, "any")),
    Case("linalg.diagonal", lambda x: np.linalg.diagonal(x, offset=-1), matrices(PLAIN)),
    Case("linalg.matrix_transpose", lambda x: np.linalg.matrix_transpose(x), matrices(PLAIN)),
    summed("linalg.trace", lambda x: np.linalg.trace(x, offset=1), matrices(REAL)),
    Case("linalg.outer", lambda x: np.linalg.outer(x[0], x[:, 0]), matrices(REAL, "small")),
    summed("linalg.vecdot", lambda x: np.linalg.vecdot(x, x + x, axis=0), matrices(REAL, "small")),
    summed(
        "linalg.tensordot", lambda x: np.linalg.tensordot(x, x.T, axes=1), matrices(REAL, "small")
    ),
    Case(
        "linalg.cross",
        lambda x: np.linalg.cross(x[:, :3], x[::-1, -3:]),
        matrices(REAL[:5], "small", **WIDE),
    ),
    Case(
        "linalg.cross along another axis",
        lambda x: np.linalg.cross(x[:3], x[:3, :1], axis=0),
        matrices(REAL[:4], "small", **WIDE),
    ),
    *(
        Case(f"linalg.vector_norm {ord}", _norm(ord), matrices(NUMBERS, "small"), ulp(16))
        for ord in (0, 1, 2, 3, np.inf, -np.inf, 0.5)
    ),
    *(
        Case(f"linalg.vector_norm over {axis}", _norm(2, axis), matrices(REAL, "small"), ulp(16))
        for axis in (0, (0, 1))
    ),
    *(
        Case(
            f"linalg.matrix_norm {ord}",
            lambda x, ord=ord: np.linalg.matrix_norm(x, ord=ord),
            matrices(REAL, "small"),
            ulp(16),
        )
        for ord in ("fro", 1, np.inf)
    ),
    *(
        Case(
            f"linalg.matrix_power {n}",
            lambda x, n=n: np.linalg.matrix_power((x @ x.T) // 4, n),
            matrices(REAL[:4], "small"),
        )
        for n in (0, 1, 2, 5)
    ),
    Case("fftshift", lambda x: np.fft.fftshift(x), matrices(PLAIN, min_side=0, max_side=5)),
    Case("ifftshift", lambda x: np.fft.ifftshift(x, axes=1), matrices(PLAIN)),
    *(
        [Case("unstack", lambda x: np.unstack(x, axis=1), matrices(PLAIN))]
        if hasattr(np, "unstack")
        else []
    ),
]
