"""float32 and float64: what processors have instructions for, and a little more, on their bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dtypes import DType, float16, float32, float64, int16, int32, int64
from .builder import Builder
from .types import Value, constant, is_half, type_of

Args = Sequence[Value]


def _binary(opcode: str) -> Callable[[Builder, Args], Value]:
    return lambda e, args: e.binary(opcode, args[0], args[1])


def _compare(predicate: str) -> Callable[[Builder, Args], Value]:
    return lambda e, args: e.compare(predicate, args[0], args[1])


def _intrinsic(name: str) -> Callable[[Builder, Args], Value]:
    return lambda e, args: e.intrinsic(name, args)


def _extreme(predicate: str) -> Callable[[Builder, Args], Value]:
    """Minimum or maximum where NaN wins. One instruction if either side is a number for certain."""

    def emit(e: Builder, args: Args) -> Value:
        a, b = args
        if b.const is not None:
            a, b = b, a
        # The processor's minimum gives the second operand if either is NaN, as does this pair.
        best = e.select(e.compare(predicate, a, b), a, b)
        if a.const is not None and a.const == a.const:
            return best
        return e.select(e.compare("uno", a, a), a, best)

    return emit


def _number(predicate: str) -> Callable[[Builder, Args], Value]:
    """Minimum or maximum where NaN loses."""

    def emit(e: Builder, args: Args) -> Value:
        a, b = args
        best = e.select(e.compare(predicate, a, b), a, b)
        return e.select(e.compare("uno", b, b), a, best)

    return emit


def _fma(e: Builder, args: Args) -> Value:
    if e.has_fma:
        return e.intrinsic("fma", args)
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


def _fabs(e: Builder, args: Args) -> Value:
    return e.intrinsic("fabs", args)


def _finite(predicate: str) -> Callable[[Builder, Args], Value]:
    infinity = float("inf")
    return lambda e, args: e.compare(predicate, _fabs(e, args), constant(infinity, args[0].dtype))


def bits_of(e: Builder, value: Value) -> Value:
    """The bits of a float as a signed integer."""
    return e.bitcast(value, {64: int64, 32: int32, 16: int16}[value.dtype.bits])


def _signbit(e: Builder, args: Args) -> Value:
    bits = bits_of(e, args[0])
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
    bits = bits_of(e, x)
    zero, one, sign = (
        constant(v, bits.dtype, x.lanes) for v in (0, 1, -(1 << (bits.dtype.bits - 1)))
    )
    a, b = widen(e, x), widen(e, y)
    away = e.binary("xor", e.compare("ogt", b, a), e.compare("slt", bits, zero))
    moved = e.binary("add", bits, e.select(away, one, constant(-1, bits.dtype, x.lanes)))
    least = e.binary("or", e.binary("and", bits_of(e, y), sign), one)
    moved = e.select(e.compare("oeq", a, constant(0.0, a.dtype)), least, moved)
    same = bits if x.dtype is float16 else bits_of(e, y)
    moved = e.select(e.compare("oeq", a, b), same, moved)
    total = e.binary("fadd", a, b)
    nan = bits_of(e, narrow(e, total, x.dtype) if is_half(x.dtype) else total)
    return e.bitcast(e.select(e.compare("uno", a, b), nan, moved), x.dtype)


FLOAT_FNS: dict[str, Callable[..., Value]] = {
    "add": _binary("fadd"),
    "sub": _binary("fsub"),
    "mul": _binary("fmul"),
    "div": _binary("fdiv"),
    "fmod": _binary("frem"),
    "floordiv": lambda e, args: _divmod(e, args)[0],
    "mod": lambda e, args: _divmod(e, args)[1],
    "minimum": _extreme("olt"),
    "maximum": _extreme("ogt"),
    "fmin": _number("olt"),
    "fmax": _number("ogt"),
    "eq": _compare("oeq"),
    "ne": _compare("une"),
    "lt": _compare("olt"),
    "le": _compare("ole"),
    "gt": _compare("ogt"),
    "ge": _compare("oge"),
    "neg": lambda e, args: e.op(f"fneg {args[0]}", args[0].dtype, args[0].lanes),
    "abs": _fabs,
    "fma": _fma,
    "sqrt": _intrinsic("sqrt"),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "trunc": _intrinsic("trunc"),
    "rint": _intrinsic("roundeven"),
    "copysign": _intrinsic("copysign"),
    "isnan": lambda e, args: e.compare("uno", args[0], args[0]),
    "isinf": _finite("oeq"),
    "isfinite": _finite("olt"),
    "nextafter": next_after,
    "signbit": _signbit,
}
