"""arcsin, arccos, arctan, arctan2."""

from __future__ import annotations

import math

from ...dtypes import float32
from ...ir.expr import Expr, apply, const, select
from .registry import expansion
from .terms import bits, by_type, fma, poly, signed_as, sqrt

_ASIN_32 = (0.166667521, 0.0749530941, 0.0454691537, 0.0241847597, 0.0421583466)
_ASIN_64 = (
    0.16666666666665408, 0.075000000003371384, 0.044642856828222756, 0.030381959141359029,
    0.022371757947021825, 0.017359706252798739, 0.013885221765351756, 0.012169293635613301,
    0.0065276576832134694, 0.019529032078990899, -0.016225300551894743, 0.031912887127748292,
)  # fmt: skip
_ATAN_32 = (
    -0.333332986, 0.199985296, -0.142640159, 0.109508835, -0.0839932784, 0.0578820892,
    -0.0310981516, 0.0108696464, -0.00178313046,
)  # fmt: skip
_ATAN_64 = (
    -0.33333333333333071, 0.19999999999951748, -0.14285714282587972, 0.11111111007338133,
    -0.090909070077257542, 0.076922798880348767, -0.066664044160867658, 0.058805297654761564,
    -0.052535265982073011, 0.047223477769574175, -0.042192421655798985, 0.036643134037032177,
    -0.029905710912920751, 0.021987038185351741, -0.013902544085651621, 0.0071978624808618349,
    -0.002885597671077109, 0.00083155531702476927, -0.00015221020104698405,
    1.3229905498533746e-05,
)  # fmt: skip
# pi / 2 less what float32 and float64 round off.
_HALF_PI_REST = (-4.371139000186241e-08, 6.123233995736766e-17)


def _less_from_half_pi(x: Expr) -> Expr:
    """pi / 2 - x."""
    return math.pi / 2 - (x - by_type(x, *_HALF_PI_REST))


def _arcsin_parts(x: Expr) -> tuple[Expr, Expr, Expr]:
    """``(outer, p, lost)``: p = arcsin(a) for a = abs(x) <= 1/2, else arcsin(sqrt((1 - a) / 2)), to
    which ``lost`` is added: what the root rounds off, divided by twice the root, which is about 1
    where that counts."""
    a = apply("abs", x)
    outer = a > 0.5
    z = select(outer, fma(a, -0.5, 0.5), a * a)
    s = select(outer, sqrt(z), a)
    p = fma(s * z, poly(z, _ASIN_32 if x.dtype is float32 else _ASIN_64), s)
    return outer, p, fma(-s, s, z)


@expansion()
def arcsin(x: Expr) -> Expr:
    """pi / 2 - 2 * arcsin(sqrt((1 - a) / 2)) beyond 1/2; NaN beyond 1 is that of the root."""
    outer, p, lost = _arcsin_parts(x)
    rest = fma(lost, -2.0, by_type(x, *_HALF_PI_REST))
    return signed_as(select(outer, (math.pi / 2 - (p + p)) + rest, p), x)


@expansion()
def arccos(x: Expr) -> Expr:
    """2 * p and pi - 2 * p beyond 1/2, pi / 2 - arcsin(x) between."""
    outer, p, _ = _arcsin_parts(x)
    twice = p + p
    rest = by_type(x, *_HALF_PI_REST)
    below = math.pi - (twice - 2 * rest)
    return select(outer, select(x < 0.0, below, twice), _less_from_half_pi(signed_as(p, x)))


def _arctan_to_one(u: Expr) -> Expr:
    """arctan(u) for u from 0 to 1."""
    t = u * u
    return fma(u * t, poly(t, _ATAN_32 if u.dtype is float32 else _ATAN_64), u)


@expansion()
def arctan(x: Expr) -> Expr:
    """pi / 2 - arctan(1 / a) for a = abs(x) above 1."""
    a = apply("abs", x)
    steep = a > 1.0
    y = _arctan_to_one(select(steep, 1.0 / a, a))
    return signed_as(select(steep, _less_from_half_pi(y), y), x)


@expansion()
def arctan2(y: Expr, x: Expr) -> Expr:
    """The angle of the smaller over the larger of abs(x), abs(y), reflected into its octant."""
    ax, ay = apply("abs", x), apply("abs", y)
    steep = ay > ax
    above, below = select(steep, ax, ay), select(steep, ay, ax)
    # Equal ones may both be zero or infinite.
    zero, one = const(0.0, x.dtype), const(1.0, x.dtype)
    u = select(above == below, select(below > 0.0, one, zero), above / below)
    angle = _arctan_to_one(u)
    angle = select(steep, _less_from_half_pi(angle), angle)
    rest = by_type(x, *_HALF_PI_REST)
    angle = select(bits(x) < 0, math.pi - (angle - 2 * rest), angle)
    return signed_as(angle, y)
