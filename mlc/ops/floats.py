"""What looks at the bits of numbers: exponents, spacing, counts of ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype, bfloat16, float16, float64, int16, int32, int64
from ..errors import ShapeError
from ..ir.expr import Expr, apply, cast, const, select
from .broadcast import shape_of
from .contract import matmul
from .elementwise import elementwise
from .op import implements
from .shape import expand_dims

_BIAS, _BITS = 1023, 52  # of a float64
_LEAST = -1022  # exponent of the least normal number
_LAYOUTS = {  # integers of the same width, and stored digits
    "float16": (int16, 10), "bfloat16": (int16, 7), "float32": (int32, 23), "float64": (int64, 52),
}  # fmt: skip
_STEP = _BITS + 1  # kept in hand, so that only the last product rounds


def _int(value: int) -> Expr:
    return const(value, int64)


def _power(n: Expr) -> Expr:
    """2**n as float64, for n of a normal number."""
    return apply("bitcast", apply("shl", n + _int(_BIAS), _int(_BITS)), dtype=float64)


def _scaled(x: Expr, n: Expr, test: str, limit: int, step: int) -> tuple[Expr, Expr]:
    over = apply(test, n, _int(limit))
    scale = const(2.0**step, float64)
    return select(over, x * scale, x), select(over, n - _int(step), n)


def _ldexp(v: Expr, exponent: Expr) -> Expr:
    x, n = cast(v, float64), cast(exponent, int64)
    for _ in range(2):
        x, n = _scaled(x, n, "gt", _BIAS, _BIAS)
        x, n = _scaled(x, n, "lt", _LEAST, _LEAST + _STEP)
    n = apply("minimum", apply("maximum", n, _int(_LEAST)), _int(_BIAS))
    return cast(x * _power(n), v.dtype)


def _frexp(v: Expr) -> tuple[Expr, Expr]:
    x = cast(v, float64)
    small = apply("lt", apply("abs", x), const(2.0**_LEAST, float64))
    bits = apply("bitcast", select(small, x * const(2.0**54, float64), x), dtype=int64)
    found = apply("bitand", apply("shr", bits, _int(_BITS)), _int(2047)) - _int(_BIAS - 1)
    exponent = select(small, found - _int(54), found)
    rest = apply("bitand", bits, _int(~(2047 << _BITS)))
    half = apply("bitor", rest, _int((_BIAS - 1) << _BITS))
    fraction = cast(apply("bitcast", half, dtype=float64), v.dtype)
    plain = apply("bitand", apply("isfinite", v), apply("ne", v, const(0, v.dtype)))
    none = const(0, int32)
    return select(plain, fraction, v), select(plain, cast(exponent, int32), none)


def _spacing(v: Expr) -> Expr:
    """What the last bit of ``v`` is worth, with its sign, found on the bits alone: a difference of
    neighbours is off where ``v`` is a product that is not rounded before it is subtracted."""
    (kind, digits), dtype = _LAYOUTS[v.dtype.name], v.dtype

    def whole(value: float) -> Expr:
        return const(int(value), kind)

    bits = apply("bitcast", v, dtype=kind)
    size = bits & whole(kind.highest)
    sign = bits & whole(kind.lowest)
    if dtype is not bfloat16:  # that of zero counts for ml_dtypes alone
        sign = select(apply("eq", size, whole(0)), whole(0), sign)
    endless = int(kind.highest) >> digits << digits  # the bits of infinity
    is_last = size == whole(endless - 1)
    if dtype is float16:  # NumPy looks upwards from negative ones
        is_last = bits == whole(endless - 1)
        size = select(
            apply("lt", bits, whole(0)), apply("maximum", size, whole(1)) - whole(1), size
        )
        sign = whole(0)
    exponent = apply("maximum", apply("shr", size, whole(digits)), whole(1))
    small = apply("shl", whole(1), apply("minimum", exponent - whole(1), whole(digits)))
    large = apply("shl", exponent - whole(digits), whole(digits))
    step = select(apply("gt", exponent, whole(digits)), large, small)
    step = select(is_last, whole(endless), step) | sign
    found = apply("bitcast", step, dtype=dtype)
    return select(apply("isfinite", v), found, const(float("nan"), dtype))


def _bitwise_count(v: Expr) -> Expr:
    """Sums of bits in pairs, fours and bytes, then of the bytes, each step in all of them at once;
    in ``v``'s own width, so that vectors are full."""
    width = 8 * v.dtype.numpy.itemsize
    kind = as_dtype(f"uint{width}")

    def each(byte: int) -> Expr:
        return const(byte * (int(kind.highest) // 255), kind)

    def moved(bits: Expr, by: int) -> Expr:
        return apply("shr", bits, const(by, kind))

    bits = cast(abs(v) if v.dtype.kind == "i" else v, kind)
    bits = bits - (moved(bits, 1) & each(0x55))
    bits = (bits & each(0x33)) + (moved(bits, 2) & each(0x33))
    bits = (bits + moved(bits, 4)) & each(0x0F)
    for by in (8, 16, 32):
        bits = bits + moved(bits, by) if by < width else bits
    return cast(bits, "uint8") & const(0x7F, "uint8")


ldexp = elementwise(np.ldexp, _ldexp)
frexp = elementwise(np.frexp, _frexp)
spacing = elementwise(np.spacing, _spacing)

if hasattr(np, "bitwise_count"):
    bitwise_count = elementwise(np.bitwise_count, _bitwise_count)


def check_dims(name: str, needed: tuple[int, ...], *operands: Any) -> None:
    """ShapeError for an operand of fewer axes than a matrix or a vector has."""
    for number, (x, least) in enumerate(zip(operands, needed, strict=True)):
        if len(shape_of(x)) < least:
            raise ShapeError(
                f"{name}: operand {number} has shape {shape_of(x)}, and needs {least} axes at least"
            )


def matvec(x1: Any, x2: Any, /) -> Any:
    """np.matvec: matrices times vectors, other axes broadcast."""
    check_dims("matvec", (2, 1), x1, x2)
    return matmul(x1, expand_dims(x2, -1))[..., 0]


def vecmat(x1: Any, x2: Any, /) -> Any:
    """np.vecmat: vectors times matrices, other axes broadcast."""
    check_dims("vecmat", (1, 2), x1, x2)
    return matmul(expand_dims(x1, -2), x2)[..., 0, :]


if hasattr(np, "matvec"):  # NumPy 2.2
    implements(np.matvec)(matvec)
    implements(np.vecmat)(vecmat)
