"""Python's ``math`` over traced numbers: doubles, whatever the dtype of what it is given.

Where Python raises an error for a value, ``math.sqrt(-1.0)``, compiled code computes what NumPy
does, NaN or infinity; in debug mode the call raises the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..config import config
from ..errors import user_location
from ..ops.caught import is_caught, raise_where
from ..tracer.masked import Masked
from ..tracer.noting import note_error
from ..tracer.number import copied_number, python_number
from ..tracer.tracer import Tracer, mark_weak
from .forms import is_traced

_SAME = "sqrt exp log sin cos tan sinh cosh tanh fabs expm1 log1p log2 log10 cbrt exp2 degrees \
radians"
_OTHER = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "atan2": "arctan2", "pow": "power", "copysign": "copysign", "fmod": "fmod",
    "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "nextafter": "nextafter",
    "remainder": "_remainder",
}  # fmt: skip
_OVERFLOWING = ("exp", "exp2", "expm1", "sinh", "cosh", "pow", "gamma")  # others give inf
_WITH_POLES = ("log", "log2", "log10", "log1p", "atanh", "lgamma")


def real(value: Any) -> Any:
    """``float(value)``, traced or not."""
    if not is_traced(value):
        return value if isinstance(value, (int, float)) else float(value)
    if not isinstance(value, Tracer):
        raise TypeError("must be real number, not complex")
    if value.shape:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return python_number(value, float)


def _weak(value: Any) -> Any:
    if not isinstance(value, Tracer):
        return value
    return mark_weak(copied_number(value))


def _of(function: Callable[..., Any], compute: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of math, by ``compute`` where a number is traced."""

    def call(*args: Any, **options: Any) -> Any:
        if not any(map(is_traced, (*args, *options.values()))):
            return function(*args, **options)
        given = list(map(real, args))
        found = _weak(compute(*given, **options))
        looks = config.debug or is_caught(ValueError) or is_caught(OverflowError)
        if looks and found.dtype.kind == "f":
            _check(function.__name__, given, found)
        return found

    return call


def _check(name: str, given: list[Any], found: Any) -> None:
    """The errors of math.``name``: for NaN of what is no NaN, and infinity of what is finite."""
    numbers, finite = np.True_, np.True_
    for value in given:
        numbers = numbers & ~np.isnan(value)
        finite = finite & np.isfinite(value)
    no_number = numbers & np.isnan(found)
    too_large = finite & np.isinf(found) & (name in _OVERFLOWING)
    if name in _WITH_POLES:
        no_number = no_number | (finite & np.isinf(found))
    elif name in ("pow", "gamma"):
        is_pole = finite & np.isinf(found) & np.equal(given[0], 0)
        no_number, too_large = no_number | is_pole, too_large & ~is_pole
    at = user_location()
    for wrong, error, what in (
        (no_number, ValueError, "math domain error"),
        (too_large, OverflowError, "math range error"),
    ):
        if not isinstance(wrong, Tracer):
            continue
        if is_caught(error):
            raise_where(wrong, error(what))
        elif config.debug:
            note_error(wrong, error(what if at is None else f"{what}\n  at {at}"))


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _hypot(*parts: Any) -> Any:
    found = parts[0] if len(parts) > 1 else np.abs(parts[0])
    for part in parts[1:]:
        found = np.hypot(found, part)
    return found


def _remainder(x: Any, y: Any) -> Any:
    return x - np.rint(x / y) * y


def _isclose(a: Any, b: Any, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> Any:
    bound = np.maximum(rel_tol * np.maximum(np.abs(a), np.abs(b)), abs_tol)
    is_near = (np.abs(a - b) <= bound) & np.isfinite(a) & np.isfinite(b)
    return is_near | np.equal(a, b)


def _erf(name: str) -> Callable[..., Any]:
    def compute(x: Any) -> Any:
        from ..ops import nn

        return getattr(nn, name)(x)

    return compute


def _of_gamma(name: str) -> Callable[..., Any]:
    def compute(x: Any) -> Any:
        from ..ops import gamma

        return getattr(gamma, name)(x)

    return compute


def _modf(x: Any) -> Any:
    return tuple(map(_weak, np.modf(real(x))))


def _frexp(x: Any) -> Any:
    part, power = np.frexp(real(x))
    return _weak(part), python_number(power, int)


def _ulp(x: Any) -> Any:
    return np.where(np.isinf(x), np.inf, np.spacing(np.abs(x)))


def _ldexp(x: Any, power: Any) -> Any:
    return _weak(np.ldexp(real(x), power))


def _plainly(function: Any, compute: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` by a ``compute`` that gives Python's numbers, of any kind or two of them."""
    return lambda *args: (compute if any(map(is_traced, args)) else function)(*args)


def _over_points(function: Any, compute: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, which takes sequences of numbers."""

    def call(*args: Any, **options: Any) -> Any:
        given = [list(a) if isinstance(a, (list, tuple)) or np.ndim(a) else a for a in args]
        if not any(is_traced(v) for part in given if isinstance(part, list) for v in part):
            return function(*given, **options)
        return _weak(compute(*[[real(v) for v in p] for p in given], **options))

    return call


def _dist(p: Any, q: Any) -> Any:
    if len(p) != len(q):
        raise ValueError("both points must have the same number of dimensions")
    return _hypot(*(a - b for a, b in zip(p, q)))


def of_series(series: Any) -> Callable[[Any], Any]:
    """The call of a numpy.polynomial series, whose coefficients are known."""

    def evaluate(x: Any) -> Any:
        if not (is_traced(x) or isinstance(x, Masked)):
            return series(x)
        offset, scale = np.polynomial.polyutils.mapparms(series.domain, series.window)
        return series._val(offset + scale * x, series.coef)

    return evaluate


_COMPUTED: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _SAME.split()},
    **{name: getattr(np, other) for name, other in _OTHER.items() if other[0] != "_"},
    "log": _log, "hypot": _hypot, "remainder": _remainder, "isclose": _isclose,
    "erf": _erf("erf"), "erfc": _erf("erfc"), "ulp": _ulp,
    "gamma": _of_gamma("gamma"), "lgamma": _of_gamma("log_gamma"),
}  # fmt: skip
INSTEAD: dict[Any, Any] = {
    **{
        getattr(math, name): _of(getattr(math, name), compute)
        for name, compute in _COMPUTED.items()
        if hasattr(math, name)
    },
    math.modf: _plainly(math.modf, _modf),
    math.frexp: _plainly(math.frexp, _frexp),
    math.ldexp: _plainly(math.ldexp, _ldexp),
    math.fsum: _over_points(math.fsum, lambda values: sum(values)),
    math.dist: _over_points(math.dist, _dist),
}  # what to call in the place of Python's functions
