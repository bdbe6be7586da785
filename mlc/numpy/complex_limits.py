"""Complex functions of NumPy at infinities and NaN, where an infinity times zero spoils a part.

The values are those of C99's annex G and of the array API standard.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def expm1(x: Any, /, **options: Any) -> Any:
    """np.expm1; the imaginary part of a number on the real axis stays what it is."""
    z = np.asarray(x)
    with np.errstate(invalid="ignore"):
        found = np.expm1(z, **options)
    if options or z.dtype.kind != "c":
        return found
    real, imaginary = z.real, z.imag
    is_real = imaginary == 0
    is_wild = np.isinf(real) & ~np.isfinite(imaginary)
    if not np.any(is_real | is_wild):
        return found
    fixed = np.array(found)
    fixed.real[is_real] = np.expm1(real[is_real])
    fixed.imag[is_real] = imaginary[is_real]
    fixed[is_wild & (real < 0)] = -1
    fixed[is_wild & (real > 0)] = complex(np.inf, np.nan)
    return fixed if fixed.ndim else fixed[()]


REPLACED: dict[Any, Any] = {np.expm1: expm1}
