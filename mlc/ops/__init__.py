"""The operators, all by declaration. `load` imports the declarations, which registers them."""

from importlib import import_module

DECLARATIONS = (
    "arithmetic", "bessel", "bits", "calculus", "choosing", "contract", "convolve",
    "convolve_nd", "correlate", "counting", "create", "derived", "divisors", "einsum",
    "elementwise", "floats", "folds", "index", "join", "linalg", "logic", "matrix",
    "matrix_functions", "nn", "polynomials", "quantile", "rearrange", "reduce", "reduceat",
    "scan", "search", "sets", "shape", "sort", "standard", "statistics", "transcendental",
    "update",
)  # fmt: skip


def load() -> None:
    """Register all operators; called when the first function is traced, not by ``import mlc``."""
    for name in DECLARATIONS:
        import_module(f"{__name__}.{name}")
