"""Polynomials of complex coefficients, and zeros around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.calculus import polymul
from .calls import converted, stands_for

stands_for(np.polymul)(polymul)


@stands_for(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """np.trim_zeros of one axis."""
    held = np.not_equal(filt, 0)
    if "f" in trim.lower():
        front = filt.shape[0] - np.trim_zeros(held, "f", axis).shape[0]
        filt, held = filt[front:], held[front:]
    return filt[: np.trim_zeros(held, "b", axis).shape[0]] if "b" in trim.lower() else filt


@stands_for(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """np.polyval, by Horner's rule."""
    if isinstance(p, (list, tuple, np.poly1d)):  # whose coefficients are in rising order by place
        p = np.asarray(p)
    x = np.asarray(x) if isinstance(x, (list, tuple)) else x
    found = np.zeros_like(x) if hasattr(x, "shape") else 0
    for n in range(np.shape(p)[0]):
        found = found * x + p[n]
    return found


@stands_for(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """np.vander."""
    if np.ndim(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    x = converted(x, np.result_type(x.dtype, np.int64))
    powers = [x**n for n in range(x.shape[0] if N is None else N)]
    if not powers:
        return np.zeros((x.shape[0], 0), x.dtype)
    return np.stack(powers if increasing else powers[::-1], axis=-1)
