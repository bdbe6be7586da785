"""The operators, all by declaration. `load` imports the declarations, which registers them; where
`load_basic` one by one has brought what is wanted, the others wait."""

from functools import cache
from importlib import import_module

DECLARATIONS = (
    "arithmetic", "bessel", "bits", "calculus", "choosing", "contract", "convolve",
    "convolve_nd", "correlate", "counting", "create", "derived", "divisors", "einsum",
    "elementwise", "floats", "folds", "index", "join", "linalg", "logic", "matrix",
    "matrix_functions", "nn", "pad", "polynomials", "quantile", "rearrange", "reduce", "reduceat",
    "scan", "search", "sets", "shape", "sort", "standard", "statistics", "strided",
    "transcendental", "update",
)  # fmt: skip


BASIC = ("elementwise", "arithmetic", "logic", "reduce", "shape")


def load() -> None:
    """Register all operators; called when one is wanted, not by ``import mlc``."""
    for name in DECLARATIONS:
        import_module(f"{__name__}.{name}")


@cache
def load_basic(name: str) -> None:
    """Register the operators of one of BASIC, which hold those of simple functions."""
    import_module(f"{__name__}.{name}")
