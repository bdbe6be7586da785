"""Functions of the C library, lane by lane: what no pass has expanded."""

from __future__ import annotations

MATH_CALLS: dict[str, str] = {
    name: name
    for name in (
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh",
        "cosh", "tanh", "cbrt", "erf", "erfc", "hypot", "pow",
    )
} | {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "libm_sin": "sin", "libm_cos": "cos", "libm_tan": "tan",
}  # fmt: skip
