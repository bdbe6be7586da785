"""The operators, all by declaration. `load` imports the declarations, which registers them; where
`load_only`, one by one, has brought what is wanted, the others wait."""

from functools import cache
from importlib import import_module

DECLARATIONS = (
    "arithmetic", "bessel", "bits", "calculus", "choosing", "contract", "convolve",
    "convolve_nd", "correlate", "counting", "create", "derived", "divisors", "einsum",
    "elementwise", "floats", "folds", "index", "join", "lexsort", "linalg", "logic", "matrix",
    "matrix_functions", "nn", "pad", "polynomials", "quantile", "rearrange", "reduce", "reduceat",
    "scan", "search", "sets", "shape", "sort", "standard", "statistics", "strided",
    "transcendental", "update",
)  # fmt: skip


BASIC = ("elementwise", "arithmetic", "logic", "reduce", "shape")


# Where common functions of NumPy's are declared, which saves a process all others. None must stand
# here: what does not is looked for in BASIC, and then in all.
_COMMON = {
    "calculus": "ediff1d gradient polyfit polyval unwrap vander",
    "choosing": "argwhere compress extract flatnonzero nonzero trim_zeros",
    "contract": "dot inner kron matmul outer tensordot vdot vecdot",
    "correlate": "convolve corrcoef correlate cov",
    "counting": "bincount histogram",
    "create": "empty_like full_like geomspace linspace logspace meshgrid ones_like zeros_like",
    "derived": "allclose array_equal copy diff select sliding_window_view trapezoid",
    "einsum": "einsum",
    "index": "take take_along_axis",
    "join": "append array_split column_stack concatenate dstack flip fliplr flipud hsplit hstack "
    "repeat roll rot90 split stack tile vsplit vstack",
    "linalg": "cholesky det eigh eigvalsh inv qr slogdet solve svd",
    "matrix": "diag diagflat diagonal trace tril triu",
    "matrix_functions": "lstsq matrix_rank multi_dot pinv",
    "membership": "isin",
    "pad": "pad",
    "quantile": "median percentile quantile",
    "rearrange": "block choose cross delete insert piecewise",
    "scan": "cumprod cumsum cumulative_prod cumulative_sum",
    "search": "digitize interp searchsorted",
    "sets": "intersect1d setdiff1d union1d unique",
    "lexsort": "lexsort",
    "sort": "argpartition argsort partition sort",
    "transcendental": "arccos arccosh arcsin arcsinh arctan arctan2 arctanh cos cosh deg2rad "
    "degrees exp exp2 expm1 log log10 log1p log2 logaddexp rad2deg radians sin sinh tan tanh",
    "statistics": "average mean nanmax nanmean nanmin nanstd nansum nanvar norm std var",
}
HOLDERS = {name: module for module, names in _COMMON.items() for name in names.split()}


def load() -> None:
    """Register all operators; called when one is wanted, not by ``import mlc``."""
    for name in DECLARATIONS:
        import_module(f"{__name__}.{name}")


@cache
def load_only(name: str) -> None:
    """Register the operators of one of DECLARATIONS, and of those that it uses."""
    import_module(f"{__name__}.{name}")
