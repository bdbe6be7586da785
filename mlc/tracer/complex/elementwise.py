"""Ufuncs of complex numbers in real arithmetic: one line in a table for each.

A formula gets (real, imaginary) for each argument and returns the same, or one real array; parts
are traced arrays or Python floats. Signed zeros, infinities and branch cuts are those of C99's
annex G, which NumPy keeps. Formulas by W. Kahan, "Branch cuts for complex elementary functions"
(1987); division by R. L. Smith's, as in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..concrete import known
from .calls import PLAIN, TESTS, UFUNCS, call_complex_ufunc

__all__ = ["call_complex_ufunc"]
Pair = tuple[Any, Any]
_LARGE = {4: 80.0, 8: 700.0}  # exp of this is finite


def _times(x: Pair, y: Pair) -> Pair:
    (a, b), (c, d) = x, y
    return a * c - b * d, a * d + b * c


def _divided(x: Pair, y: Pair) -> Pair:
    (a, b), (c, d) = x, y
    wide = np.abs(c) >= np.abs(d)
    big: Any = np.where(wide, c, d)
    small: Any = np.where(wide, d, c)
    ratio = small / big
    scale = 1.0 / (big + small * ratio)
    real = np.where(wide, a + b * ratio, a * ratio + b) * scale
    imag = np.where(wide, b - a * ratio, b * ratio - a) * scale
    none = big == 0
    return np.where(none, a / np.abs(c), real), np.where(none, b / np.abs(c), imag)


def _reciprocal(x: Pair) -> Pair:
    a, b = x
    wide = np.abs(b) <= np.abs(a)
    big: Any = np.where(wide, a, b)
    ratio = np.where(wide, b, a) / big
    under = np.where(wide, a + b * ratio, a * ratio + b)
    return np.where(wide, 1.0, ratio) / under, np.where(wide, -ratio, -1.0) / under


def _magnitude(x: Pair) -> Any:
    return np.hypot(*x)


def _exp(x: Pair) -> Pair:
    a, b = x
    large = _LARGE[a.dtype.itemsize]
    is_large = a > large
    half = np.exp(np.where(is_large, a - large, a))
    scale = np.where(is_large, math.exp(large), 1.0).astype(a.dtype)
    real, imag = half * np.cos(b) * scale, half * np.sin(b) * scale
    imag = np.where(b == 0, b, imag)  # exp(inf) * 0 is not NaN here
    real = np.where(b == 0, np.exp(a), real)
    wild = ~np.isfinite(b)
    real = np.where(wild & (a == np.inf), np.inf, np.where(wild & (a == -np.inf), 0.0, real))
    return real, np.where(wild & (a == -np.inf), 0.0, imag)


def _log(x: Pair) -> Pair:
    a, b = np.abs(x[0]), np.abs(x[1])
    size = np.hypot(a, b)
    large, small = np.maximum(a, b), np.minimum(a, b)
    near = (large - 1) * (large + 1) + small * small
    is_near = (size > 0.5) & (size < 2.0)
    over = np.isinf(size) & np.isfinite(large) & np.isfinite(small)
    real = np.log(np.where(over, np.hypot(a / 2, b / 2), size)) + np.where(over, math.log(2), 0.0)
    real = np.where(is_near, 0.5 * np.log1p(np.where(is_near, near, 0.0)), real)
    return real, np.arctan2(x[1], x[0])


def _log1p(x: Pair) -> Pair:
    a, b = x
    near = (np.abs(a) < 0.5) & (np.abs(b) < 0.5)
    square = np.where(near, a * (2 + a) + b * b, 0.0)
    real, imag = _log((a + 1, b))
    return np.where(near, 0.5 * np.log1p(square), real), imag


def _scaled(formula: Callable[[Pair], Pair], factor: float) -> Callable[[Pair], Pair]:
    def scaled(x: Pair) -> Pair:
        real, imag = formula(x)
        return real * factor, imag * factor

    return scaled


def _expm1(x: Pair) -> Pair:
    a, b = x
    half = np.sin(b * 0.5)
    real = np.expm1(a) * np.cos(b) - 2 * half * half
    far_real, imag = _exp(x)
    real = np.where(b == 0, np.expm1(a), np.where(np.abs(a) > 30, far_real - 1, real))
    return real, imag


def _sqrt(x: Pair) -> Pair:
    a, b = x
    tiny = np.finfo(a.dtype).tiny
    large, size = np.finfo(a.dtype).max / 4, np.maximum(np.abs(a), np.abs(b))
    down, up = size > large, size < tiny * 4
    factor = np.where(down, 0.0625, np.where(up, 2.0**54, 1.0))
    undo = np.where(down, 4.0, np.where(up, 2.0**-27, 1.0))
    factor, undo = factor.astype(a.dtype), undo.astype(a.dtype)
    u, v = a * factor, b * factor
    root = np.sqrt((np.abs(u) + np.hypot(u, v)) * 0.5)
    other = np.abs(v) / (2 * root)
    right = ~np.signbit(u)
    real = np.where(right, root, other) * undo
    imag = np.copysign(np.where(right, other, root) * undo, b)
    none = (a == 0) & (b == 0)
    endless = np.isinf(b)
    # The sign of NaN parts means nothing.
    return (
        np.where(endless, np.inf, np.where(none, 0.0, real)),
        np.where(endless | none, b, imag),
    )


def _power(x: Pair, y: Pair) -> Pair:
    n = _whole(y)
    if n is not None and (_is_number(y[0]) or _spreads(y[0], x[0])):
        real, imag = _power_of(x, n)
        if n == 0:
            return real, imag
        none, at_zero = (x[0] == 0) & (x[1] == 0), 0.0 if n > 0 else np.nan
        return np.where(none, at_zero, real), np.where(none, at_zero, imag)
    (a, b), (c, d) = _filled(x, y), _filled(y, x)
    real, imag = _exp(_times((c, d), _log((a, b))))
    zero, none = (a == 0) & (b == 0), (c == 0) & (d == 0)
    ok = zero & (c > 0)  # as npy_cpow has it, whatever the imaginary part
    real = np.where(zero, np.where(ok, 0.0, np.nan), real)
    imag = np.where(zero, np.where(ok, 0.0, np.nan), imag)
    for k, (p, q) in ((1, (a, b)), (2, _times((a, b), (a, b)))):  # without rounding of log and exp
        exact = (c == k) & (d == 0)
        real, imag = np.where(exact, p, real), np.where(exact, q, imag)
    return np.where(none, 1.0, real), np.where(none, 0.0, imag)


def _is_number(part: Any) -> bool:
    """Whether a part, known while tracing, is one number: what it meets may be of any length."""
    return getattr(known(part), "shape", ()) == ()


def _spreads(part: Any, like: Any) -> bool:
    """Whether broadcasting ``part`` with ``like`` gives the shape of ``like``."""
    shape = np.shape(like)
    return np.broadcast_shapes(shape, np.shape(part)) == shape


def _filled(x: Pair, y: Pair) -> Pair:
    """``x`` with Python floats as arrays like another part."""
    like = next(p for p in (*x, *y) if hasattr(p, "dtype"))
    return tuple(  # type: ignore[return-value]
        np.full_like(like, p) if isinstance(p, (int, float)) else p for p in x
    )


def _whole(y: Pair) -> int | None:
    """A small integer that is the exponent everywhere and is known while tracing."""
    c, d = (known(p) for p in y)
    if isinstance(c, np.ndarray):
        c = c.flat[0] if c.size and (c == c.flat[0]).all() else None
    if isinstance(d, np.ndarray):
        d = 0.0 if not d.any() else 1.0
    if not isinstance(c, (bool, int, float, np.generic)) or not isinstance(d, (float, int)) or d:
        return None
    number = float(c)
    return int(number) if abs(number) < 100 and number == int(number) else None


def _power_of(x: Pair, n: int) -> Pair:
    if n == 0:
        return _filled((1.0, 0.0), x)
    result, square, rest = None, x, abs(n)
    if n in (1, 2, 3):
        result, rest = (x, _times(x, x), _times(x, _times(x, x)))[n - 1], 0
    while rest:
        if rest & 1:
            result = _times((1.0, 0.0) if result is None else result, square)
        rest >>= 1
        square = _times(square, square) if rest else square
    assert result is not None
    return result if n > 0 else _divided((1.0, 0.0), result)


def _sinh(x: Pair) -> Pair:
    a, b = x
    real, imag = np.sinh(a) * np.cos(b), np.cosh(a) * np.sin(b)
    large = np.abs(a) > _LARGE[a.dtype.itemsize]
    half = np.exp(np.abs(a) * 0.5)
    real = np.where(large, np.copysign(0.5 * half, a) * np.cos(b) * half, real)
    imag = np.where(large, 0.5 * half * np.sin(b) * half, imag)
    wild = ~np.isfinite(b)
    real = np.where(b == 0, np.sinh(a), np.where(wild & (np.isinf(a) | (a == 0)), a, real))
    return real, np.where(b == 0, b, imag)


def _cosh(x: Pair) -> Pair:
    a, b = x
    real, imag = np.cosh(a) * np.cos(b), np.sinh(a) * np.sin(b)
    large = np.abs(a) > _LARGE[a.dtype.itemsize]
    half = np.exp(np.abs(a) * 0.5)
    real = np.where(large, 0.5 * half * np.cos(b) * half, real)
    imag = np.where(large, np.copysign(0.5 * half, a) * np.sin(b) * half, imag)
    wild = ~np.isfinite(b)
    real = np.where(b == 0, np.cosh(a), np.where(wild & np.isinf(a), np.inf, real))
    none = np.copysign(0.0, a) * np.copysign(1.0, b)
    return real, np.where((b == 0) | (a == 0) & wild, none, imag)


def _tanh(x: Pair) -> Pair:
    a, b = x
    tan, s = np.tan(b), np.sinh(a)
    beta, rho = 1 + tan * tan, np.sqrt(1 + s * s)
    under = 1 + beta * s * s
    far = np.abs(a) > 20
    e = np.exp(-2 * np.minimum(np.abs(a), 400.0))
    ordinary = np.isfinite(b) | np.isfinite(a)
    real = np.where(far, np.copysign(1.0, a), beta * rho * s / under)
    real = np.where(far & ordinary & ~np.isfinite(b), np.nan, real)
    flat = np.where(ordinary, 4 * np.sin(b) * np.cos(b) * e, np.copysign(0.0, b))
    imag = np.where(far, flat, tan / under)
    return np.where(a == 0, a, real), np.where(b == 0, b, imag)


def _turned(formula: Callable[[Pair], Pair]) -> Callable[[Pair], Pair]:
    """``-i f(i z)``: sin from sinh, and its like."""

    def turned(x: Pair) -> Pair:
        a, b = x
        real, imag = formula((-b, a))
        return imag, -real

    return turned


def _cos(x: Pair) -> Pair:
    return _cosh((-x[1], x[0]))


def _root_pairs(x: Pair) -> tuple[Pair, Pair]:
    """The square roots of 1 - z and 1 + z."""
    a, b = x
    return _sqrt((1 - a, -b)), _sqrt((1 + a, b))


def _arcsin(x: Pair) -> Pair:
    (p, q), (r, s) = _root_pairs(x)
    found = np.arctan2(x[0], p * r - q * s), np.arcsinh(p * s - q * r)
    real, imag = _guarded(_asin_limits, x, found)
    return np.where(_is_zero_beside_nan(x), x[0], real), imag


def _arccos(x: Pair) -> Pair:
    (p, q), (r, s) = _root_pairs(x)
    found = 2 * np.arctan2(p, r), np.arcsinh(r * q - s * p)
    real, imag = _guarded(_acos_limits, x, found)
    return np.where(_is_zero_beside_nan(x), math.pi / 2, real), imag


def _is_zero_beside_nan(x: Pair) -> Any:
    return np.equal(x[0], 0) & np.isnan(x[1])


def _arccosh(x: Pair) -> Pair:
    real, imag = _arccos(x)  # i or -i times this, whichever has a positive real part
    minus = np.signbit(x[1])
    return np.where(np.isnan(imag), imag, np.abs(imag)), np.where(minus, -real, real)


_HUGE = {4: 1e17, 8: 1e145}


def _guarded(limits: Callable[[Pair, Pair], Pair], x: Pair, found: Pair) -> Pair:
    """``found``, but for numbers so large that squares overflow what follows from their log."""
    a, b = x
    large = np.fmax(np.abs(a), np.abs(b)) > _HUGE[a.dtype.itemsize]
    log, _ = _log((a, b))
    p, q = limits(x, (log + math.log(2), 0.0))
    return np.where(large, p, found[0]), np.where(large, q, found[1])


def _asin_limits(x: Pair, log: Pair) -> Pair:
    a, b = x
    return np.arctan2(a, np.abs(b)), np.copysign(log[0], b)


def _acos_limits(x: Pair, log: Pair) -> Pair:
    a, b = x
    return np.arctan2(np.abs(b), a), np.copysign(log[0], -b)


def _arctanh(x: Pair) -> Pair:
    a, b = x
    large = np.fmax(np.abs(a), np.abs(b)) > _HUGE[a.dtype.itemsize] ** 0.5
    p, q = np.where(large, 2.0, np.abs(a)), np.where(large, 2.0, b)
    real = 0.25 * np.log1p(4 * p / ((1 - p) * (1 - p) + q * q))
    pole = (p == 1) & (np.abs(q) < 1e-5)  # the square of q may be 0
    real = np.where(pole, 0.5 * (math.log(2) - np.log(np.abs(np.where(pole, q, 1.0)))), real)
    imag = 0.5 * np.arctan2(2 * q, (1 - p) * (1 + p) - q * q)
    ratio, _ = _divided((1.0, 0.0), (np.where(large, a, 1.0), np.where(large, b, 0.0)))
    imag = np.where(b == 0, np.copysign(imag, b), imag)
    imag = np.where(large & ~np.isnan(b), np.copysign(math.pi / 2, b), imag)
    imag = np.where(np.isnan(b), b, np.where(np.isnan(a) & np.isfinite(b), a, imag))
    real = np.where(large, np.abs(ratio), real)
    none = np.isinf(a) | np.isinf(b) | _is_zero_beside_nan(x)
    return np.copysign(np.where(none, 0.0, real), a), imag


def _sign(x: Pair) -> Pair:
    a, b = x
    size = np.hypot(a, b)
    none = size == 0
    under = np.where(none, 1.0, size)
    endless = np.isinf(size) & ~(np.isinf(a) & np.isinf(b))
    unit = [np.where(np.isinf(p), np.copysign(1.0, p), np.copysign(0.0, p)) for p in (a, b)]
    real, imag = np.where(none, 0.0, a / under), np.where(none, 0.0, b / under)
    return np.where(endless, unit[0], real), np.where(endless, unit[1], imag)


def _less(x: Pair, y: Pair) -> Any:
    (a, b), (c, d) = x, y
    numbers = np.equal(b, b) & np.equal(d, d)
    return np.less(a, c) & numbers | np.equal(a, c) & np.less(b, d)


def _less_equal(x: Pair, y: Pair) -> Any:
    (a, b), (c, d) = x, y
    numbers = np.equal(b, b) & np.equal(d, d)
    return np.less(a, c) & numbers | np.equal(a, c) & np.less_equal(b, d)


def _swapped(test: Callable[[Pair, Pair], Any]) -> Callable[[Pair, Pair], Any]:
    return lambda x, y: test(y, x)


def _is_nan(x: Pair) -> Any:
    return np.not_equal(x[0], x[0]) | np.not_equal(x[1], x[1])


def _chosen(test: Callable[[Pair, Pair], Any], skips_nan: bool) -> Callable[[Pair, Pair], Pair]:
    def chosen(x: Pair, y: Pair) -> Pair:
        first = test(x, y) | (_is_nan(y) if skips_nan else _is_nan(x))
        return np.where(first, x[0], y[0]), np.where(first, x[1], y[1])

    return chosen


def _nonzero(x: Pair) -> Any:
    return np.not_equal(x[0], 0) | np.not_equal(x[1], 0)


def _square(x: Pair) -> Pair:
    a, b = x
    return a * a - b * b, a * b + b * a


UFUNCS.update({
    np.add: lambda x, y: (x[0] + y[0], x[1] + y[1]),
    np.subtract: lambda x, y: (x[0] - y[0], x[1] - y[1]),
    np.multiply: _times, np.divide: _divided, np.reciprocal: _reciprocal, np.square: _square,
    np.power: _power, np.float_power: _power,
    np.negative: lambda x: (-x[0], -x[1]), np.positive: lambda x: (+x[0], +x[1]),
    np.conjugate: lambda x: (+x[0], -x[1]), np.rint: lambda x: (np.rint(x[0]), np.rint(x[1])),
    np.sign: _sign, np.sqrt: _sqrt, np.exp: _exp, np.expm1: _expm1,
    np.exp2: lambda x: _exp((x[0] * math.log(2), x[1] * math.log(2))),
    np.log: _log, np.log1p: _log1p,
    np.log2: _scaled(_log, 1 / math.log(2)), np.log10: _scaled(_log, 1 / math.log(10)),
    np.sinh: _sinh, np.cosh: _cosh, np.tanh: _tanh,
    np.sin: _turned(_sinh), np.cos: _cos, np.tan: _turned(_tanh),
    np.arcsin: _arcsin, np.arccos: _arccos, np.arctan: _turned(_arctanh),
    np.arcsinh: _turned(_arcsin), np.arccosh: _arccosh, np.arctanh: _arctanh,
    np.maximum: _chosen(_swapped(_less_equal), False), np.minimum: _chosen(_less_equal, False),
    np.fmax: _chosen(_swapped(_less_equal), True), np.fmin: _chosen(_less_equal, True),
})  # fmt: skip
PLAIN.update((np.add, np.subtract, np.multiply, np.equal, np.not_equal, np.power))
TESTS.update({
    np.absolute: _magnitude,
    np.equal: lambda x, y: np.equal(x[0], y[0]) & np.equal(x[1], y[1]),
    np.not_equal: lambda x, y: np.not_equal(x[0], y[0]) | np.not_equal(x[1], y[1]),
    np.less: _less, np.less_equal: _less_equal,
    np.greater: _swapped(_less), np.greater_equal: _swapped(_less_equal),
    np.isnan: lambda x: np.isnan(x[0]) | np.isnan(x[1]),
    np.isinf: lambda x: np.isinf(x[0]) | np.isinf(x[1]),
    np.isfinite: lambda x: np.isfinite(x[0]) & np.isfinite(x[1]),
    np.logical_not: lambda x: np.logical_not(_nonzero(x)),
    np.logical_and: lambda x, y: np.logical_and(_nonzero(x), _nonzero(y)),
    np.logical_or: lambda x, y: np.logical_or(_nonzero(x), _nonzero(y)),
    np.logical_xor: lambda x, y: np.logical_xor(_nonzero(x), _nonzero(y)),
})  # fmt: skip
