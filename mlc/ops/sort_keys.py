"""Unsigned numbers in the order in which NumPy has the elements that they stand for."""

from __future__ import annotations

from ..dtypes import DType, as_dtype, boolean
from ..ir.expr import Expr, apply, cast, const, select


def key_dtype(dtype: DType) -> DType:
    """The unsigned integers that hold the keys of ``dtype``."""
    return as_dtype(f"uint{dtype.itemsize * 8}")


def sort_key(x: Expr, zeros_apart: bool = False) -> Expr:
    """An unsigned number; numbers are ordered as NumPy orders what they are made from.

    NaN has the greatest key. Zeros of both signs have one key, unless ``zeros_apart``: then -0.0
    comes first, and :func:`from_key` has what it needs.
    """
    kind = key_dtype(x.dtype)
    if x.dtype is boolean or x.dtype.kind == "u":
        return cast(x, kind)
    top = const(1 << (kind.bits - 1), kind)
    if x.dtype.kind == "i":
        return cast(x, kind) ^ top
    bits = apply("bitcast", x, dtype=kind)
    key = select(bits >= top, ~bits, bits | top)
    if not zeros_apart:
        key = select(apply("eq", x, const(0, x.dtype)), top, key)
    return select(apply("isnan", x), const(kind.highest, kind), key)


def from_key(key: Expr, dtype: DType) -> Expr:
    """What :func:`sort_key` made ``key`` from."""
    if dtype is boolean or dtype.kind == "u":
        return cast(key, dtype)
    top = const(1 << (key.dtype.bits - 1), key.dtype)
    if dtype.kind == "i":
        return cast(key ^ top, dtype)
    return apply("bitcast", select(key >= top, key ^ top, ~key), dtype=dtype)
