"""log, log2, log10, log1p.

x = 2**e * m with m between sqrt(1/2) and sqrt(2); log(x) = e * ln 2 + log(1 + f) with
f = m - 1, which is exact. Subnormal numbers are scaled up first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ...dtypes import float32, uint64
from ...ir.expr import Expr, apply, cast, const, select
from .registry import expansion
from .terms import INF, NAN, bits, by_type, fma, format_of, is_normal, poly, rarely, real

LN2 = math.log(2)
# log10(2) in two parts, each for float32 and float64.
_LOG10_2 = (
    (0.30103000998497, 0.3010299956639812),
    (-1.43209889e-08, -2.8037281277851704e-18),
)
# log10(e), likewise.
_LOG10_E = (
    (0.4342944920063019, 0.4342944819032518),
    (-1.0103049952192578e-08, 1.098319650216765e-17),
)
_LOG_32 = (
    -0.5, 0.333340406, -0.250007749, 0.199571848, -0.165944472, 0.149999946, -0.141507,
    0.0828457549,
)  # fmt: skip
_LOG_64 = (
    0.66666666666666696, 0.39999999999899277, 0.28571428626210155, 0.22222211090532837,
    0.18182892462420075, 0.15331610841948273, 0.14617797344003616,
)  # fmt: skip
_HALF_ROOT = {23: 0x3F3504F3, 52: 0x3FE6A09E667F3BCD}  # the bits of sqrt(1/2), by mantissa


def _parts(x: Expr, lifted: Expr | None = None) -> tuple[Expr, Expr]:
    """``(e, f)`` as above for x that are normal and positive; else without meaning. ``lifted`` is
    taken from e."""
    form = format_of(x)
    i = bits(x)
    root = _HALF_ROOT[form.mantissa]
    if x.dtype is float32:
        above = i - root
        e = cast(above >> form.mantissa, x.dtype)
        m = i - (above & -(1 << form.mantissa))
        return e if lifted is None else e - lifted, real(m, x) - 1.0
    # Few vector units convert 64-bit integers to floats or shift them with their sign: the exponent
    # goes into the low bits of 2**52 instead.
    above = i + (form.one - root)
    field = apply("bitcast", above, dtype=uint64) >> form.mantissa
    magic: Expr = const(2.0**52 + form.bias, x.dtype)
    e = real(field | 0x4330_0000_0000_0000, x) - (magic if lifted is None else magic + lifted)
    return e, real((above & ((1 << form.mantissa) - 1)) + root, x) - 1.0


def _of_parts(x: Expr, combined: Callable[[Expr, Expr], Expr]) -> Expr:
    """``combined(e, f)`` for normal positive x, and, passed over where it can be: the same for
    subnormal numbers; inf and NaN for inf and NaN, -inf for 0, NaN below."""
    form = format_of(x)
    small = x < 2.0 ** (1 - form.bias)
    lift = float(form.mantissa + 2)
    lifted = select(small, const(lift, x.dtype), const(0.0, x.dtype))
    general = combined(*_parts(select(small, x * 2.0**lift, x), lifted))
    pole = select(x == 0.0, const(-INF, x.dtype), const(NAN, x.dtype))
    general = select(x > 0.0, select(x < INF, general, x), pole)
    return select(is_normal(x), combined(*_parts(x)), rarely(general))


def log_of_sum(f: Expr) -> Expr:
    """log(1 + f) for 1 + f between sqrt(1/2) and sqrt(2)."""
    a, b = _beyond_line(f)
    return fma(a, b, f)


def _beyond_line(f: Expr) -> tuple[Expr, Expr]:
    """Two factors of log(1 + f) - f."""
    if f.dtype is float32:
        return f * f, poly(f, _LOG_32)
    # With s = f / (2 + f): log(1 + f) = 2 * arctanh(s) = f - s * (f - s**2 * P(s**2)).
    s = f / (f + 2.0)
    z = s * s
    return s, fma(z, poly(z, _LOG_64), -f)


@expansion()
def log(x: Expr) -> Expr:
    """e * ln 2 + log(1 + f)."""
    return _of_parts(x, lambda e, f: fma(e, LN2, log_of_sum(f)))


@expansion()
def log2(x: Expr) -> Expr:
    """Exact for powers of two: there f = 0."""
    return _of_parts(x, lambda e, f: fma(log_of_sum(f), 1 / LN2, e))


@expansion()
def log10(x: Expr) -> Expr:
    """The part from e, which is mostly larger, comes last."""

    def combined(e: Expr, f: Expr) -> Expr:
        p, q = _beyond_line(f)
        high, low = (column[0 if x.dtype is float32 else 1] for column in _LOG10_E)
        small = fma(f, low, (p * q) * high)
        line = fma(f, high, fma(e, by_type(x, *_LOG10_2[1]), small))
        return fma(e, by_type(x, *_LOG10_2[0]), line)

    return _of_parts(x, combined)


@expansion()
def log1p(x: Expr) -> Expr:
    """x itself where that is tiny; inf and NaN for inf and NaN, -inf for -1, NaN below."""
    tiny = apply("abs", x) < 2.0 ** -(format_of(x).mantissa + 2)
    pole = select(x == -1.0, const(-INF, x.dtype), const(NAN, x.dtype))
    other = select(x > -1.0, x, pole)
    ordinary = (x > -1.0) & (x < INF)
    return select(ordinary, select(tiny, x, log1p_in_two(x)), rarely(other))


def log1p_in_two(x: Expr, low: Expr | None = None) -> Expr:
    """log(1 + x + low), ``low`` being less than the last place of ``x``, for finite x above -1.

    e and m are those of 1 + x, but f = x * 2**-e + (2**-e - 1) comes from x: nothing is lost.
    Without regard to the sign of 0.
    """
    form = format_of(x)
    above = bits(x + 1.0) - _HALF_ROOT[form.mantissa]
    power = above & -(1 << form.mantissa)
    # Where it is larger, 2**-e is as good as 0.
    inverse = real(form.one - select(power < form.one, power, form.one), x)
    scaled = real(bits(x) - power, x)
    rest = inverse - 1.0
    f = scaled + rest
    y = log_of_sum(f)
    if low is not None:  # and what f rounds off
        a, b = _beyond_line(f)
        y = f + fma(a, b, fma(low, inverse, scaled - (f - rest)))
    if x.dtype is float32:
        e = cast(above >> form.mantissa, x.dtype)
    else:
        field = apply("bitcast", above + form.one, dtype=uint64) >> form.mantissa
        e = real(field | 0x4330_0000_0000_0000, x) - (2.0**52 + form.bias)
    return fma(e, LN2, y)
