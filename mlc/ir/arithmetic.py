"""What the scalar functions compute, in NumPy: total, silent, in the dtype that the node states.

Everything that evaluates expressions in Python goes through here, so that the reference meaning of
the language is written once. Arguments are NumPy scalars or arrays of the right dtypes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType, bfloat16, boolean
from .scalar import SCALAR_FNS

# ml_dtypes gives bfloat16 all but these; they go through float32, which holds each value exactly.
_THROUGH_FLOAT32 = frozenset({"cbrt", "fmod", "erf", "erfc"})
# On bool NumPy answers int8 for these, or refuses; the type of the node wins.
_BOOL_AS_INT8 = frozenset({"sub", "floordiv", "mod", "fmod", "pow", "shl", "shr", "neg"})


@cache
def scalar_function(fn: str, dtype: DType, operand: DType) -> Callable[..., Any]:
    """The NumPy function for ``fn`` of ``operand`` arguments, with a result of ``dtype``.

    It works on scalars and arrays alike. Integers wrap, ``x // 0`` and ``x % 0`` are 0, a negative
    power of an integer is truncated towards 0. Call it under ``silent()``.
    """
    function = SCALAR_FNS[fn].numpy
    target = dtype.numpy
    if fn == "bitcast":
        return lambda x: function(x, target)[()]
    if fn == "pow" and operand.is_integer:
        return _integer_power
    if fn == "fma" and not operand.is_float:
        return lambda a, b, c: a * b + c
    if operand is boolean and fn in _BOOL_AS_INT8:
        return lambda *args: np.asarray(function(*(np.int8(a) for a in args))).astype(target)[()]
    if operand is bfloat16 and fn in _THROUGH_FLOAT32:
        return lambda *args: function(*(np.float32(a) for a in args)).astype(target)[()]
    if isinstance(function, np.ufunc) and fn not in ("floor", "ceil", "trunc", "rint", "sqrt"):
        return function
    return lambda *args: np.asarray(function(*args)).astype(target, copy=False)[()]


def convert(value: Any, dtype: DType) -> Any:
    """``value`` as ``dtype``: floats truncate to integers, bool is ``value != 0``."""
    return np.asarray(value).astype(dtype.numpy)[()]


def silent() -> np.errstate:
    """A context without NumPy's floating-point warnings: they are no part of the language."""
    return np.errstate(all="ignore")


def _integer_power(base: Any, exponent: Any) -> Any:
    """``base ** exponent``, wrapping; 1 and -1 have negative powers, all others give 0."""
    negative = exponent < 0
    if not np.any(negative):
        return np.power(base, exponent)
    dtype = np.asarray(base).dtype
    one = dtype.type(1)
    sign = np.where(exponent % 2 == 0, one, base)
    inverse = np.where(np.abs(base) == 1, sign, dtype.type(0))
    return np.where(negative, inverse, np.power(base, np.where(negative, one, exponent)))[()]
