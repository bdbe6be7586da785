"""What NumPy makes of roots, and of numbers that may be complex."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import float32, float64
from ..errors import ShapeError
from .broadcast import shape_of
from .calculus import as_array
from .elementwise import astype
from .op import implements
from .promotion import dtype_of


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """np.poly: the polynomial with these roots, or the characteristic one of a square matrix."""
    zeros = np.atleast_1d(as_array(seq_of_zeros))
    shape = shape_of(zeros)
    dtype = float32 if dtype_of(zeros) is float32 else float64
    zeros = astype(zeros, dtype=dtype)
    if len(shape) == 2 and shape[0] == shape[1] and shape[0]:
        found = _with_roots(np.linalg.eigvals(zeros + 0j), shape[0])
        return astype(found.real, dtype=dtype)
    if len(shape) != 1:
        raise ShapeError(f"np.poly: needs 1-d roots or a square matrix, got shape {shape}")
    return _with_roots(zeros, shape[0]) if shape[0] else 1.0


def _with_roots(roots: Any, count: int) -> Any:
    """The product of ``x - root``, the highest power first."""
    nothing = np.zeros(1, roots.dtype)
    found: Any = np.ones(1, roots.dtype)
    for n in range(count):
        longer = np.concatenate([found, nothing])
        found = longer - np.concatenate([nothing, found * roots[n]])
    return found


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """np.real_if_close of real numbers."""
    return a
