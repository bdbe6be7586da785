"""``x.view(dtype)``: the bytes of an array as elements of another dtype."""

from __future__ import annotations

from typing import Any

from .. import te
from ..dtypes import DType, as_dtype, boolean
from ..errors import UnsupportedError
from ..ir.expr import Expr, apply, cast, const
from .aliasing import Others, Static, View
from .broadcast import as_tensor
from .op import op
from .promotion import dtype_of


def _written(x: Any, value: Any, others: Others, static: Static) -> Any:
    return recast(value, dtype=x.dtype)


@op(view=View(_written, lambda x, others, static: x.view(as_dtype(static["dtype"]).numpy)))
def recast(x: Any, *, dtype: Any) -> Any:
    """The bits of ``x`` as ``dtype``; the last axis grows or shrinks where the sizes differ (the
    lowest bytes come first)."""
    x, wanted = as_tensor(x), as_dtype(dtype)
    have, want = x.dtype.itemsize, wanted.itemsize
    if have == want:
        return te.compute(x.shape, lambda *i: _bits_as(x[i], wanted), name="recast")
    *outer, last = x.shape
    if have > want:
        parts = have // want
        return te.compute(
            (*outer, last * parts),
            lambda *i: _part(x[i[:-1] + (i[-1] // parts,)], i[-1] % parts, wanted),
            name="recast",
        )
    parts = want // have
    return te.compute(
        (*outer, last // parts),
        lambda *i: _joined([x[i[:-1] + (i[-1] * parts + k,)] for k in range(parts)], wanted),
        name="recast",
    )


def viewed(x: Any, dtype: Any) -> Any:
    """`recast`, where the sizes fit."""
    have, want = dtype_of(x), as_dtype(dtype)
    if have is want:
        return x
    if want is boolean:
        raise UnsupportedError(
            f"x.view(bool) of {have} cannot be traced: bytes other than 0 and 1 are no bools; "
            f"write x != 0"
        )
    return recast(x, dtype=want)


def _raw(dtype: DType) -> DType:
    return as_dtype(f"uint{dtype.itemsize * 8}")


def _bits_as(value: Expr, dtype: DType) -> Expr:
    """``value`` reinterpreted; as many bits."""
    kind = value.dtype.kind
    if kind in "bu" and dtype.kind in "biu" or kind == "i" and dtype.kind in "iu":
        return cast(value, dtype)  # wraps
    return apply(
        "bitcast", _bits_as(value, _raw(value.dtype)) if kind == "b" else value, dtype=dtype
    )


def _part(value: Expr, number: Expr, dtype: DType) -> Expr:
    bits = _bits_as(value, _raw(value.dtype))
    shifted = apply("shr", bits, cast(number, bits.dtype) * const(dtype.itemsize * 8, bits.dtype))
    return _bits_as(cast(shifted, _raw(dtype)), dtype)


def _joined(values: list[Expr], dtype: DType) -> Expr:
    wide = _raw(dtype)
    total: Expr = const(0, wide)
    for k, value in enumerate(values):
        bits = cast(_bits_as(value, _raw(value.dtype)), wide)
        width = value.dtype.itemsize * 8
        total = total | apply("shl", bits, const(k * width, wide))
    return _bits_as(total, dtype)
