"""Integers and bool: wrapping arithmetic, Python's division, shifts by any count, powers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dtypes import boolean, float32, float64, int32
from .builder import PREDICATES, Builder
from .types import Value, constant, type_of

Args = Sequence[Value]
Row = Callable[[Builder, Args], Value]


def _binary(opcode: str) -> Row:
    return lambda e, args: e.binary(opcode, args[0], args[1])


def _compare(signed: str, unsigned: str) -> Row:
    return lambda e, args: e.compare(
        signed if args[0].dtype.kind == "i" else unsigned, args[0], args[1]
    )


def _extreme(signed: str, unsigned: str) -> Row:
    return lambda e, args: e.intrinsic(signed if args[0].dtype.kind == "i" else unsigned, args)


def _same(e: Builder, args: Args) -> Value:
    return args[0]


def _always(value: bool) -> Row:
    return lambda e, args: constant(value, boolean, args[0].lanes)


def _zero(value: Value) -> Value:
    return constant(0, value.dtype, value.lanes)


def _divide(e: Builder, args: Args) -> tuple[Value, Value]:
    """Quotient and remainder rounded towards 0; both 0 where the divisor is 0."""
    a, b = args
    one = constant(1, a.dtype, a.lanes)
    signed = a.dtype.kind == "i"
    if b.const is not None and b.const not in (0, -1):
        quotient = e.binary("sdiv" if signed else "udiv", a, b)
        return quotient, e.binary("sub", a, e.binary("mul", quotient, b))
    none = e.compare("eq", b, _zero(b))
    if not signed:
        safe = e.select(none, one, b)
        quotient = _quotient(e, a, safe)
        rest = _rest(e, a, safe, quotient)
        return e.select(none, _zero(a), quotient), e.select(none, _zero(a), rest)
    # The least integer divided by -1 traps: negate instead, which wraps.
    minus = e.compare("eq", b, constant(-1, b.dtype, b.lanes))
    safe = e.select(e.binary("or", none, minus), one, b)
    quotient = _quotient(e, a, safe)
    rest = _rest(e, a, safe, quotient)
    quotient = e.select(minus, e.binary("sub", _zero(a), a), quotient)
    return e.select(none, _zero(a), quotient), e.select(none, _zero(a), rest)


def _rest(e: Builder, a: Value, b: Value, quotient: Value) -> Value:
    """What ``quotient`` leaves of ``a``: of single numbers an instruction gives both at once."""
    if not a.lanes and not b.lanes:
        return e.binary("srem" if a.dtype.kind == "i" else "urem", a, b)
    return e.binary("sub", a, e.binary("mul", quotient, b))


def _quotient(e: Builder, a: Value, b: Value) -> Value:
    """``a / b`` towards 0, where that cannot trap.

    Processors divide vectors of floats alone. Up to 32 bits that is exact in float64 (up to 16 in
    float32): a quotient that is no integer is further from one than the rounding error.
    """
    signed = a.dtype.kind == "i"
    if not a.lanes or a.dtype.bits > 32:
        return e.binary("sdiv" if signed else "udiv", a, b)
    wide = float64 if a.dtype.bits == 32 else float32
    to, back = ("sitofp", "fptosi") if signed else ("uitofp", "fptoui")
    kind = type_of(wide, a.lanes)
    x, y = (e.op(f"{to} {v} to {kind}", wide, a.lanes) for v in (a, b))
    exact = e.binary("fdiv", x, y)
    return e.op(f"{back} {exact} to {a.type}", a.dtype, a.lanes)


def _floor_divide(e: Builder, args: Args) -> tuple[Value, Value]:
    """Quotient rounded down, remainder with the sign of the divisor."""
    a, b = args
    if a.dtype.kind == "u":
        return _divide(e, args)
    if isinstance(b.const, int) and b.const > 0 and b.const & (b.const - 1) == 0:
        shift = constant(b.const.bit_length() - 1, b.dtype, b.lanes)
        mask = constant(b.const - 1, b.dtype, b.lanes)
        return e.binary("ashr", a, shift), e.binary("and", a, mask)
    quotient, rest = _divide(e, args)
    opposite = e.compare("slt", e.binary("xor", rest, b), _zero(a))
    wrong = e.binary("and", e.compare("ne", rest, _zero(a)), opposite)
    one = constant(1, a.dtype, a.lanes)
    lower = e.binary("sub", quotient, one)
    return e.select(wrong, lower, quotient), e.select(wrong, e.binary("add", rest, b), rest)


def divide_unsigned(e: Builder, fn: str, args: Args) -> Value:
    """Floor division or remainder of a number that is not negative by a positive constant."""
    a, b = e.unify(args)
    assert isinstance(b.const, int)
    power = b.const & (b.const - 1) == 0
    if fn == "mod":
        if power:
            return e.binary("and", a, constant(b.const - 1, b.dtype, b.lanes))
        return e.binary("urem", a, b)
    if power:
        return e.binary("lshr", a, constant(b.const.bit_length() - 1, b.dtype, b.lanes))
    return e.binary("udiv", a, b)


def _shift(opcode: str) -> Row:
    def emit(e: Builder, args: Args) -> Value:
        a, count = args
        bits = a.dtype.bits
        name = opcode if opcode == "shl" else "ashr" if a.dtype.kind == "i" else "lshr"
        if count.const is not None and 0 <= count.const < bits:
            return e.binary(name, a, count)
        last = constant(bits - 1, a.dtype, a.lanes)
        inside = e.compare("ule", count, last)
        safe = e.select(inside, count, last)
        shifted = e.binary(name, a, safe)
        return shifted if name == "ashr" else e.select(inside, shifted, _zero(a))

    return emit


def _abs(e: Builder, args: Args) -> Value:
    return args[0] if args[0].dtype.kind == "u" else e.intrinsic("abs", args[:1], "i1 false")


def _invert(e: Builder, args: Args) -> Value:
    ones = True if args[0].dtype is boolean else -1
    text = constant(ones, args[0].dtype, args[0].lanes)
    return e.binary("xor", args[0], text)


def _power(e: Builder, args: Args) -> Value:
    """Powers by squaring, wrapping; negative ones are 0 but for the bases 1 and -1."""
    a, b = args
    one = constant(1, a.dtype, a.lanes)
    if b.const is not None and 0 <= b.const <= 64:
        return _known_power(e, a, int(b.const)) if b.const else one
    name = e.name("p")
    e.line(f"br label %{name}s")
    e.label(f"{name}s")
    e.line(f"br label %{name}h")
    e.label(f"{name}h")
    out, base, left = (f"%{name}{k}" for k in "obl")
    next_out, next_base, next_left = (f"%{name}n{k}" for k in "obl")
    for now, start, after in ((out, one, next_out), (base, a, next_base), (left, b, next_left)):
        e.line(f"{now} = phi {a.type} [ {start.text}, %{name}s ], [ {after}, %{name}e ]")
    now_left = Value(left, a.dtype, a.lanes)
    odd = e.compare("ne", e.binary("and", now_left, one), _zero(a))
    product = e.op(f"mul {a.type} {out}, {base}", a.dtype, a.lanes)
    e.line(f"{next_out} = select {odd.type} {odd.text}, {product}, {a.type} {out}")
    e.line(f"{next_base} = mul {a.type} {base}, {base}")
    e.line(f"{next_left} = lshr {a.type} {left}, {one.text}")
    more = e.any_lane(e.compare("ne", Value(next_left, a.dtype, a.lanes), _zero(a)))
    e.line(f"br label %{name}e")
    e.label(f"{name}e")
    e.line(f"br i1 {more.text}, label %{name}h, label %{name}x")
    e.label(f"{name}x")
    result = Value(next_out, a.dtype, a.lanes)
    if a.dtype.kind == "u":
        return result
    # An odd negative exponent reads as an odd count, so 1 and -1 come out right by themselves.
    unit = e.compare("eq", e.binary("mul", a, a), one)
    plain = e.compare("sge", b, _zero(b))
    unit = e.binary("and", unit, e.compare("sle", e.intrinsic("abs", (a,), "i1 false"), one))
    return e.select(e.binary("or", plain, unit), result, _zero(a))


def _known_power(e: Builder, base: Value, count: int) -> Value:
    result: Value | None = None
    while True:
        if count & 1:
            result = base if result is None else e.binary("mul", result, base)
        count >>= 1
        if not count:
            assert result is not None
            return result
        base = e.binary("mul", base, base)


_COMPARISONS: dict[str, Row] = {name: _compare(*two) for name, two in PREDICATES.items()}
_BITS: dict[str, Row] = {
    "bitand": _binary("and"),
    "bitor": _binary("or"),
    "bitxor": _binary("xor"),
    "invert": _invert,
}


def _dot4(e: Builder, args: Args) -> Value:
    """Where there is no instruction: byte by byte."""
    from .casts import resize

    dtype = args[1].dtype
    a, b = (resize(e, arg, int32) for arg in args)

    def shifted(opcode: str, value: Value, bits: int) -> Value:
        return e.binary(opcode, value, constant(bits, int32, value.lanes)) if bits else value

    total: Value | None = None
    for shift in (0, 8, 16, 24):
        left = e.binary("and", shifted("lshr", a, shift), constant(255, int32, a.lanes))
        right = shifted("ashr", shifted("shl", b, 24 - shift), 24)
        product = e.binary("mul", left, right)
        total = product if total is None else e.binary("add", total, product)
    assert total is not None
    return resize(e, total, dtype)


_PLAIN: dict[str, Row] = {
    **dict.fromkeys(("floor", "ceil", "trunc", "rint"), _same),
    "isnan": _always(False),
    "isinf": _always(False),
    "isfinite": _always(True),
}

# Beside those that `plain_integer` has.
INTEGER_FNS: dict[str, Row] = {
    **_BITS,
    **_PLAIN,
    "fma": lambda e, args: e.binary("add", e.binary("mul", args[0], args[1]), args[2]),
    "dot4": _dot4,
    "floordiv": lambda e, args: _floor_divide(e, args)[0],
    "mod": lambda e, args: _floor_divide(e, args)[1],
    "fmod": lambda e, args: _divide(e, args)[1],
    "pow": _power,
    "minimum": _extreme("smin", "umin"),
    "maximum": _extreme("smax", "umax"),
    "fmin": _extreme("smin", "umin"),
    "fmax": _extreme("smax", "umax"),
    "shl": _shift("shl"),
    "shr": _shift("shr"),
    "neg": lambda e, args: e.binary("sub", _zero(args[0]), args[0]),
    "abs": _abs,
    "signbit": lambda e, args: (
        e.compare("slt", args[0], _zero(args[0]))
        if args[0].dtype.kind == "i"
        else constant(False, boolean, args[0].lanes)
    ),
}

# As NumPy has it: + is or, * is and; where NumPy refuses bool, the arithmetic of 0 and 1.
BOOL_FNS: dict[str, Row] = {
    **_COMPARISONS,
    **_BITS,
    **_PLAIN,
    "add": _binary("or"),
    "sub": _binary("xor"),
    "mul": _binary("and"),
    "fma": lambda e, args: e.binary("or", e.binary("and", args[0], args[1]), args[2]),
    "dot4": _binary("and"),
    "floordiv": _binary("and"),
    "mod": lambda e, args: constant(False, boolean, args[0].lanes),
    "fmod": lambda e, args: constant(False, boolean, args[0].lanes),
    "pow": lambda e, args: e.binary("or", args[0], _invert(e, args[1:])),
    "minimum": _binary("and"),
    "maximum": _binary("or"),
    "fmin": _binary("and"),
    "fmax": _binary("or"),
    "neg": _same,
    "abs": _same,
    "shl": _same,
    "shr": lambda e, args: e.binary("and", args[0], _invert(e, args[1:])),
    "signbit": _always(False),
}
