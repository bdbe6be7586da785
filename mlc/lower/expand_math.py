"""expand_math: ``exp(x)`` -> a polynomial with fused multiply-adds, and so on."""

from __future__ import annotations

from ..dtypes import float32
from ..ir.expr import Apply, Expr, cast
from ..ir.program import Program, map_exprs
from ..ir.rewrite import rewrite

_NARROW = ("float16", "bfloat16")
# Instructions; the modules of expansions are not imported for the sake of these.
_BASIC = frozenset({
    "abs", "add", "bitand", "bitcast", "bitor", "bitxor", "ceil", "copysign", "div", "eq", "floor",
    "fma", "ge", "gt", "invert", "isfinite", "isinf", "isnan", "le", "lt", "maximum", "minimum",
    "mul", "ne", "neg", "rint", "shl", "shr", "signbit", "sqrt", "sub", "trunc",
})  # fmt: skip


def expand_math(root: Expr, memo: dict[Expr, Expr] | None = None) -> Expr:
    """``root`` with every function that has an expansion for its type replaced by that.

    float16 and bfloat16 go through float32: ``exp(h)`` -> ``float16(exp(float32(h)))``. Functions
    without an expansion stay, and so do those named ``libm_...``: the rare sides of expansions.
    """
    return rewrite(root, _expanded, memo)


def expand_math_program(program: Program) -> Program:
    """:func:`expand_math` for every expression of ``program``."""
    memo: dict[Expr, Expr] = {}
    return program.with_body(map_exprs(program.body, lambda root: expand_math(root, memo)))


def _expanded(node: Expr) -> Expr | None:
    if not isinstance(node, Apply) or node.fn in _BASIC:
        return None
    from .maths import expansion_of

    is_narrow = node.dtype.name in _NARROW
    expand = expansion_of(node.fn, float32 if is_narrow else node.dtype)
    if expand is None:
        return None
    if is_narrow:
        return cast(expand(*(cast(arg, float32) for arg in node.args)), node.dtype)
    return expand(*node.args)
