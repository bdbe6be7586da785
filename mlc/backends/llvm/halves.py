"""float16 and bfloat16 to float32 and back: they compute in float32, rounded after each step."""

from __future__ import annotations

from ...dtypes import DType, float16, float32, uint16, uint32
from .builder import Builder
from .types import Value, constant, is_half, type_of


def widen(e: Builder, value: Value) -> Value:
    """float16 or bfloat16 as float32; other values as they are."""
    if not is_half(value.dtype):
        return value
    lanes = value.lanes
    if value.const is not None:
        return constant(value.const, float32, lanes)
    if value.dtype is float16 and e.has_f16c:
        half = "half" if not lanes else f"<{lanes} x half>"
        bits = e.raw(f"bitcast {value} to {half}")
        return e.op(f"fpext {half} {bits} to {type_of(float32, lanes)}", float32, lanes)
    short = Value(value.text, uint16, lanes)
    wide = e.op(f"zext {short} to {type_of(uint32, lanes)}", uint32, lanes)
    if value.dtype is float16:
        return _float16_from_bits(e, wide)
    return e.bitcast(e.binary("shl", wide, _bits(16)), float32)


def narrow(e: Builder, value: Value, dtype: DType, exact: bool = False) -> Value:
    """float32 rounded to float16 or bfloat16, ties to even; ``exact`` if nothing is lost by it."""
    lanes = value.lanes
    if dtype is float16 and e.has_f16c:
        half = "half" if not lanes else f"<{lanes} x half>"
        bits = e.raw(f"fptrunc {value} to {half}")
        return e.op(f"bitcast {half} {bits} to {type_of(dtype, lanes)}", dtype, lanes)
    wide = e.bitcast(value, uint32)
    if dtype is float16:
        chosen = _float16_bits(e, wide)
    elif exact:
        chosen = e.binary("lshr", wide, _bits(16))
    else:
        chosen = _bfloat16_bits(e, value, wide)
    short = e.op(f"trunc {chosen} to {type_of(uint16, lanes)}", uint16, lanes)
    return Value(short.text, dtype, lanes)


def _bits(value: int) -> Value:
    return constant(value, uint32)


def _bfloat16_bits(e: Builder, value: Value, wide: Value) -> Value:
    upper = e.binary("lshr", wide, _bits(16))
    bias = e.binary("add", e.binary("and", upper, _bits(1)), _bits(0x7FFF))
    rounded = e.binary("lshr", e.binary("add", wide, bias), _bits(16))
    # A NaN must not round up to infinity: keep its sign and make it quiet.
    nan = e.binary("or", e.binary("and", upper, _bits(0x8000)), _bits(0x7FC0))
    return e.select(e.compare("uno", value, value), nan, rounded)


def _float16_from_bits(e: Builder, wide: Value) -> Value:
    """The exponent is moved by a multiplication, which makes subnormals normal as well."""
    moved = e.binary("shl", e.binary("and", wide, _bits(0x7FFF)), _bits(13))
    scale = constant(2.0**112, float32)
    bits = e.bitcast(e.binary("fmul", e.bitcast(moved, float32), scale), uint32)
    special = e.compare("uge", moved, _bits(0x7C00 << 13))
    bits = e.select(special, e.binary("or", bits, _bits(0x7F800000)), bits)
    sign = e.binary("shl", e.binary("and", wide, _bits(0x8000)), _bits(16))
    return e.bitcast(e.binary("or", bits, sign), float32)


def _float16_bits(e: Builder, wide: Value) -> Value:
    size = e.binary("and", wide, _bits(0x7FFFFFFF))
    sign = e.binary("and", e.binary("lshr", wide, _bits(16)), _bits(0x8000))
    moved = e.binary("sub", size, _bits(112 << 23))
    odd = e.binary("and", e.binary("lshr", moved, _bits(13)), _bits(1))
    normal = e.binary("lshr", e.binary("add", e.binary("add", moved, _bits(0xFFF)), odd), _bits(13))
    # The last bit of 0.5 weighs as much as the last bit of a subnormal float16.
    shifted = e.binary("fadd", e.bitcast(size, float32), constant(0.5, float32))
    small = e.binary("sub", e.bitcast(shifted, uint32), _bits(0x3F000000))
    bits = e.select(e.compare("ult", size, _bits(0x38800000)), small, normal)
    bits = e.select(e.compare("uge", size, _bits(0x47800000)), _bits(0x7C00), bits)
    bits = e.select(e.compare("ugt", size, _bits(0x7F800000)), _bits(0x7E00), bits)
    return e.binary("or", bits, sign)
