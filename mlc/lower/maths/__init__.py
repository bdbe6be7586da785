"""Vector mathematics, written in the language's own expressions: one module per family.

An expansion takes and gives float32 or float64 expressions and uses basic functions only. Special
values follow NumPy. Coefficients come from benchmarks/fit_maths.py.
"""

from __future__ import annotations

from . import error, exponential, hyperbolic, inverse, logarithm, pow, power, trigonometric
from .registry import EXPANSIONS, expansion

__all__ = [
    "EXPANSIONS",
    "error",
    "expansion",
    "exponential",
    "hyperbolic",
    "inverse",
    "logarithm",
    "pow",
    "power",
    "trigonometric",
]
