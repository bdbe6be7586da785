"""Which int64 expressions a Python int computes exactly."""

from __future__ import annotations

from collections.abc import Mapping

from ..dtypes import int64
from .expr import Apply, Const, Expr, Var

_LIMIT = 1 << 62


def magnitude(expr: Expr, extents: Mapping[Var, int], known: dict[Expr, int | None]) -> int | None:
    """A bound on the absolute value of ``expr`` and of everything inside it.

    None unless it is arithmetic of constants and of variables with known ``extents`` that stays
    clear of 2**62: then unbounded Python ints give what wrapping int64 would. ``known`` is a memo.
    """
    if expr.dtype is not int64:
        return None
    if expr in known:
        return known[expr]
    found: int | None = None
    match expr:
        case Const(value=value):
            found = abs(value)
        case Var():
            found = extents.get(expr)
        case Apply(fn="floordiv" | "mod" as fn, args=(a, Const(value=d))) if d != 0:
            part = magnitude(a, extents, known)
            if part is not None:
                found = max(part, abs(d)) if fn == "mod" else part + 1
        case Apply(fn="add" | "sub" | "mul" | "minimum" | "maximum" as fn, args=(a, b)):
            left = magnitude(a, extents, known)
            right = None if left is None else magnitude(b, extents, known)
            if left is not None and right is not None:
                found = left * right if fn == "mul" else left + right
                found = max(found, left, right)
        case Apply(fn="neg", args=(a,)):
            found = magnitude(a, extents, known)
    if found is not None and found >= _LIMIT:
        found = None
    known[expr] = found
    return found
