"""Vectors of 64-bit integers divided by a constant: by the high half of a product.

Processors have no such product of vectors, and LLVM takes the lanes apart for one each. It is the
sum of four products of halves, of 32 bits, which vectors do have; of numbers below 2**31 one such
product is all. With l bits in d - 1, n // d is ``n * m >> N + l`` for 0 <= n < 2**N, where m is the
first integer above 2**(N + l) / d (Granlund and Montgomery, 1994). A negative number is divided as
its complement is: ``-1 - n`` goes to ``-1 - n // d``.
"""

from __future__ import annotations

from ...dtypes import int64
from ...ir.bounds import interval
from ...ir.expr import Apply, Const
from .emitter import Emitter
from .types import Value, constant

NARROW, WIDE = 31, 63  # bits of the dividend, N above
_LOW = (1 << 32) - 1


def is_by_constant(e: Emitter, expr: Apply, a: Value) -> bool:
    """Whether `divide` does the division ``expr`` of ``a`` faster than LLVM."""
    divisor = expr.args[1]
    if expr.dtype is not int64 or a.lanes < 2 or not isinstance(divisor, Const):
        return False
    number = int(divisor.value)
    return e.target.arch == "x86_64" and number > 2 and number & (number - 1) != 0


def divide(e: Emitter, expr: Apply, a: Value) -> Value:
    """Floor division, or its remainder, of ``a`` in every lane by a constant above 2 that is no
    power of two."""
    divisor = expr.args[1]
    assert isinstance(divisor, Const)
    number = int(divisor.value)
    least, most = interval(expr.args[0], e.facts.ranges)
    if least >= 0:
        quotient = _of_natural(e, a, number, NARROW if most < 1 << NARROW else WIDE)
    else:
        sign = e.binary("ashr", a, _all(63, a))
        quotient = _of_natural(e, e.binary("xor", a, sign), number, WIDE)
        quotient = e.binary("xor", quotient, sign)
    if expr.fn == "floordiv":
        return quotient
    return e.binary("sub", a, e.binary("mul", quotient, _all(number, a)))


def _of_natural(e: Emitter, n: Value, divisor: int, bits: int) -> Value:
    shift = bits + (divisor - 1).bit_length()
    factor = (1 << shift) // divisor + 1
    if bits == NARROW:
        return e.binary("lshr", e.binary("mul", _low(e, n), _all(factor, n)), _all(shift, n))
    return e.binary("lshr", _high_half(e, n, factor), _all(shift - 64, n))


def _high_half(e: Emitter, n: Value, factor: int) -> Value:
    """The upper 64 bits of ``n * factor``, neither of which is negative. No sum wraps."""
    low, high = _low(e, n), _upper(e, n)
    first, second = _all(factor & _LOW, n), _all(factor >> 32, n)
    inner = e.binary("add", e.binary("mul", high, first), _upper(e, e.binary("mul", low, first)))
    outer = e.binary("add", e.binary("mul", low, second), _low(e, inner))
    total = e.binary("add", e.binary("mul", high, second), _upper(e, inner))
    return e.binary("add", total, _upper(e, outer))


def _low(e: Emitter, n: Value) -> Value:
    return e.binary("and", n, _all(_LOW, n))


def _upper(e: Emitter, n: Value) -> Value:
    return e.binary("lshr", n, _all(32, n))


def _all(number: int, like: Value) -> Value:
    return constant(number, int64, like.lanes)
