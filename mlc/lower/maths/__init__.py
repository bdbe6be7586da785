"""Vector mathematics, written in the language's own expressions: one module per family.

An expansion takes and gives float32 or float64 expressions and uses basic functions only. Special
values follow NumPy. Coefficients come from benchmarks/fit_maths.py.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from ...dtypes import DType
from .registry import EXPANSIONS, Expansion, expansion

__all__ = ["EXPANSIONS", "FAMILIES", "expansion", "expansion_of", "load"]

# What each module expands: a program that calls one of them loads that alone.
FAMILIES = {
    "error": "erf erfc",
    "exponential": "exp exp2 exp_less expm1",
    "hyperbolic": "arccosh arcsinh arctanh cosh sinh tanh",
    "inverse": "arccos arcsin arctan arctan2",
    "logarithm": "log log10 log1p log2",
    "pow": "pow",
    "power": "cbrt hypot",
    "trigonometric": "cos sin tan",
}
_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names.split()}


def expansion_of(name: str, dtype: DType) -> Expansion | None:
    """The expansion of a scalar function for a type, if it has one."""
    family = _FAMILY_OF.get(name)
    if family is None:
        return None
    _load(family)
    return EXPANSIONS.get((name, dtype))


def load() -> None:
    """Register all expansions."""
    for family in FAMILIES:
        _load(family)


@cache
def _load(family: str) -> None:
    import_module(f"{__name__}.{family}")
