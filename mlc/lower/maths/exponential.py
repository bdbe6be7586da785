"""exp, exp_less, exp2, expm1.

exp(x) = 2**n * exp(r), with n = x / ln 2 rounded to an integer and r = x - n * ln 2 in two fused
steps: abs(r) <= ln(2) / 2, where a short polynomial serves.
"""

from __future__ import annotations

import math

from ...dtypes import float32
from ...ir.expr import Const, Expr, apply, select
from .registry import expansion
from .terms import (
    at_least,
    at_most,
    by_type,
    fma,
    format_of,
    nearest,
    poly,
    real,
    scaled,
    unless_below,
)

LOG2E = math.log2(math.e)
# ln 2 = LN2_32[0] + LN2_32[1] to 49 bits, = LN2_64[0] + LN2_64[1] to 107.
LN2_32 = (0.693147182464599609375, -1.904654323148236e-09)
LN2_64 = (0.6931471805599453, 2.3190468138462996e-17)

EXP_32 = (1, 0.999999702, 0.499991477, 0.166676596, 0.0418981798, 0.00828835368)
# fmt: off
EXP_64 = (
    1, 1, 0.50000000000000111, 0.16666666666666463, 0.041666666666528733, 0.0083333333334709991,
    0.0013888888943727133, 0.00019841269544968782, 2.4801493137835815e-05, 2.7557559352410261e-06,
    2.7630207952800585e-07, 2.5007004971223222e-08,
)
EXP2_32 = (1, 0.693147004, 0.240222469, 0.0555071086, 0.00967129227, 0.0013269526)
EXP2_64 = (
    1, 0.69314718055994529, 0.24022650695910108, 0.055504108664821722, 0.0096181291076015973,
    0.0013333558146545587, 0.00015403530449047839, 1.5252733634590615e-05, 1.3215438829675193e-06,
    1.0178159814621922e-07, 7.0732341182277016e-09, 4.4388947549628318e-10,
)
EXPM1_32 = (0.49999997, 0.166665405, 0.0416677259, 0.00836672448, 0.00138464558)
_EXPM1_64 = (
    0.50000000000000056, 0.16666666666666677, 0.041666666666580449, 0.0083333333333653562,
    0.0013888888929990627, 0.00019841269731460731, 2.4801507086366724e-05,
    2.7557417774168749e-06, 2.7625388640685159e-07, 2.5046378784407629e-08,
)
# fmt: on


def reduced(x: Expr, extra: int = 0, less: Expr | None = None) -> tuple[Expr, Expr, Expr]:
    """``(r, n, i)``: x = n * ln 2 + r, and n + ``extra`` in the low bits of i; ``less`` is added
    to x and is less than its last place."""
    n, i = nearest(x, LOG2E, extra)
    high, low = LN2_32 if x.dtype is float32 else LN2_64
    first = fma(n, -high, x)
    return (fma(n, -low, first) if less is None else first + fma(n, -low, less)), n, i


@expansion()
def exp(x: Expr) -> Expr:
    """Beyond the clamp the result is inf. Where it is 0, another argument may take the place of x:
    a product that underflows takes the processor a hundred times as long."""
    low = by_type(x, -104.0, -746.0)
    lost = x < low
    x = at_most(unless_below(low, x), by_type(x, 89.0, 710.0))
    r, n, i = reduced(x, 2 * format_of(x).bias)
    result = scaled(poly(r, EXP_32 if x.dtype is float32 else EXP_64), n, i)
    return select(apply("invert", lost), result, 0.0)


@expansion()
def exp_less(p: Expr, x: Expr, m: Expr) -> Expr:
    """As ``exp``, of what is never above 0. The factor is in the coefficients, which are exact."""
    x = apply("rounded", x) - m
    low = by_type(x, -104.0, -746.0)
    lost = x < low
    r, n, i = reduced(unless_below(low, x), 2 * format_of(x).bias)
    factor = float(p.value) if isinstance(p, Const) else 1.0
    result = scaled(poly(r, [factor * c for c in (EXP_32 if x.dtype is float32 else EXP_64)]), n, i)
    result = select(apply("invert", lost), result, 0.0)
    return result if isinstance(p, Const) else p * result


@expansion()
def exp2(x: Expr) -> Expr:
    """n + r = x exactly. Where the result is 0, as in ``exp``."""
    low = by_type(x, -151.0, -1076.0)
    lost = x < low
    x = at_most(unless_below(low, x), by_type(x, 129.0, 1025.0))
    n, i = nearest(x, 1.0, 2 * format_of(x).bias)
    result = scaled(poly(x - n, EXP2_32 if x.dtype is float32 else EXP2_64), n, i)
    return select(apply("invert", lost), result, 0.0)


@expansion()
def expm1(x: Expr) -> Expr:
    """2 * (2**(n - 1) * (exp(r) - 1) + 2**(n - 1) - 1/2); x itself where it is tiny."""
    form = format_of(x)
    tiny = apply("abs", x) < 2.0 ** -(form.mantissa + 2)
    y = at_most(at_least(x, by_type(x, -18.0, -38.0)), by_type(x, 89.0, 710.0))
    r, _, i = reduced(y, form.bias - 1)
    less = fma(r * r, poly(r, EXPM1_32 if x.dtype is float32 else _EXPM1_64), r)
    s = real(i << form.mantissa, x)
    half = fma(less, s, s - 0.5)
    return select(tiny, x, half + half)
