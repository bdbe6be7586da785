"""np.i0: the modified Bessel function of order 0."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType, float16, float64
from ..ir.expr import Expr, apply, cast, const, select
from .elementwise import astype, unary_float
from .op import implements
from .promotion import dtype_of

_MIDDLE = 8.0  # where one series hands over to the other
_NODES = 64  # at which the functions are looked at
_LARGE = 500.0  # from here on the asymptotic series is exact, and exp(x) does not overflow below


def _asymptotic(x: Any) -> Any:
    """``sqrt(2 pi x) exp(-x) i0(x)`` for large x, by Abramowitz and Stegun 9.7.1."""
    total = term = np.ones_like(x)
    for k in range(1, 12):
        term = term * (2 * k - 1) ** 2 / (8 * k * x)
        total = total + term
    return total


def _scaled(x: Any) -> Any:
    """``sqrt(x) exp(-x) i0(x)``, from `_MIDDLE` on."""
    small = np.minimum(x, _LARGE)
    near = np.sqrt(small) * np.exp(-small) * np.i0(small)
    return np.where(x > _LARGE, _asymptotic(x) / np.sqrt(2 * np.pi), near)


def _chebyshev(function: Callable[[Any], Any], count: int) -> tuple[float, ...]:
    """The first ``count`` coefficients of the Chebyshev series of ``function`` on [-1, 1]."""
    step = np.arctan(np.longdouble(1)) * 2 / _NODES
    cosines = np.cos(np.arange(4 * _NODES) * step)  # long, so that the sums are exact
    odd = 2 * np.arange(_NODES) + 1
    waves = cosines[np.arange(count)[:, None] * odd % (4 * _NODES)]
    found = (waves * function(cosines[odd])).sum(axis=1) * (2 / _NODES)
    found[0] /= 2
    return tuple(map(float, found))


@cache
def _coefficients() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Series for ``exp(-x) i0(x)`` in ``x / 4 - 1``, and for `_scaled` in ``16 / x - 1``."""
    low = _chebyshev(lambda t: np.exp(-4 * (t + 1)) * np.i0(4 * (t + 1)), 30)
    return low, _chebyshev(lambda t: _scaled(16 / (t + 1)), 25)


def _series(coefficients: tuple[float, ...], t: Expr) -> Expr:
    """Clenshaw's sum of a Chebyshev series, of its even and odd terms apart.

    A step of the recurrence reads the two before it, so written out as an expression its size grows
    with the Fibonacci numbers: half the steps are a thousandth of the size. With ``u = 2 t^2 - 1``
    the even terms are ``T_k(u)``, and the odd ones ``t W_k(u)`` with W_0 = 1, W_1 = 2 u - 1.
    """
    number = lambda value: const(value, t.dtype)
    twice = number(4.0) * t * t - number(2.0)  # 2 u

    def sums(terms: tuple[float, ...]) -> tuple[Expr, Expr]:
        one: Expr = number(0.0)
        two = one
        for coefficient in reversed(terms[1:]):
            one, two = twice * one - two + number(coefficient), one
        return one, two

    even, odd = coefficients[::2], coefficients[1::2]
    one, two = sums(even)
    first = twice * number(0.5) * one - two + number(even[0])
    one, two = sums(odd)
    return first + t * ((twice - number(1.0)) * one - two + number(odd[0]))


def _i0(v: Expr) -> Expr:
    low, high = _coefficients()
    x = apply("abs", v)
    middle, unit = const(_MIDDLE, v.dtype), const(1.0, v.dtype)
    near = apply("minimum", x, middle)
    far = apply("maximum", x, middle)
    inner = _series(low, near * const(2 / _MIDDLE, v.dtype) - unit)
    outer = _series(high, const(2 * _MIDDLE, v.dtype) / far - unit) / apply("sqrt", far)
    return apply("exp", x) * select(apply("le", x, middle), inner, outer)


bessel_i0 = unary_float("i0", _i0, "The modified Bessel function of order 0.", wide=True)


def _half_i0(v: Expr) -> Expr:
    """The same of float16, in which NumPy computes the factor exp(x) that overflows before it."""
    grown = cast(cast(apply("exp", apply("abs", v)), float16), v.dtype)
    overflows = apply("bitand", apply("isinf", grown), apply("isfinite", v))
    return select(overflows, grown, _i0(v))


bessel_half_i0 = unary_float("i0", _half_i0, "bessel_i0 of float16, as NumPy's.", wide=True)


@implements(np.i0)
def i0(x: Any) -> Any:
    """np.i0; of integers in float64."""
    dtype: DType = dtype_of(x)
    if dtype is float16:
        return bessel_half_i0(x)
    return bessel_i0(x if dtype.is_float else astype(x, dtype=float64))
