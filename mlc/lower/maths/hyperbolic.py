"""tanh, sinh, cosh and their inverses."""

from __future__ import annotations

from ...dtypes import float32
from ...ir.expr import Expr, apply, const, select
from .exponential import EXP_32, EXP_64, LN2_32, LN2_64, LOG2E, reduced
from .logarithm import LN2, log, log1p_in_two
from .registry import expansion
from .terms import (
    INF,
    NAN,
    at_most,
    by_type,
    fma,
    format_of,
    nearest,
    poly,
    rarely,
    real,
    signed_as,
    sqrt,
)

_TANH_32 = (-0.33332932, 0.13320376, -0.0526488237, 0.016392773)
_TANH_64 = (
    -0.33333333333333293, 0.13333333333325623, -0.053968253963168192, 0.021869488368532797,
    -0.0088632323116628782, 0.0035920890439812029, -0.0014555232392229596,
    0.00058836229650470907, -0.00023316864460735316, 8.3005945853181228e-05,
    -1.9299793976183187e-05,
)  # fmt: skip
_SINH_32 = (0.166665435, 0.00836654007)
_SINH_64 = (
    0.16666666666666677, 0.0083333333333213758, 0.00019841269886868005, 2.7557243374040786e-06,
    2.5109356641889688e-08,
)  # fmt: skip
_COSH_32 = (0.5, 0.0416664593, 0.00139354519)  # cosh - 1
_COSH_64 = (
    0.5, 0.041666666666666685, 0.0013888888888873264, 2.480158734928596e-05,
    2.7557251711761936e-07, 2.0921813965665533e-09,
)  # fmt: skip


@expansion()
def tanh(x: Expr) -> Expr:
    """1 - 2 / (exp(2a) + 1) for a = abs(x), and an odd polynomial below 0.55. exp(2a) is
    2**n * exp(2r): n is so small where it counts that one step takes it off exactly enough."""
    single = x.dtype is float32
    form = format_of(x)
    a = at_most(apply("abs", x), by_type(x, 9.02, 19.07))
    t = a * a
    near = fma(a * t, poly(t, _TANH_32 if single else _TANH_64), a)
    n, i = nearest(a, 2 * LOG2E, form.bias)
    r = fma(n, -(LN2_32 if single else LN2_64)[0] / 2, a)
    power = poly(r, [c * 2.0**k for k, c in enumerate(EXP_32 if single else EXP_64)])
    far = 1.0 - 2.0 / fma(power, real(i << form.mantissa, x), 1.0)
    return signed_as(select(a > 0.55, far, near), x)


@expansion()
def sinh(x: Expr) -> Expr:
    """((A - B) * cosh(r) + (A + B) * sinh(r)) / 2: abs(x) = n * ln 2 + r, A = 2**n, B = 2**-n."""
    less, more, even, odd = _parts(x)
    y = less + fma(more, odd, less * even)
    return signed_as(y + y, x)


@expansion()
def cosh(x: Expr) -> Expr:
    """((A + B) * cosh(r) + (A - B) * sinh(r)) / 2."""
    less, more, even, odd = _parts(x)
    y = more + fma(less, odd, more * even)
    return y + y


def _parts(x: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """``((A - B) / 4, (A + B) / 4, cosh(r) - 1, sinh(r))``."""
    form = format_of(x)
    single = x.dtype is float32
    a = at_most(apply("abs", x), by_type(x, 89.5, 710.5))
    r, _, i = reduced(a, form.bias - 2)
    up = i << form.mantissa
    # 2**(-n - 2), as long as that is normal; beyond it does not count.
    down = ((2 * form.bias - 4) << form.mantissa) - up
    quarter = real(up, x)
    inverse = real(select(down < 0, 0, down), x)
    t = r * r
    even = t * poly(t, _COSH_32 if single else _COSH_64)
    odd = fma(r * t, poly(t, _SINH_32 if single else _SINH_64), r)
    return quarter - inverse, quarter + inverse, even, odd


@expansion()
def arcsinh(x: Expr) -> Expr:
    """log1p(a + t / (1 + sqrt(1 + t))) for a = abs(x), t = a * a; log(2 * a) where a is large."""
    a = apply("abs", x)
    t = a * a
    more = t / (sqrt(t + 1.0) + 1.0)
    y = _log1p_of_sum(a, more)
    return signed_as(select(a < _large(x), y, rarely(log(a) + LN2)), x)


@expansion()
def arccosh(x: Expr) -> Expr:
    """log1p(t + sqrt(2 * t + t * t)) for t = x - 1; log(2 * x) where x is large."""
    t = x - 1.0
    y = _log1p_of_sum(sqrt(fma(t, t, t + t)), t)
    other = select(x < 1.0, const(NAN, x.dtype), log(x) + LN2)
    return select((x >= 1.0) & (x < _large(x)), y, rarely(other))


@expansion()
def arctanh(x: Expr) -> Expr:
    """log1p(2a + 2a * a / (1 - a)) / 2 for a = abs(x)."""
    a = apply("abs", x)
    twice = a + a
    ratio = twice * a / (1.0 - a)
    high = twice + ratio
    low = ratio - (high - twice)  # exact below 1/2; above it, too small to matter
    other = select(a == 1.0, const(INF, x.dtype), const(NAN, x.dtype))
    return signed_as(select(a < 1.0, log1p_in_two(high, low) * 0.5, rarely(other)), x)


def _log1p_of_sum(a: Expr, b: Expr) -> Expr:
    """log(1 + a + b), a >= b >= 0."""
    high = a + b
    return log1p_in_two(high, b - (high - a))


def _large(x: Expr) -> float:
    """Where the square root of 1 + x * x is x."""
    return by_type(x, 2.0**30, 2.0**60)
