"""Which function of which type has an expansion."""

from __future__ import annotations

from collections.abc import Callable

from ...dtypes import DType, float32, float64
from ...ir.expr import Expr

Expansion = Callable[..., Expr]
EXPANSIONS: dict[tuple[str, DType], Expansion] = {}


def expansion(*dtypes: DType, name: str = "") -> Callable[[Expansion], Expansion]:
    """Register the decorated function for ``dtypes``, float32 and float64 unless told.

    Its name, or ``name``, is that of the scalar function.
    """

    def register(function: Expansion) -> Expansion:
        for dtype in dtypes or (float32, float64):
            EXPANSIONS[name or function.__name__.rstrip("_"), dtype] = function
        return function

    return register
