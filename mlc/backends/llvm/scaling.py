"""Products with powers of 2: one instruction where there is one, else two factors on the bits."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import float32, int32, int64
from .emitter import Emitter
from .types import Value, constant, type_of


def scale(e: Emitter, n: Value, biased: Value, y: Value) -> Value:
    """``y * 2**n``, rounded once; the low bits of ``biased`` are n + 2 * bias."""
    if _is_instruction(e, y):
        from .lookups import by_registers

        return by_registers(e, [y, n], 64 // y.dtype.itemsize, lambda piece: _instruction(e, piece))
    integer, mantissa = (int32, 23) if y.dtype is float32 else (int64, 52)
    bits, lanes = e.bitcast(biased, integer), biased.lanes

    def number(value: int) -> Value:
        return constant(value, integer, lanes)

    # Two factors of half the exponent each stay in range.
    half = e.binary("shl", bits, number(mantissa - 1))
    half = e.binary("and", half, number(-(1 << mantissa)))
    rest = e.binary("sub", e.binary("shl", bits, number(mantissa)), half)
    first = e.binary("fmul", y, e.bitcast(half, y.dtype))
    return e.binary("fmul", first, e.bitcast(rest, y.dtype))


def unless_below(e: Emitter, low: Value, x: Value) -> Value:
    """``x``, or 0 where that is below ``low`` and an instruction could not leave out the lane."""
    if _is_instruction(e, x):
        return x
    zero = constant(0.0, x.dtype, x.lanes)
    return e.select(e.compare("olt", x, low), zero, x)


def _is_instruction(e: Emitter, y: Value) -> bool:
    return y.lanes > 1 and "+avx512f" in e.target.features.split(",")


def _instruction(e: Emitter, piece: Sequence[Value]) -> Value:
    y, n = piece
    kind, suffix = type_of(y.dtype, y.lanes), "ps" if y.dtype is float32 else "pd"
    name = f"@llvm.x86.avx512.mask.scalef.{suffix}.512"
    e.declare(f"declare {kind} {name}({kind}, {kind}, {kind}, i{y.lanes}, i32)")
    rounding = 4  # as the processor is set
    call = f"call {kind} {name}({y}, {n}, {kind} zeroinitializer, i{y.lanes} -1, i32 {rounding})"
    return e.op(call, y.dtype, y.lanes)
