"""cbrt, hypot, pow."""

from __future__ import annotations

from ...dtypes import float32
from ...ir.expr import Expr, ExprLike, apply, cast, const, select
from .exponential import EXP2_64
from .logarithm import parts
from .registry import expansion
from .terms import (
    INF,
    NAN,
    at_least,
    at_most,
    bits,
    by_type,
    fma,
    format_of,
    nearest,
    poly,
    real,
    scaled,
    signed_as,
    sqrt,
)

# Finer than exp2's own, so that powers that are integers come out exact.
_EXP2_32 = (
    1, 0.693147182, 0.240226492, 0.055503618, 0.00961838011, 0.00133899332, 0.000153524394,
)  # fmt: skip
# 2 / ln 2 and a third of it, each in two parts, and log2((1 + s) / (1 - s)) beyond the first terms.
_SLOPE_32 = (2.885390043258667, 3.851926067000022e-08)
_SLOPE_64 = (2.8853900817779268, 4.0710547481862066e-17)
_CUBIC_64 = (0.9617966939259756, 5.0577616648125907e-17)
_REST_32 = (0.961796701, 0.577075243, 0.412285656, 0.328209698)
_REST_64 = (
    0.57707801635558575, 0.41219858310982227, 0.32059889868554631, 0.26230804514212236,
    0.22196697912348448, 0.19167413279223772, 0.18632425345944448,
)  # fmt: skip


@expansion()
def cbrt(x: Expr) -> Expr:
    """a * r * r for a = abs(x), r = a**(-1/3): from the exponent, then by steps of order 4."""
    form = format_of(x)
    small = x.dtype is float32
    a = apply("abs", x)
    subnormal = a < 2.0 ** (1 - form.bias)
    lift = 24 if small else 54
    b = select(subnormal, a * 2.0**lift, a)
    # log2 of a number is nearly linear in its bits; -1/3 of the bias must become the bias.
    third = cast(cast(bits(b), x.dtype) * (-1 / 3), form.integer)
    r = real(third + int((4 / 3 * form.bias - 0.05) * 2**form.mantissa), x)
    for _ in range(1 if small else 2):
        h = fma(-b * r, r * r, 1.0)
        r = fma(r * h, fma(h, fma(h, 14 / 81, 2 / 9), 1 / 3), r)
    y = b * r * r
    # One Newton step, whose residual b - y**3 is computed exactly enough.
    square = y * y
    rest = fma(square, y, -b) + fma(y, y, -square) * y
    y = fma(rest * (r * r), -1 / 3, y)
    y = select(subnormal, y * 2.0 ** (-lift // 3), y)
    return signed_as(select((a > 0.0) & (a < INF), y, a), x)


@expansion()
def hypot(x: Expr, y: Expr) -> Expr:
    """sqrt(x * x + y * y), scaled by a power of two where the squares would leave the range."""
    a, b = apply("abs", x), apply("abs", y)
    top = select(a > b, a, b)
    edge, shift = (60, 70) if x.dtype is float32 else (500, 600)

    def number(value: float) -> Expr:
        return const(value, x.dtype)

    large, little = top > 2.0**edge, top < 2.0**-edge
    scale = select(large, number(2.0**-shift), select(little, number(2.0**shift), number(1.0)))
    back = select(large, number(2.0**shift), select(little, number(2.0**-shift), number(1.0)))
    a, b = a * scale, b * scale
    length = sqrt(fma(a, a, b * b)) * back
    infinite = apply("isinf", x) | apply("isinf", y)
    return select(infinite, INF, length)


def _product(a: Expr, b: ExprLike) -> Expr:
    """``a * b``, rounded even where it is added to something: a code generator may fuse ``mul``."""
    return fma(a, b, -0.0)


def _two_sum(large: Expr, little: Expr) -> tuple[Expr, Expr]:
    """The sum and what it rounds off; ``large`` is 0 or the larger one."""
    total = large + little
    return total, little - (total - large)


def log2_in_two(a: Expr) -> tuple[Expr, Expr]:
    """log2 of a positive finite number as high + low, with some ten bits beyond the precision.

    log2(1 + f) = 2 / ln 2 * (s + s**3 / 3 + ...), s = f / (2 + f), which is kept in two parts too.
    """
    e, f = parts(a)
    below = f + 2.0
    inverse = 1.0 / below
    s = f * inverse
    lost = fma(-s, below, f) - s * (f - (below - 2.0))
    s_low = lost * inverse
    slope, slope_low = _SLOPE_32 if a.dtype is float32 else _SLOPE_64
    line = _product(s, slope)
    line_low = fma(s, slope, -line) + fma(s, slope_low, s_low * slope)
    high, low = _two_sum(e, line)
    z = s * s
    if a.dtype is float32:
        return _two_sum(high, low + fma(s * z, poly(z, _REST_32), line_low))
    cubic, cubic_low = _CUBIC_64
    z_low = fma(s, s, -z) + 2.0 * s * s_low
    g = s * cubic
    g_low = fma(s, cubic, -g) + fma(s, cubic_low, s_low * cubic)
    third = _product(g, z)
    third_low = fma(g, z, -third) + fma(g, z_low, g_low * z)
    high, more = _two_sum(high, third)
    rest = fma(s * z * z, poly(z, _REST_64), third_low + line_low)
    return high, (low + more) + rest


@expansion(name="pow")
def power(x: Expr, y: Expr) -> Expr:
    """2**(y * log2(abs(x))) with C's rules for special values."""
    zero, one = const(0.0, x.dtype), const(1.0, x.dtype)
    a = apply("abs", x)
    high, low = log2_in_two(a)
    high = select((a > 0.0) & (a < INF), high, select(a > 0.0, a, select(a == 0.0, -INF, a)))
    product = y * high
    limit = by_type(x, 200.0, 1200.0)
    large = apply("abs", product) > limit
    rest = select(large, zero, fma(y, high, -product) + y * low)
    product = at_most(at_least(product, -limit), limit)
    n, i = nearest(product, 1.0, 2 * format_of(x).bias)
    size = scaled(poly((product - n) + rest, _EXP2_32 if x.dtype is float32 else EXP2_64), i)
    size = select((a == 1.0) | (y == 0.0), one, size)
    whole = apply("floor", y)
    odd = (apply("floor", y * 0.5) * 2.0 != whole) & (whole == y)
    size = select(odd & (bits(x) < 0), -size, size)
    impossible = (x < 0.0) & (a < INF) & (whole != y)
    return select(impossible, select(y == y, NAN, y), size)
