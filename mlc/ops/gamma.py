"""The gamma function, its logarithm, and the derivative of that, element by element.

All three are computed in float64. Where ``x = n + t`` is small, ``n`` the nearest whole number,
they start at ``2 + t`` and go from there by ``gamma(x + 1) = x * gamma(x)``; where it is large
they are Stirling's series; below 0 they are reflected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..dtypes import float64
from ..ir.expr import Expr, apply, cast, const, select
from .elementwise import unary_float

# Polynomials in t from -1/2 to 1/2, fitted at Chebyshev's points: log(gamma(2 + t)) / t, and
# (gamma(2 + t) - 1) / t.
_LOG = (
    0.42278433509846713, 0.3224670334241132, -0.067352301053195632, 0.020580808427783381,
    -0.0073855510289355447, 0.0028905103308659009, -0.0011927539009983087,
    0.00050966951965266728, -0.00022315497746292723, 9.945761692157133e-05,
    -4.4923727564247656e-05, 2.0506019701747618e-05, -9.4562885151017197e-06,
    4.3828545383846665e-06, -1.9743106888421067e-06, 9.2428522251622768e-07,
    -5.8112777689212464e-07, 2.7475390051909663e-07,
)  # fmt: skip
_GAMMA = (
    0.42278433509846708, 0.41184033042643969, 0.081576919247110247, 0.074249010753501904,
    -0.00026698207129733937, 0.011154045719407263, -0.0028526457167318709,
    0.0021039332884811848, -0.00091957597398442052, 0.00049038951849348234,
    -0.0002409169950366213, 0.00012166158508350245, -6.0956305154464323e-05,
    3.0535271071835075e-05, -1.4605147247966914e-05, 7.3068575622129503e-06,
    -5.0853558810642424e-06, 2.5431723243464746e-06,
)  # fmt: skip
# Stirling's corrections over 1 / x of log(gamma(x)), and over 1 / x^2 of digamma, in 1 / x^2.
_STIRLING = (
    1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400,
)  # fmt: skip
_SLOPES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_LOG_FROM, _GAMMA_FROM, _SLOPE_FROM = 8, 24, 10  # where the series begin


def _c(value: float) -> Expr:
    return const(float(value), float64)


def _poly(t: Expr, coefficients: Iterable[float]) -> Expr:
    """The polynomial in ``t``, by Horner's rule."""
    first, *others = reversed(list(coefficients))
    total: Expr = _c(first)
    for coefficient in others:
        total = total * t + _c(coefficient)
    return total


def _steps(t: Expr, n: Expr, last: int) -> Expr:
    """``(2 + t) * (3 + t) * ... * (n - 1 + t)``, for n up to ``last``."""
    total: Expr = _c(1)
    for k in range(2, last):
        total = total * select(apply("gt", n, _c(k)), t + _c(k), _c(1))
    return total


def _log_stirling(y: Expr) -> Expr:
    return _poly(_c(1) / (y * y), _STIRLING) / y


def _sine(r: Expr) -> Expr:
    return apply("sin", r * _c(math.pi))


def _log_above(a: Expr) -> Expr:
    """log(gamma(a)) for a >= 0. The logarithm's zeros at 1 and 2 are zeros of both summands."""
    x = apply("minimum", a, _c(_LOG_FROM))
    n = apply("rint", x)
    t = x - n
    below = select(apply("eq", n, _c(0)), x * (x + _c(1)), x)
    log = apply("log", select(apply("lt", n, _c(2)), below, _steps(t, n, _LOG_FROM)))
    near = t * _poly(t, _LOG) + select(apply("lt", n, _c(2)), -log, log)
    y = apply("maximum", a, _c(_LOG_FROM))
    far = (y - _c(0.5)) * (apply("log", y) - _c(1)) + (
        _log_stirling(y) + _c(math.log(2 * math.pi) / 2 - 0.5)
    )
    return select(apply("lt", a, _c(_LOG_FROM)), near, far)


def _log_gamma(v: Expr) -> Expr:
    x = cast(v, float64)
    a = apply("abs", x)
    r = a - apply("rint", a)
    above = _log_above(a)
    mirrored = (
        _c(math.log(math.pi)) - apply("log", a) - apply("log", apply("abs", _sine(r))) - above
    )
    is_pole = apply("bitor", apply("eq", r, _c(0)), apply("isinf", a))
    below = select(is_pole, _c(math.inf), mirrored)
    return select(apply("lt", x, _c(0)), below, above)


def _gamma_above(a: Expr) -> Expr:
    """gamma(a) for a >= 0, exact for whole numbers up to 23; the power is taken in two halves, as
    it overflows before the exponential makes it small again."""
    x = apply("minimum", a, _c(_GAMMA_FROM))
    n = apply("rint", x)
    t = x - n
    start = t * _poly(t, _GAMMA) + _c(1)
    below = start / select(apply("eq", n, _c(0)), x * (x + _c(1)), x)
    near = select(apply("lt", n, _c(2)), below, start * _steps(t, n, _GAMMA_FROM))
    y = apply("minimum", apply("maximum", a, _c(_GAMMA_FROM - 0.5)), _c(180))
    half = apply("pow", y, y * _c(0.5) - _c(0.25))
    correction = apply("exp", _log_stirling(y)) * _c(math.sqrt(2 * math.pi))
    far = half * (half / apply("exp", y)) * correction
    return select(apply("lt", a, _c(_GAMMA_FROM - 0.5)), near, far)


def _gamma(v: Expr) -> Expr:
    x = cast(v, float64)
    a = apply("abs", x)
    n = apply("rint", a)
    r = a - n
    half = n * _c(0.5)
    odd = apply("ne", half, apply("floor", half))
    sine = select(odd, -_sine(r), _sine(r))
    above = _gamma_above(a)
    mirrored = _c(-math.pi) / (a * sine * above)
    below = select(apply("eq", r, _c(0)), _c(math.nan), mirrored)
    result = select(apply("lt", x, _c(0)), below, above)
    return select(apply("eq", x, _c(0)), apply("copysign", _c(math.inf), x), result)


def _digamma(v: Expr) -> Expr:
    x = cast(v, float64)
    a = apply("abs", x)
    is_near = apply("lt", a, _c(_SLOPE_FROM))
    y = select(is_near, a + _c(_SLOPE_FROM), a)
    u = _c(1) / (y * y)
    far = apply("log", y) - _c(0.5) / y - u * _poly(u, _SLOPES)
    steps: Expr = _c(0)
    for k in reversed(range(_SLOPE_FROM)):
        steps = steps + _c(1) / (a + _c(k))
    above = select(is_near, far - steps, far)
    r = a - apply("rint", a)
    turned = _c(math.pi) / apply("tan", r * _c(math.pi))
    below = select(apply("eq", r, _c(0)), _c(math.nan), above + _c(1) / a + turned)
    result = select(apply("lt", x, _c(0)), below, above)
    return select(apply("eq", x, _c(0)), apply("copysign", _c(math.inf), -x), result)


gamma = unary_float("gamma", _gamma, "The gamma function; NaN at -1, -2, ...", wide=True)
log_gamma = unary_float("log_gamma", _log_gamma, "log(abs(gamma(x))).", wide=True)
digamma = unary_float("digamma", _digamma, "The derivative of log(gamma(x)).", wide=True)
