"""Functions of the C library, lane by lane: what no pass has expanded."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import float32
from .builder import Builder
from .types import Value

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


def call_math(e: Builder, fn: str, args: Sequence[Value]) -> Value:
    """``fn`` of float32 or float64 arguments of equal lanes, by one call for each lane."""
    dtype, lanes = args[0].dtype, args[0].lanes
    name = MATH_CALLS[fn] + ("f" if dtype is float32 else "")
    kind = "float" if dtype is float32 else "double"
    e.declare(f"declare {kind} @{name}({', '.join([kind] * len(args))}) nounwind")

    def one(parts: Sequence[Value]) -> Value:
        return e.op(f"call {kind} @{name}({', '.join(map(repr, parts))})", dtype)

    if not lanes:
        return one(args)
    return e.gathered([one([e.extract(arg, i) for arg in args]) for i in range(lanes)])
