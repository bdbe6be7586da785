"""cbrt, hypot."""

from __future__ import annotations

from ...dtypes import float32, uint32, uint64
from ...ir.expr import Expr, apply, const, select
from .registry import expansion
from .terms import (
    INF,
    bits,
    by_type,
    fma,
    format_of,
    is_normal,
    poly,
    rarely,
    real,
    signed_as,
    sqrt,
)

# ((1 - h)**(-2/3) - 1) / h, and the same with -1/3.
_CBRT_32 = (0.666666806, 0.555538774, 0.493687123, 0.458466172, 0.441394418)
_ROOT_64 = (0.33332877924233623, 0.22352755951934833, 0.17473062895881336)


@expansion()
def cbrt(x: Expr) -> Expr:
    """a * r * r * (1 - h)**(-2/3) for a = abs(x), r about a**(-1/3), h = 1 - a * r**3.

    r has few bits, so that its square and its cube are exact. At first it comes from the bits of a,
    eight of them: log2 of a number is nearly linear in those. Each h is below 0.12; in float64 r
    has another step.
    """
    a = apply("abs", x)
    y = _cbrt_of_normal(a)
    lift = by_type(x, 24, 54)
    up, down = const(2.0**lift, x.dtype), const(2.0**-lift, x.dtype)
    back, forth = const(2.0 ** (-lift // 3), x.dtype), const(2.0 ** (lift // 3), x.dtype)
    small = a < 1.0
    scaled = _cbrt_of_normal(a * select(small, up, down)) * select(small, back, forth)
    rest = select((a > 0.0) & (a < INF), scaled, a)
    return signed_as(select(is_normal(a, 3), y, rarely(rest)), x)


def _cbrt_of_normal(a: Expr) -> Expr:
    form = format_of(a)
    single = a.dtype is float32
    cut = form.mantissa - 7
    raw = apply("bitcast", bits(a), dtype=uint32 if single else uint64) >> cut
    magic = 2.0**form.mantissa
    start = (4 / 3 * form.bias - 0.0715) * 2.0**7
    number = real(raw | (form.bias + form.mantissa) << form.mantissa, a)
    third = fma(number, -1 / 3, magic / 3 + start + form.shifter)
    r = real(bits(third) << cut, a)
    if not single:
        h = fma(-a * r, r * r, 1.0)
        r = fma(r * h, poly(h, _ROOT_64), r)
        r = real(bits(r) & -(1 << 36), a)
    square = r * r
    y, h = a * square, fma(-a, square * r, 1.0)
    return fma(y * h, poly(h, _CBRT_32 if single else (2 / 3, 5 / 9, 40 / 81)), y)


@expansion()
def hypot(x: Expr, y: Expr) -> Expr:
    """sqrt(x * x + y * y), scaled by a power of two where the squares would leave the range."""
    a, b = apply("abs", x), apply("abs", y)
    top = select(a > b, a, b)
    edge, shift = (60, 100) if x.dtype is float32 else (500, 600)

    def number(value: float) -> Expr:
        return const(value, x.dtype)

    large, little = top > 2.0**edge, top < 2.0**-edge
    scale = select(large, number(2.0**-shift), select(little, number(2.0**shift), number(1.0)))
    back = select(large, number(2.0**shift), select(little, number(2.0**-shift), number(1.0)))
    a, b = a * scale, b * scale
    length = sqrt(fma(a, a, b * b)) * back
    infinite = apply("isinf", x) | apply("isinf", y)
    return select(infinite, INF, length)
