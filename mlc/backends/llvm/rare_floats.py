"""What few kernels do with float32 and float64: division with remainders, neighbours, signs, and
multiply-adds where processors have none."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import DType, float16, float32, float64, int16, int32, int64
from .builder import Builder
from .types import Value, constant, is_half, type_of

Args = Sequence[Value]


def fma(e: Builder, args: Args) -> Value:
    """Where there is no instruction."""
    if args[0].dtype is float32:
        a, b, c = (_resized(e, "fpext", arg, float64) for arg in args)
        return _resized(e, "fptrunc", e.binary("fadd", e.binary("fmul", a, b), c), float32)
    return _fma_in_parts(e, *args)


def _resized(e: Builder, opcode: str, value: Value, dtype: DType) -> Value:
    return e.op(f"{opcode} {value} to {type_of(dtype, value.lanes)}", dtype, value.lanes)


def _fma_in_parts(e: Builder, a: Value, b: Value, c: Value) -> Value:
    """``a * b + c`` in float64 with an error hardly above half an ulp: factors are split into
    halves, whose products are exact (Dekker), and what the sum rounds off is added (Knuth)."""

    def add(x: Value, y: Value) -> Value:
        return e.binary("fadd", x, y)

    def sub(x: Value, y: Value) -> Value:
        return e.binary("fsub", x, y)

    def mul(x: Value, y: Value) -> Value:
        return e.binary("fmul", x, y)

    def halves(x: Value) -> tuple[Value, Value]:
        lifted = mul(x, constant(2.0**27 + 1, x.dtype))
        high = sub(lifted, sub(lifted, x))
        return high, sub(x, high)

    (a1, a0), (b1, b0) = halves(a), halves(b)
    product = mul(a, b)
    rest = add(add(sub(mul(a1, b1), product), add(mul(a1, b0), mul(a0, b1))), mul(a0, b0))
    total = add(product, c)
    part = sub(total, product)
    lost = add(sub(product, sub(total, part)), sub(c, part))
    result = add(total, add(lost, rest))
    # Infinities and the sign of 0 are those of the plain sum, and so is what splitting overflows.
    size = e.intrinsic("fabs", (result,))
    usual = e.binary(
        "and",
        e.compare("ogt", size, constant(0.0, size.dtype)),
        e.compare("olt", size, constant(float("inf"), size.dtype)),
    )
    return e.select(usual, result, total)


def _bits_of(e: Builder, value: Value) -> Value:
    """The bits of a float as a signed integer."""
    return e.bitcast(value, {64: int64, 32: int32, 16: int16}[value.dtype.bits])


def sign_bit(e: Builder, args: Args) -> Value:
    """Whether it is set."""
    bits = _bits_of(e, args[0])
    return e.compare("slt", bits, constant(0, bits.dtype))


def _divmod(e: Builder, args: Args) -> tuple[Value, Value]:
    """NumPy's quotient and remainder, the remainder with the sign of the divisor."""
    a, b = args
    zero = constant(0.0, a.dtype)
    rest = e.binary("frem", a, b)
    opposite = e.binary("xor", e.compare("olt", b, zero), e.compare("olt", rest, zero))
    nonzero = e.compare("une", rest, zero)
    shift = e.binary("and", nonzero, opposite)
    mod = e.select(shift, e.binary("fadd", rest, b), rest)
    mod = e.select(nonzero, mod, e.intrinsic("copysign", (zero, b)))
    quotient = e.binary("fdiv", e.binary("fsub", a, rest), b)
    quotient = e.select(shift, e.binary("fsub", quotient, constant(1.0, a.dtype)), quotient)
    floor = e.intrinsic("floor", (quotient,))
    gap = e.compare("ogt", e.binary("fsub", quotient, floor), constant(0.5, a.dtype))
    floor = e.select(gap, e.binary("fadd", floor, constant(1.0, a.dtype)), floor)
    exact = e.binary("fdiv", a, b)
    signed = e.intrinsic("copysign", (zero, exact))
    div = e.select(e.compare("une", quotient, zero), floor, signed)
    by_zero = e.compare("oeq", b, zero)
    return e.select(by_zero, exact, div), e.select(by_zero, rest, mod)


def next_after(e: Builder, args: Args) -> Value:
    """The neighbour of a float of any width in the direction of another, found on the bits. Of
    equal numbers it is the second, as in C, but of float16 the first, as in NumPy: they differ in
    the signs of zeros."""
    from .halves import narrow, widen

    x, y = args
    bits = _bits_of(e, x)
    zero, one, sign = (
        constant(v, bits.dtype, x.lanes) for v in (0, 1, -(1 << (bits.dtype.bits - 1)))
    )
    a, b = widen(e, x), widen(e, y)
    away = e.binary("xor", e.compare("ogt", b, a), e.compare("slt", bits, zero))
    moved = e.binary("add", bits, e.select(away, one, constant(-1, bits.dtype, x.lanes)))
    least = e.binary("or", e.binary("and", _bits_of(e, y), sign), one)
    moved = e.select(e.compare("oeq", a, constant(0.0, a.dtype)), least, moved)
    same = bits if x.dtype is float16 else _bits_of(e, y)
    moved = e.select(e.compare("oeq", a, b), same, moved)
    total = e.binary("fadd", a, b)
    nan = _bits_of(e, narrow(e, total, x.dtype) if is_half(x.dtype) else total)
    return e.bitcast(e.select(e.compare("uno", a, b), nan, moved), x.dtype)


def floor_divide(e: Builder, args: Args) -> Value:
    """NumPy's quotient."""
    return _divmod(e, args)[0]


def remainder(e: Builder, args: Args) -> Value:
    """NumPy's remainder."""
    return _divmod(e, args)[1]
