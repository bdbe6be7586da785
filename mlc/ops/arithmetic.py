"""Arithmetic: one row for each NumPy ufunc."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import te
from ..dtypes import boolean, float32, float64
from ..errors import DomainError
from ..ir.expr import Const, Expr, apply, const, select
from ..te.tensor import Constant
from .broadcast import shape_of
from .elementwise import Formula, elementwise, pointwise
from .op import implements, op
from .promotion import ufunc_dtypes

NEGATIVE_POWER = (
    "Integers to negative integer powers are not allowed. Use float(x) ** n or x.astype(float) ** n"
)


def _call(fn: str) -> Any:
    return lambda *args: apply(fn, *args)


def _on_bool(fn: str, bool_fn: str) -> Any:
    """``fn``, or on bool arguments the bit function that means the same."""
    return lambda a, b: apply(bool_fn if a.dtype is boolean else fn, a, b)


def _rounded(fn: str) -> Any:
    """A rounding function: integers are whole already."""
    return lambda v: apply(fn, v) if v.dtype.is_float else v


def _absolute(v: Expr) -> Expr:
    return v if v.dtype.kind in "bu" else apply("abs", v)


def _sign(v: Expr) -> Expr:
    zero, one = const(0, v.dtype), const(1, v.dtype)
    if v.dtype.kind == "u":
        return select(v == zero, zero, one)
    rest = select(v == zero, zero, v) if v.dtype.is_float else zero  # NaN stays
    return select(v > zero, one, select(v < zero, const(-1, v.dtype), rest))


def _reciprocal(v: Expr) -> Expr:
    one = const(1, v.dtype)
    if v.dtype.is_float:
        return one / v
    zero = const(0, v.dtype)
    positive = select(v == one, one, zero)
    return select(v == -one, -one, positive) if v.dtype.kind == "i" else positive


def _power(base: Expr, exponent: Expr) -> Expr:
    """Small constant exponents are multiplications and roots; integers to a negative constant are
    refused."""
    if isinstance(exponent, Const):
        if base.dtype.is_integer and exponent.value < 0:
            raise DomainError(NEGATIVE_POWER)
        match exponent.value:
            case 0:
                return const(1, base.dtype)
            case 1:
                return base
            case 2:
                return base * base
            case 3:
                return base * base * base
            case 4:
                square = base * base
                return square * square
            case -1:
                return const(1, base.dtype) / base
            case 0.5:  # as NumPy: NaN at -inf, and -0.0 at -0.0
                return apply("sqrt", base)
            case -0.5:  # 0 at -inf and inf at -0.0
                inverse = const(1, base.dtype) / _positive_root(base)
                return select(_is_least(base), const(0, base.dtype), inverse)
    return apply("pow", base, exponent)


def _c_power(base: Expr, exponent: Expr) -> Expr:
    """As C's pow: a root is inf at -inf, and 0.0 at -0.0."""
    if isinstance(exponent, Const) and exponent.value == 0.5:
        return select(_is_least(base), const(float("inf"), base.dtype), _positive_root(base))
    return _power(base, exponent)


def _power_of_all(base: Expr, exponent: Expr) -> Expr:
    """``_power`` with one exponent for all elements, which is not known: where it is 0.5, NumPy
    takes roots."""
    found = _power(base, exponent)
    if isinstance(exponent, Const) or not base.dtype.is_float:
        return found
    negative = apply("copysign", const(1, base.dtype), base) < const(0, base.dtype)
    zero = apply("bitand", base == const(0, base.dtype), negative)
    root = select(zero, base, const(float("nan"), base.dtype))
    special = apply("bitand", exponent == const(0.5, base.dtype),
                    apply("bitor", zero, _is_least(base)))  # fmt: skip
    return select(special, root, found)


def _is_least(base: Expr) -> Expr:
    return apply("eq", base, const(float("-inf"), base.dtype))


def _positive_root(base: Expr) -> Expr:
    return apply("sqrt", base + const(0, base.dtype))


def _raised(x1: Any, x2: Any, dtype: Any, rooted: bool) -> Any:
    inputs, outputs = ufunc_dtypes(np.power, (x1, x2), dtype)
    repeated = shape_of(x2) == () or math.prod(shape_of(x1)) > 1
    is_root = rooted and repeated and outputs[0] in (float32, float64)
    formula: Formula = _power if is_root else _c_power
    if isinstance(x2, te.Tensor) and x2.size == 1:
        if isinstance(x2.op, Constant):
            formula = _with_exponent(formula, x2.op.array.item())
        elif is_root and shape_of(x1):
            formula = _power_of_all
    return pointwise("power", formula, (x1, x2), inputs, outputs, wide=True)


def _with_exponent(formula: Formula, value: Any) -> Formula:
    return lambda base, exponent: formula(base, const(value, exponent.dtype))


@op(numpy=(np.power,))
def power(x1: Any, x2: Any, *, dtype: Any = None) -> Any:
    """np.power, element by element. One exponent for all elements, whatever holds it, is a case
    of its own for 32 and 64 bits: 0.5 is a root there, and C's pow elsewhere."""
    return _raised(x1, x2, dtype, True)


@op(promotes=True)
def scalar_power(x1: Any, x2: Any) -> Any:
    """``x1 ** x2`` of NumPy's scalars, which is C's pow."""
    return _raised(x1, x2, None, False)


def _divmod(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    return apply("floordiv", a, b), apply("mod", a, b)


def _modf(v: Expr) -> tuple[Expr, Expr]:
    whole = apply("trunc", v)
    zero = const(0, v.dtype)
    fraction = select(apply("isinf", v), zero, v - whole)
    return apply("copysign", fraction, v), whole


def _heaviside(v: Expr, at_zero: Expr) -> Expr:
    zero, one = const(0, v.dtype), const(1, v.dtype)
    return select(v == zero, at_zero, select(v < zero, zero, select(v > zero, one, v)))


add = elementwise(np.add, _on_bool("add", "bitor"))
subtract = elementwise(np.subtract, _call("sub"))
multiply = elementwise(np.multiply, _on_bool("mul", "bitand"))
divide = elementwise(np.divide, _call("div"))
floor_divide = elementwise(np.floor_divide, _call("floordiv"))
remainder = elementwise(np.remainder, _call("mod"))
fmod = elementwise(np.fmod, _call("fmod"))
divmod = elementwise(np.divmod, _divmod)
modf = elementwise(np.modf, _modf)
power.ufunc = np.power
float_power = elementwise(np.float_power, _c_power)
negative = elementwise(np.negative, _call("neg"))
positive = elementwise(np.positive, lambda v: v)
absolute = elementwise(np.absolute, _absolute)
fabs = elementwise(np.fabs, _call("abs"))
sign = elementwise(np.sign, _sign)
reciprocal = elementwise(np.reciprocal, _reciprocal)
square = elementwise(np.square, lambda v: v * v)
sqrt = elementwise(np.sqrt, _call("sqrt"))
cbrt = elementwise(np.cbrt, _call("cbrt"))
maximum = elementwise(np.maximum, _on_bool("maximum", "bitor"))
minimum = elementwise(np.minimum, _on_bool("minimum", "bitand"))
floor = elementwise(np.floor, _rounded("floor"))
ceil = elementwise(np.ceil, _rounded("ceil"))
trunc = elementwise(np.trunc, _rounded("trunc"))
rint = elementwise(np.rint, _call("rint"))
copysign = elementwise(np.copysign, _call("copysign"))
nextafter = elementwise(np.nextafter, _call("nextafter"))
heaviside = elementwise(np.heaviside, _heaviside)
hypot = elementwise(np.hypot, _call("hypot"))


def _ignoring_nan(fn: str, exact: str, bool_fn: str) -> Any:
    def formula(a: Expr, b: Expr) -> Expr:
        return apply(bool_fn if a.dtype is boolean else fn if a.dtype.is_float else exact, a, b)

    return formula


fmax = elementwise(np.fmax, _ignoring_nan("fmax", "maximum", "bitor"))
fmin = elementwise(np.fmin, _ignoring_nan("fmin", "minimum", "bitand"))


@implements(np.fix)
def fix(x: Any) -> Any:
    """np.fix: towards zero."""
    return trunc(x)
