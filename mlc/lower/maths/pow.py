"""pow: 2**(y * log2(x)), with a logarithm that has some ten bits beyond the precision.

x = 2**e * z, z between 0.70 and 1.41. One of sixteen numbers c is near 1 / z, and has so few bits
that r = z * c - 1 is exact: log2(x) = e - log2(c) + log2(1 + r). What is not ordinary, by its
arguments or by its result, takes a longer way.
"""

from __future__ import annotations

from ...dtypes import float32, uint32, uint64
from ...ir.expr import Expr, apply, cast, const, select
from .exponential import EXP2_64
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
    is_normal,
    lookup,
    nearest,
    poly,
    rarely,
    real,
    scaled,
)

_START = {23: 0x3F34_0000, 52: 0x3FE6_8000_0000_0000}  # the bits of 0.703125, by mantissa
# The sixteen c, and -log2(c) as high + low: high is a multiple of 2**-16 or 2**-40, so that its sum
# with e is exact.
# fmt: off
_INVERSE = (
    1.375, 1.34375, 1.28125, 1.21875, 1.1875, 1.15625, 1.09375, 1.0625, 1.03125, 1.0, 0.9375,
    0.875, 0.84375, 0.8125, 0.75, 0.71875,
)
_HIGH_32 = (
    -0.4594268798828125, -0.42626953125, -0.3575592041015625, -0.285400390625, -0.2479248046875,
    -0.2094573974609375, -0.1292877197265625, -0.08746337890625, -0.0443878173828125, 0.0,
    0.093109130859375, 0.1926422119140625, 0.2451171875, 0.299560546875, 0.4150390625,
    0.4764404296875,
)
_LOW_32 = (
    -4.73875448e-06, 4.7765479e-06, 7.19948348e-06, -1.82823725e-06, -2.70875609e-06,
    4.03183199e-06, 4.7027816e-06, 5.37655911e-07, -6.30197564e-06, 0, 2.73532106e-07,
    2.86602833e-06, -4.68966347e-06, -2.65016092e-07, -1.56322116e-06, -2.38574451e-06,
)
_HIGH_64 = (
    -0.45943161863760906, -0.4262647547020606, -0.3575520046179008, -0.2854022188621457,
    -0.24792751344375574, -0.20945336562908778, -0.12928301694500988, -0.0874628412502716,
    -0.04439411935800308, 0.0, 0.09310940439172555, 0.19264507794196106, 0.24511249783608946,
    0.29956028185915784, 0.4150374992786965, 0.47643804394283507,
)
_LOW_64 = (
    3.1180651700181383e-13, -3.733907276649932e-14, -1.82872716976671e-13,
    -1.02668366941445e-13, 1.7024883460791358e-13, 1.3800246976244608e-13,
    4.3421195976986995e-14, -6.781363655020842e-14, -4.5035636491329477e-13, 0.0,
    -2.4407693577178287e-13, 4.348299516065895e-13, 4.4199545957345896e-13,
    -2.500001867992647e-13, 1.4733181985781966e-13, 1.520621696507556e-13,
)
# (log2(1 + r) - r / ln 2) / r**2, (log(1 + r) - r + r**2 / 2) / r**3, and 2**r, finer than exp2's
# own, so that powers that are integers come out exact.
_TAIL_32 = (-0.721347511, 0.480898142, -0.360681921, 0.289156854, -0.239330024)
_REST_64 = (
    0.33333333333333337, -0.25, 0.19999999999938434, -0.16666666666655416, 0.14285714449614509,
    -0.12500000060906649, 0.11110958429470376, -0.099999145889061891, 0.09148921476073589,
    -0.083765661479429515,
)
_EXP2_32 = (
    1, 0.693147182, 0.240226492, 0.055503618, 0.00961838011, 0.00133899332, 0.000153524394,
)
# fmt: on
_LOG2E_32 = (1.4426950216293335, 1.925963033500011e-08)
_LOG2E_64 = (1.4426950408889634, 2.0355273740931033e-17)


@expansion(name="pow")
def power(x: Expr, y: Expr) -> Expr:
    """With C's rules for special values."""
    form = format_of(x)
    high, low = log2_in_two(x)
    product = fma(y, high, -0.0)
    rest = fma(y, high, -product) + y * low
    total = product + rest
    n, i = nearest(total, 1.0)
    size = _exp2((product - n) + rest)
    size = real(bits(size) + (i << form.mantissa), x)
    ordinary = is_normal(x) & (apply("abs", total) < form.bias - 2.0)
    return select(ordinary, size, rarely(_general_power(x, y)))


def _general_power(x: Expr, y: Expr) -> Expr:
    """The same for all arguments and results."""
    form = format_of(x)
    zero, one = const(0.0, x.dtype), const(1.0, x.dtype)
    a = apply("abs", x)
    subnormal = a < 2.0 ** (1 - form.bias)
    lift = form.mantissa + 2.0
    lifted = select(subnormal, const(lift, x.dtype), zero)
    high, low = log2_in_two(select(subnormal, a * 2.0**lift, a), lifted)
    high = select((a > 0.0) & (a < INF), high, select(a == 0.0, const(-INF, x.dtype), a))
    product = fma(y, high, -0.0)
    limit = by_type(x, 200.0, 1200.0)
    large = apply("abs", product) > limit
    rest = select(large, zero, fma(y, high, -product) + y * low)
    product = at_most(at_least(product, -limit), limit)
    n, i = nearest(product + rest, 1.0, 2 * form.bias)
    size = scaled(_exp2((product - n) + rest), n, i)
    size = select((a == 1.0) | (y == 0.0), one, size)
    whole = apply("floor", y)
    odd = (apply("floor", y * 0.5) * 2.0 != whole) & (whole == y)
    size = select(odd & (bits(x) < 0), -size, size)
    impossible = (x < 0.0) & (a < INF) & (whole != y)
    return select(impossible, select(y == y, const(NAN, x.dtype), y), size)


def _exp2(r: Expr) -> Expr:
    return poly(r, _EXP2_32 if r.dtype is float32 else EXP2_64)


def log2_in_two(a: Expr, less: Expr | None = None) -> tuple[Expr, Expr]:
    """log2 of a positive normal number as high + low, ``less`` a whole number; for others
    anything."""
    form = format_of(a)
    single = a.dtype is float32
    above = bits(a) - _START[form.mantissa]
    i = apply("bitcast", above, dtype=uint32 if single else uint64) >> (form.mantissa - 4)
    z = real(bits(a) - (above & -(1 << form.mantissa)), a)
    r = fma(z, lookup(i, _INVERSE, a), -1.0)
    log_high, log_low = (_HIGH_32, _LOW_32) if single else (_HIGH_64, _LOW_64)
    slope, slope_low = _LOG2E_32 if single else _LOG2E_64
    if single:
        e = cast(above >> form.mantissa, a.dtype)
        line = fma(r, slope, -0.0)
        low = fma(r * r, poly(r, _TAIL_32), fma(r, slope_low, lookup(i, log_low, a)))
        low = low + fma(r, slope, -line)
    else:
        # Few vector units convert 64-bit integers: the exponent goes into the low bits of 2**52.
        field = apply("bitcast", above + form.one, dtype=uint64) >> form.mantissa
        e = real(field | 0x4330_0000_0000_0000, a) - (2.0**52 + form.bias)
        # r - r**2 / 2 needs two parts as well.
        square = fma(r, r, -0.0)
        s = fma(square, -0.5, r)
        s_low = fma(fma(r, r, -square), -0.5, fma(square, -0.5, r - s))
        s_low = fma(square * r, poly(r, _REST_64), s_low)
        line = fma(s, slope, -0.0)
        low = fma(s_low, slope, fma(s, slope_low, fma(s, slope, -line)))
        low = low + lookup(i, log_low, a)
    if less is not None:
        e = e - less
    whole = e + lookup(i, log_high, a)
    high = whole + line
    low = (line - (high - whole)) + low
    if not single:  # whose low part has bits to spare
        return high, low
    total = high + low
    return total, low - (total - high)
