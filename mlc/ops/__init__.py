"""The operators, all by declaration. `load` imports the declarations, which registers them; where
`load_basic` has brought what is wanted, the others wait."""

from importlib import import_module

DECLARATIONS = (
    "arithmetic", "bessel", "bits", "calculus", "choosing", "contract", "convolve",
    "convolve_nd", "correlate", "counting", "create", "derived", "divisors", "einsum",
    "elementwise", "floats", "folds", "index", "join", "linalg", "logic", "matrix",
    "matrix_functions", "nn", "polynomials", "quantile", "rearrange", "reduce", "reduceat",
    "scan", "search", "sets", "shape", "sort", "standard", "statistics", "strided",
    "transcendental", "update",
)  # fmt: skip


BASIC = ("elementwise", "logic", "reduce", "shape")


def load() -> None:
    """Register all operators; called when one is wanted, not by ``import mlc``."""
    for name in DECLARATIONS:
        import_module(f"{__name__}.{name}")


def load_basic() -> None:
    """Register the operators of simple functions, among them nearly all ufuncs."""
    for name in BASIC:
        import_module(f"{__name__}.{name}")
