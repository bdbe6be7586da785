"""Rows for np.linalg."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import FLOATS, shaped
from .table_reduce import SIGNED

REAL = (SIGNED[3], *FLOATS[1:3])
SQUARE, TALL = ("n", "n"), ("m", "n")


def near(name: str, function: Any, *shapes: Any, low: int = 1) -> Case:
    inputs = shaped(*shapes, dtypes=REAL, sides=(low, 4))
    return Case(name, function, inputs, Tolerance(64, lambda *a: 400.0), same=True)


def regular(a: Any) -> Any:
    """A matrix that can be inverted: its diagonal outweighs the rest."""
    return a + 30 * np.eye(a.shape[-1], dtype=a.dtype)


def symmetric(a: Any) -> Any:
    return a + np.swapaxes(a, -1, -2)


CASES = [
    near("inv", lambda a: np.linalg.inv(regular(a)), SQUARE, low=0),
    near("inv of stacks", lambda a: np.linalg.inv(regular(a)), (2, *SQUARE)),
    near("det", lambda a: np.linalg.det(regular(a) / 30), SQUARE, low=0),
    near("slogdet", lambda a: tuple(np.linalg.slogdet(regular(a))), (2, *SQUARE)),
    near("solve", lambda a, b: np.linalg.solve(regular(a), b), (2, *SQUARE), ("n", 2), low=0),
    near("solve a vector", lambda a, b: np.linalg.solve(regular(a), b), SQUARE, ("n",)),
    near("cholesky", lambda a: np.linalg.cholesky(regular(symmetric(a))), SQUARE, low=0),
    near("eigvalsh", lambda a: np.linalg.eigvalsh(symmetric(a)), (2, *SQUARE)),
    near("svd values", lambda a: np.linalg.svd(a, compute_uv=False), TALL, low=0),
    near("qr", lambda a: np.linalg.qr(a, "r"), TALL),
    near("pinv", lambda a: np.linalg.pinv(regular(a)), SQUARE),
    near("lstsq", lambda a, b: np.linalg.lstsq(regular(a), b)[0], SQUARE, ("n", 2)),
    near("matrix_rank", lambda a: np.linalg.matrix_rank(a), TALL),
    near("norms of matrices", lambda a: tuple(np.linalg.norm(a, o) for o in (2, -2, "nuc")), TALL),
    near("multi_dot", lambda a, b, c: np.linalg.multi_dot([a, b, c]), ("m",), TALL, ("n", 2)),
]
