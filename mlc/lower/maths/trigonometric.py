"""sin, cos, tan.

The nearest multiple of pi, or of pi / 2 for tan, is taken off in three fused steps, whose constants
together have three times the precision. That is exact enough up to a limit; the C library's
function serves the few arguments beyond it.
"""

from __future__ import annotations

import math

from ...dtypes import float32
from ...ir.expr import Expr, apply, select
from .registry import expansion
from .terms import bits, by_type, fma, format_of, nearest, negated_if_odd, poly, real

# Rounded towards zero: as all parts are positive, x - n * part keeps -0.0 when n = 0.
PI_32 = (3.141592502593994, 1.5099578831723193e-07, 1.078060505991553e-14)
PI_64 = (3.141592653589793, 1.224646799147353e-16, 2.1657133478438278e-32)

_SIN_32 = (-0.166666597, 0.00833306648, -0.000198094407, 2.60513934e-06)
_SIN_64 = (
    -0.16666666666666666, 0.0083333333333332031, -0.00019841269841210552,
    2.755731921116485e-06, -2.5052106862501823e-08, 1.6058938706554719e-10,
    -7.6429556649102826e-13, 2.7207138824965192e-15,
)  # fmt: skip
_TAN_32 = ((1, -0.095786646), (1, -0.429120481, 0.00971136149))
_TAN_64 = (
    (1, -0.13338361027683843, 0.0034249011877654756, -1.7861930473749059e-05),
    (
        1, -0.4667169436101718, 0.025663882391156131, -0.00031181754775771802,
        4.9820498952667126e-07,
    ),
)  # fmt: skip


def remainder(x: Expr, n: Expr, scale: float) -> Expr:
    """``x - n * pi * scale`` for a power of two ``scale``."""
    for part in PI_32 if x.dtype is float32 else PI_64:
        x = fma(n, -part * scale, x)
    return x


def or_libm(name: str, x: Expr, result: Expr) -> Expr:
    """``result``, or the C library's value for arguments that are too large for the reduction."""
    limit = by_type(x, 2.0**18, 2.0**30)
    return select(apply("abs", x) > limit, apply(f"libm_{name}", x), result)


def sin_of_remainder(r: Expr) -> Expr:
    """sin(r) for abs(r) a little above pi / 2; -0.0 becomes 0.0."""
    t = r * r
    return fma(r * t, poly(t, _SIN_32 if r.dtype is float32 else _SIN_64), r)


@expansion()
def sin(x: Expr) -> Expr:
    """abs(x) = n * pi + r: the sign is that of n's parity and of x."""
    a = apply("abs", x)
    n, i = nearest(a, 1 / math.pi)
    y = negated_if_odd(sin_of_remainder(remainder(a, n, 1.0)), i)
    return or_libm("sin", x, real(bits(y) ^ (bits(x) & format_of(x).sign), x))


@expansion()
def cos(x: Expr) -> Expr:
    """x = (n + 1/2) * pi + r: cos(x) = sin(r) for odd n, -sin(r) for even."""
    magic = format_of(x).shifter + 1.0
    shifted = fma(x, 1 / math.pi, -0.5) + magic
    halves = fma(shifted - magic, 2.0, 1.0)
    r = remainder(x, halves, 0.5)
    return or_libm("cos", x, negated_if_odd(sin_of_remainder(r), bits(shifted)))


@expansion()
def tan(x: Expr) -> Expr:
    """x = n * pi / 2 + r: tan(r) for even n, -1 / tan(r) for odd."""
    n, i = nearest(x, 2 / math.pi)
    r = remainder(x, n, 0.5)
    t = r * r
    above, below = _TAN_32 if x.dtype is float32 else _TAN_64
    p, q = r * poly(t, above), poly(t, below)
    odd = (i & 1) > 0
    result = select(odd, q, p) / select(odd, p, q)
    return or_libm("tan", x, negated_if_odd(result, i))
