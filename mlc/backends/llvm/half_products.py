"""Sums of two products of bfloat16: the instruction that multiplies and adds both at once."""

from __future__ import annotations

from ...dtypes import float32, int32
from ...ir.expr import Apply, Const, Expr
from .emitter import Emitter
from .types import Value


def accumulate_halves(e: Emitter, total: Value, value: Expr) -> Value | None:
    """``total + value`` as one instruction for float32 vectors, where ``value`` is the sum of the
    products of the lower and of the upper halves of two numbers; else None.

    x86: ``vdpbf16ps`` of AVX512-BF16.
    """
    lanes = total.lanes
    if total.dtype is not float32 or not e.target.has_dot2 or lanes not in (4, 8, 16):
        return None
    pair = _pair(value)
    if pair is None:
        return None
    a, b = (e.splat(e.value(arg), lanes) for arg in pair)
    whole, parts = f"<{lanes} x float>", f"<{2 * lanes} x bfloat>"
    name = f"@llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}"
    e.declare(f"declare {whole} {name}({whole}, {parts}, {parts})")
    left, right = (e.raw(f"bitcast {arg} to {parts}") for arg in (a, b))
    return e.op(f"call {whole} {name}({total}, {parts} {left}, {parts} {right})", float32, lanes)


def _pair(value: Expr) -> tuple[Expr, Expr] | None:
    """(a, b) where the value is ``low(a) * low(b) + high(a) * high(b)``."""
    match value:
        case Apply("add", (Apply("mul", first), Apply("mul", second))):
            return _halves(first, second) or _halves(second, first)
    return None


def _halves(lower: tuple[Expr, ...], upper: tuple[Expr, ...]) -> tuple[Expr, Expr] | None:
    a, b = (_half(x, "shl") for x in lower)
    c, d = (_half(x, "bitand") for x in upper)
    if a is None or b is None:
        return None
    return (a, b) if (a is c and b is d) or (a is d and b is c) else None


def _half(value: Expr, fn: str) -> Expr | None:
    """``x`` of ``x << 16`` or ``x & -65536``, whichever ``fn`` names, read as float32."""
    constant = 16 if fn == "shl" else -65536
    match value:
        case Apply("bitcast", (Apply(name, (x, Const(value=number))),)) if name == fn:
            pass
        case Apply("bitcast", (Apply(name, (Const(value=number), x)),)) if name == fn == "bitand":
            pass
        case _:
            return None
    is_half = number == constant and x.dtype is int32 and value.dtype is float32
    return x if is_half else None
