"""Conversions with NumPy's meaning.

Out of range, a float becomes what x86's conversions give (the least integer, or its low bits), like
NumPy. ``freeze`` turns LLVM's poison into just that, at no cost.
"""

from __future__ import annotations

from ...dtypes import (
    DType,
    boolean,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint32,
    uint64,
)
from .builder import Builder
from .halves import narrow, widen
from .types import Value, constant, is_half, type_of


def convert(e: Builder, value: Value, dtype: DType) -> Value:
    """``value`` as ``dtype``."""
    source = value.dtype
    if source is dtype:
        return value
    if is_half(source):
        if dtype is boolean:
            return e.compare("une", widen(e, value), constant(0.0, float32))
        return convert(e, widen(e, value), dtype)
    if dtype is boolean:
        if source.is_float:
            return e.compare("une", value, constant(0.0, source))
        return e.compare("ne", value, constant(0, source))
    if is_half(dtype):
        if source is float64:
            if dtype is float16:
                return narrow(e, _round_to_odd(e, value), dtype)
            return narrow(e, _cast(e, "fptrunc", value, float32), dtype)
        return narrow(e, convert(e, value, float32), dtype)
    if source.is_float:
        if dtype.is_float:
            return _cast(e, "fpext" if source is float32 else "fptrunc", value, dtype)
        return _float_to_integer(e, value, dtype)
    if dtype.is_float:
        return _cast(e, "sitofp" if source.kind == "i" else "uitofp", value, dtype)
    return resize(e, value, dtype)


def resize(e: Builder, value: Value, dtype: DType) -> Value:
    """An integer or bool as an integer type: low bits kept, or extended by its own sign."""
    source = value.dtype
    if source.bits == dtype.bits:
        return Value(value.text, dtype, value.lanes)
    if source.bits > dtype.bits:
        return _cast(e, "trunc", value, dtype)
    return _cast(e, "sext" if source.kind == "i" else "zext", value, dtype)


def _cast(e: Builder, opcode: str, value: Value, dtype: DType) -> Value:
    return e.op(f"{opcode} {value} to {type_of(dtype, value.lanes)}", dtype, value.lanes)


def _float_to_integer(e: Builder, value: Value, dtype: DType) -> Value:
    if dtype is uint64:
        # Two conversions to int64, below and above 2**63, as C compilers do it.
        half = constant(2.0**63, value.dtype)
        high = e.binary("fsub", value, half)
        low_bits = _frozen(e, value, int64)
        high_bits = e.binary("xor", _frozen(e, high, int64), constant(-(2**63), int64))
        bits = e.select(e.compare("oge", value, half), high_bits, low_bits)
        return Value(bits.text, uint64, bits.lanes)
    through = int64 if dtype in (uint32, int64) else int32
    return resize(e, _frozen(e, value, through), dtype)


def _frozen(e: Builder, value: Value, dtype: DType) -> Value:
    bits = _cast(e, "fptosi", value, dtype)
    return e.op(f"freeze {bits}", dtype, bits.lanes)


def _round_to_odd(e: Builder, value: Value) -> Value:
    """float64 to float32 such that rounding once more, to float16, rounds correctly."""
    single = _cast(e, "fptrunc", value, float32)
    back = _cast(e, "fpext", single, float64)
    larger = e.compare("ogt", e.intrinsic("fabs", (back,)), e.intrinsic("fabs", (value,)))
    inexact = e.compare("one", back, value)
    bits = e.bitcast(single, int32)
    toward_zero = e.binary("sub", bits, _cast(e, "zext", larger, int32))
    odd = e.binary("or", toward_zero, _cast(e, "zext", inexact, int32))
    return e.bitcast(odd, float32)
