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
from .terms import bits, by_type, fma, format_of, nearest, negated_if_odd, poly, real, signed_as

# Rounded towards zero: as all parts are positive, x - n * part keeps -0.0 when n = 0.
PI_32 = (3.141592502593994, 1.5099578831723193e-07, 1.078060505991553e-14)
PI_64 = (3.141592653589793, 1.224646799147353e-16, 2.1657133478438278e-32)

_SIN_32 = (-0.166666597, 0.00833306648, -0.000198094407, 2.60513934e-06)
_SIN_64 = (
    -0.16666666666666666, 0.0083333333333332031, -0.00019841269841210552,
    2.755731921116485e-06, -2.5052106862501823e-08, 1.6058938706554719e-10,
    -7.6429556649102826e-13, 2.7207138824965192e-15,
)  # fmt: skip
_TAN_32 = (0.333331406, 0.133392274, 0.0533753075, 0.0245602503, 0.00290869549, 0.00951178838)
_TAN_64 = (
    0.3333333333333266, 0.13333333333430733, 0.053968253919012485, 0.021869489791526177,
    0.0088632166062484492, 0.0035923120420718584, 0.0014546191261704429, 0.00059564635669112642,
    0.00022067143915685419, 0.00014003320120215717, -3.1316142751269962e-05,
    9.3971218534235953e-05, -4.7309853884412292e-05, 2.144701758189407e-05,
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
    """x = n * pi / 2 + r: tan(r) for even n, -1 / tan(r) for odd. tan may be steep, so r has two
    parts. x less the first part of n * pi / 2 is exact, and has no bits below those of the second:
    what their sum rounds off is found exactly."""
    n, i = nearest(x, 2 / math.pi)
    first, second, third = (-part / 2 for part in (PI_32 if x.dtype is float32 else PI_64))
    rest = fma(n, first, x)
    product = fma(n, second, -0.0)
    r = rest + product
    low = fma(n, third, fma(n, second, -product) + (product - (r - rest)))
    t = r * r
    steep = fma(r * t, poly(t, _TAN_32 if x.dtype is float32 else _TAN_64), fma(low, t, low))
    y = signed_as(r + steep, r)  # -0.0 stays that
    inverse = -1.0 / y
    inverse = fma(inverse * inverse, steep - (y - r), inverse)  # less what y rounds off
    result = select((i & 1) > 0, inverse, y)
    return or_libm("tan", x, result)
