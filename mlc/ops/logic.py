"""Comparison, logic, bits and tests of floats: one row for each NumPy ufunc."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, boolean
from ..ir.expr import Expr, apply, cast, const
from .elementwise import astype, elementwise, pointwise
from .op import Op, implements, op
from .promotion import common_dtype, dtype_of, ufunc_dtypes


def _less(a: Expr, b: Expr) -> Expr:
    """Exact also between int64 and uint64, which have no common type."""
    if a.dtype is b.dtype:
        return apply("lt", a, b)
    if a.dtype.kind == "i":
        return (a < const(0, a.dtype)) | apply("lt", cast(a, b.dtype), b)
    return (b >= const(0, b.dtype)) & apply("lt", a, cast(b, a.dtype))


def _equal(a: Expr, b: Expr) -> Expr:
    if a.dtype is b.dtype:
        return apply("eq", a, b)
    signed, unsigned = (a, b) if a.dtype.kind == "i" else (b, a)
    is_natural = signed >= const(0, signed.dtype)
    return is_natural & apply("eq", cast(signed, unsigned.dtype), unsigned)


def _compare(fn: str, mixed: Any) -> Any:
    return lambda a, b: apply(fn, a, b) if a.dtype is b.dtype else mixed(a, b)


def _out_of_range(x: Any, y: Any) -> int:
    """+1 or -1 where the Python integer ``y`` lies above or below all that ``x``'s dtype holds."""
    if type(y) is not int or not isinstance(x, te.Tensor) or not x.dtype.is_integer:
        return 0
    return (y > x.dtype.highest) - (y < x.dtype.lowest)


def _comparison(ufunc: np.ufunc, formula: Any) -> Op:
    """As elementwise(), and Python integers that the other dtype cannot hold compare exactly."""

    def function(x1: Any, x2: Any, *, dtype: Any = None) -> Any:
        if dtype is not None and as_dtype(dtype) is not boolean:
            ufunc_dtypes(ufunc, (x1, x2), dtype)  # which NumPy has no loop for
        side = _out_of_range(x1, x2) - _out_of_range(x2, x1)
        if side:
            answer = const(bool(ufunc(0, side)))
            array = x1 if isinstance(x1, te.Tensor) else x2
            return te.compute(array.shape, lambda *index: answer, name=ufunc.__name__)
        inputs, outputs = ufunc_dtypes(ufunc, (x1, x2), None)
        return pointwise(ufunc.__name__, formula, (x1, x2), inputs, outputs)

    function.__name__ = function.__qualname__ = ufunc.__name__
    function.__doc__ = f"np.{ufunc.__name__}, element by element."
    made: Op = op(function, name=ufunc.__name__, numpy=(ufunc,))
    made.ufunc = ufunc
    return made


equal = _comparison(np.equal, _equal)
not_equal = _comparison(np.not_equal, _compare("ne", lambda a, b: ~_equal(a, b)))
less = _comparison(np.less, _less)
less_equal = _comparison(np.less_equal, _compare("le", lambda a, b: ~_less(b, a)))
greater = _comparison(np.greater, _compare("gt", lambda a, b: _less(b, a)))
greater_equal = _comparison(np.greater_equal, _compare("ge", lambda a, b: ~_less(a, b)))


def _truth(formula: Any) -> Any:
    return lambda *args: formula(*(cast(arg, boolean) for arg in args))


logical_and = elementwise(np.logical_and, _truth(lambda a, b: a & b))
logical_or = elementwise(np.logical_or, _truth(lambda a, b: a | b))
logical_xor = elementwise(np.logical_xor, _truth(lambda a, b: a ^ b))
logical_not = elementwise(np.logical_not, _truth(lambda a: ~a))
bitwise_and = elementwise(np.bitwise_and, lambda a, b: a & b)
bitwise_or = elementwise(np.bitwise_or, lambda a, b: a | b)
bitwise_xor = elementwise(np.bitwise_xor, lambda a, b: a ^ b)
invert = elementwise(np.invert, lambda a: ~a)
left_shift = elementwise(np.left_shift, lambda a, b: a << b)
right_shift = elementwise(np.right_shift, lambda a, b: a >> b)


def _float_test(fn: str, otherwise: bool) -> Any:
    return lambda v: apply(fn, v) if v.dtype.is_float else const(otherwise)


def _signbit(v: Expr) -> Expr:
    return apply("signbit", v)


isnan = elementwise(np.isnan, _float_test("isnan", False))
isinf = elementwise(np.isinf, _float_test("isinf", False))
isfinite = elementwise(np.isfinite, _float_test("isfinite", True))
signbit = elementwise(np.signbit, _signbit)


@implements(np.isposinf)
def isposinf(x: Any, out: None = None) -> Any:
    """np.isposinf."""
    return equal(x, float("inf")) if dtype_of(x).is_float else isinf(x)


@implements(np.isneginf)
def isneginf(x: Any, out: None = None) -> Any:
    """np.isneginf."""
    return equal(x, float("-inf")) if dtype_of(x).is_float else isinf(x)


@op(promotes=True)
def is_close(x: Any, y: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    """``|x - y| <= atol + rtol * |y|`` for finite values; infinities are close when equal."""
    dtype = ufunc_dtypes(np.subtract, (astype_float(x), astype_float(y)))[1][0]

    def formula(a: Expr, b: Expr) -> Expr:
        difference = abs(a - b)
        bound = const(rtol, dtype) * abs(b) + const(atol, dtype)
        near = (difference <= bound) & apply("isfinite", b) | apply("eq", a, b)
        return near | (apply("isnan", a) & apply("isnan", b)) if equal_nan else near

    return pointwise("isclose", formula, (x, y), (dtype, dtype), (boolean,))


def astype_float(value: Any) -> Any:
    """A stand-in with the dtype of ``value``, integers as float64: for asking NumPy about
    dtypes."""
    if isinstance(value, float) and not isinstance(value, np.generic):
        return value
    dtype = dtype_of(value)
    return (dtype if dtype.is_float else as_dtype("float64")).numpy.type(0)


def _is_close_within(a: Any, b: Any, rtol: Any, atol: Any, equal_nan: bool) -> Any:
    """np.isclose with arrays of tolerances."""
    a, b, rtol, atol = (np.asarray(v) if isinstance(v, list) else v for v in (a, b, rtol, atol))
    b = astype(b, dtype=common_dtype(dtype_of(b).numpy.type(0), 1.0))
    near = np.less_equal(np.abs(a - b), atol + rtol * np.abs(b)) & np.isfinite(b) | (a == b)
    return near | np.isnan(a) & np.isnan(b) if equal_nan else near


@implements(np.isclose)
def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """np.isclose."""
    if not (
        isinstance(rtol, float | int | np.number) and isinstance(atol, float | int | np.number)
    ):
        return _is_close_within(a, b, rtol, atol, equal_nan)
    return is_close(a, b, rtol=float(rtol), atol=float(atol), equal_nan=bool(equal_nan))
