"""Exponentials, logarithms, trigonometry and their kin: one row for each NumPy ufunc."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.expr import Expr, apply, const, select
from .elementwise import elementwise, unary_float


def _call(fn: str) -> Any:
    return lambda *args: apply(fn, *args)


def _scaled(over: float, under: float) -> Any:
    """Times ``over / under``, divided in the dtype of the argument, as NumPy does."""

    def formula(v: Expr) -> Expr:
        kind = v.dtype.numpy.type if v.dtype.is_float else np.float64
        return v * const(float(kind(over) / kind(under)), v.dtype)

    return formula


def _log_of_sum(exp: str, log1p_scale: float, log_of_two: float) -> Any:
    """``log(base**a + base**b)`` without overflow: the greater one plus the log of 1 + a ratio <=
    1."""

    def formula(a: Expr, b: Expr) -> Expr:
        ratio = apply(exp, -abs(a - b))
        tail = apply("log1p", ratio)
        if log1p_scale != 1.0:
            tail = tail * const(log1p_scale, a.dtype)
        apart = apply("maximum", a, b) + tail
        return select(apply("eq", a, b), a + const(log_of_two, a.dtype), apart)

    return formula


LOG_OF_SUM = _log_of_sum("exp", 1.0, math.log(2))
LOG_OF_SUM_2 = _log_of_sum("exp2", 1 / math.log(2), 1.0)
exp = elementwise(np.exp, _call("exp"))
exp2 = elementwise(np.exp2, _call("exp2"))
expm1 = elementwise(np.expm1, _call("expm1"))
log = elementwise(np.log, _call("log"))
log2 = elementwise(np.log2, _call("log2"))
log10 = elementwise(np.log10, _call("log10"))
log1p = elementwise(np.log1p, _call("log1p"))
logaddexp = elementwise(np.logaddexp, LOG_OF_SUM, wide=True)
logaddexp2 = elementwise(np.logaddexp2, LOG_OF_SUM_2, wide=True)
sin = elementwise(np.sin, _call("sin"))
cos = elementwise(np.cos, _call("cos"))
tan = elementwise(np.tan, _call("tan"))
arcsin = elementwise(np.arcsin, _call("arcsin"))
arccos = elementwise(np.arccos, _call("arccos"))
arctan = elementwise(np.arctan, _call("arctan"))
arctan2 = elementwise(np.arctan2, _call("arctan2"))
sinh = elementwise(np.sinh, _call("sinh"))
cosh = elementwise(np.cosh, _call("cosh"))
tanh = elementwise(np.tanh, _call("tanh"))
arcsinh = elementwise(np.arcsinh, _call("arcsinh"))
arccosh = elementwise(np.arccosh, _call("arccosh"))
arctanh = elementwise(np.arctanh, _call("arctanh"))
degrees = elementwise(np.degrees, _scaled(180, math.pi), wide=True)
radians = elementwise(np.radians, _scaled(math.pi, 180), wide=True)
rad2deg = elementwise(np.rad2deg, _scaled(180, math.pi), wide=True)
deg2rad = elementwise(np.deg2rad, _scaled(math.pi, 180), wide=True)

erf = unary_float("erf", _call("erf"), "The error function, element by element.")
erfc = unary_float("erfc", _call("erfc"), "1 - erf(x), exact also where erf(x) is near 1.")
