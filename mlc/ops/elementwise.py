"""How a row "NumPy ufunc, scalar formula" becomes an operator; and the casts and selections.

The tables of rows are in `arithmetic.py`, `logic.py` and `transcendental.py`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType, as_dtype, bfloat16, boolean, float16, float32, float64
from ..errors import DomainError, DTypeError, UnsupportedError
from ..ir.expr import Expr, apply, const, select
from ..ir.expr import cast as cast_expr
from .broadcast import as_tensor, broadcast_shape, element, shape_of
from .limits import note_conversion
from .op import CURRENT, Op, implements, op
from .promotion import cast_inputs, common_dtype, dtype_of, ufunc_dtypes

Formula = Callable[..., Any]
_CLIP: np.ufunc = (np._core if hasattr(np, "_core") else np.core).umath.clip


def rounded_product(a: Expr, b: Expr) -> Expr:
    """``a * b`` rounded before anything is added to it, as by NumPy: a place or an edge that is off
    by its last digit is another one."""
    return apply("fma", a, b, const(-0.0, a.dtype))


def elementwise(ufunc: np.ufunc, formula: Formula, wide: bool = False, name: str = "") -> Op:
    """The operator for ``ufunc``: its result at each point is ``formula`` of the arguments there.

    The formula gets one expression for each argument, already of the dtype that NumPy computes
    in, and returns an expression (or one for each output). ``wide`` formulas round more than
    once: for 16-bit floats they run in float32.
    """
    name = name or ufunc.__name__

    def body(args: tuple[Any, ...], dtype: Any) -> Any:
        inputs, outputs = ufunc_dtypes(ufunc, args, dtype)
        return pointwise(name, formula, args, inputs, outputs, wide)

    if ufunc.nin == 1:

        def function(x: Any, *, dtype: Any = None) -> Any:
            return body((x,), dtype)

    elif ufunc.nin == 2:

        def function(x1: Any, x2: Any, *, dtype: Any = None) -> Any:  # type: ignore[misc]
            return body((x1, x2), dtype)

    else:

        def function(x1: Any, x2: Any, x3: Any, *, dtype: Any = None) -> Any:  # type: ignore[misc]
            return body((x1, x2, x3), dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"np.{ufunc.__name__}, element by element."
    made: Op = op(function, name=name, numpy=(ufunc,))
    made.ufunc = ufunc
    return made


def unary_float(name: str, formula: Formula, doc: str, wide: bool = False) -> Op:
    """An operator on floats that NumPy does not have; integers become what np.exp makes of them."""

    def function(x: Any) -> Any:
        inputs, outputs = ufunc_dtypes(np.exp, (x,))
        return pointwise(name, formula, (x,), inputs, outputs, wide)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    made: Op = op(function, name=name, promotes=True)
    return made


def pointwise(
    name: str,
    formula: Formula,
    args: tuple[Any, ...],
    inputs: tuple[DType, ...],
    outputs: tuple[DType, ...],
    wide: bool = False,
) -> Any:
    """``formula`` over the broadcast ``args``, converted to ``inputs``; results of dtype
    ``outputs``."""
    args = tuple(as_tensor(arg) if isinstance(arg, (list, tuple)) else arg for arg in args)
    shape = broadcast_shape(name, *(shape_of(arg) for arg in args))
    if wide:
        inputs = tuple(float32 if d in (float16, bfloat16) else d for d in inputs)

    def at(*index: Expr) -> Any:
        given = (element(a, index, shape, d) for a, d in zip(args, inputs, strict=True))
        result = formula(*given)
        if isinstance(result, tuple):
            return tuple(cast_expr(r, d) for r, d in zip(result, outputs, strict=True))
        return cast_expr(result, outputs[0])

    return te.compute(shape, at, name=name)


@op
def astype(x: Any, *, dtype: Any) -> Any:
    """``x`` converted to ``dtype`` with NumPy's meaning: floats truncate, bool tests ``!= 0``."""
    target = as_dtype(dtype)
    if isinstance(x, te.Tensor) and x.dtype is target:
        return x
    note_conversion(CURRENT.get(), x, target)
    return pointwise("cast", lambda v: v, (x,), (dtype_of(x),), (target,))


@implements(*([np.astype] if hasattr(np, "astype") else []))  # since NumPy 2.1
def astype_function(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """np.astype."""
    convert = getattr(x, "astype", None)
    return astype(x, dtype=dtype) if convert is None else convert(dtype, copy=copy)


@op(promotes=True)
def select_where(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where ``condition`` holds (is not 0), else ``y``; broadcast, and promoted to one
    dtype."""
    dtype = common_dtype(x, y)
    inputs = (boolean, dtype, dtype)
    return pointwise("where", select, (condition, x, y), inputs, (dtype,))


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """np.where with three arguments."""
    if x is None and y is None:
        from .choosing import nonzero
        from .moving import is_inside_loop

        if is_inside_loop() or getattr(CURRENT.get(), "rooms", None) is not None:
            return nonzero(condition)
    if x is None or y is None:
        raise UnsupportedError(
            "np.where(condition) returns as many indices as the data decide, and shapes must be "
            "known while tracing; use np.where(condition, x, y), or np.argmax for the first place"
        )
    dtype = common_dtype(x, y)
    return select_where(condition, chosen_number(x, dtype), chosen_number(y, dtype))


def chosen_number(value: Any, dtype: DType) -> Any:
    """A Python integer as np.where makes it ``dtype``: wrapped around, and since NumPy 2.5 refused
    where it does not fit. The installed NumPy is asked."""
    if type(value) is not int or not dtype.is_integer or not -(2**63) <= value < 2**64:
        return value
    return np.where(True, value, dtype.numpy.type(0)).item()


def wrapped_number(value: Any, dtype: DType) -> Any:
    """A Python integer as ``dtype`` holds it once it was an array of 64 bits, as in np.pad."""
    if type(value) is not int or not dtype.is_integer or not -(2**63) <= value < 2**64:
        return value
    return (value - dtype.lowest) % (dtype.highest - dtype.lowest + 1) + dtype.lowest


@op(promotes=True)
def clip_between(x: Any, low: Any, high: Any) -> Any:
    """``minimum(maximum(x, low), high)``; either bound may be None. NaN in any argument wins.

    Python integers below, or above, all that the dtype of ``x`` holds are no bounds.
    """
    dtype = dtype_of(x)
    given = [bound for bound in (low, high) if bound is not None]
    strong = dtype_of(x) if isinstance(x, te.Tensor) else None
    if strong is not None and strong.is_integer:
        if common_dtype(x, *(bound for bound in given if type(bound) is not int)) is strong:
            low, high = _bounds_in(strong, low, high)
        else:  # the other bound is of a wider dtype, which holds them
            low = None if type(low) is int and low <= strong.lowest else low
            high = None if type(high) is int and high >= strong.highest else high
    dtype = common_dtype(x, *given)
    args = tuple(v for v in (x, low, high) if v is not None)

    def formula(v: Expr, *bounds: Expr) -> Expr:
        rest = list(bounds)
        if low is not None:
            v = te.max(v, rest.pop(0))
        return te.min(v, rest.pop(0)) if high is not None else v

    return pointwise("clip", formula, args, (dtype,) * len(args), (dtype,))


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: None = None,
    *,
    min: Any = None,
    max: Any = None,
    dtype: Any = None,
    casting: Any = "same_kind",
    subok: bool = True,
) -> Any:
    """np.clip: values below ``a_min`` become ``a_min``, those above ``a_max`` become ``a_max``."""
    if a_min is not None and min is not None or a_max is not None and max is not None:
        raise DomainError("np.clip: give a_min and a_max, or min and max, and not both")
    low = a_min if min is None else min
    high = a_max if max is None else max
    if getattr(a, "_is_weak", False):  # NumPy makes an array of it first
        a = a._detached()
    a = np.asarray(a)[()] if type(a) in (int, float) else a
    if dtype is not None or casting != "same_kind":
        a, low, high = _clipped_as(a, low, high, dtype, casting)
    return clip_between(a, low, high)


def _bounds_in(dtype: DType, low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds, where Python's integers that bound no number of ``dtype`` are ends of it; raises
    NumPy's OverflowError for others that it cannot hold."""
    low = dtype.lowest if type(low) is int and low < dtype.lowest else low
    high = dtype.highest if type(high) is int and high > dtype.highest else high
    for bound in (low, high):
        if type(bound) is int:
            dtype.numpy.type(bound)
    return low, high


def _clipped_as(a: Any, low: Any, high: Any, dtype: Any, casting: Any) -> tuple[Any, ...]:
    """The arguments of `clip_between` in the dtype that np.clip computes in."""
    given = dtype_of(a)
    if given.is_integer:
        low, high = _bounds_in(given, low, high)
    args = [value for value in (a, low, high) if value is not None]
    ufunc = (np.positive, np.maximum if high is None else np.minimum, _CLIP)[len(args) - 1]
    wanted = iter(cast_inputs(ufunc, tuple(args), dtype, casting))
    return tuple(v if v is None else astype(v, dtype=next(wanted)) for v in (a, low, high))


@op(promotes=True)
def round_decimals(x: Any, *, decimals: int = 0) -> Any:
    """``x`` rounded to ``decimals`` places, ties to even, as np.round: scale, round, scale back."""
    dtype = dtype_of(x)
    if dtype is boolean:
        dtype = float16
    if decimals >= 0 and not dtype.is_float:
        return x if isinstance(x, te.Tensor) else astype(x, dtype=dtype)
    work = dtype if dtype.is_float else as_dtype("float64")

    def formula(v: Expr) -> Expr:
        if decimals == 0:
            return rint_of(v)
        scale = const(power_of_ten(abs(decimals)), v.dtype)
        return rint_of(v * scale) / scale if decimals > 0 else rint_of(v / scale) * scale

    return pointwise("round", formula, (x,), (work,), (dtype,))


EXACT_POWERS = 22  # of ten, that float64 holds


@op(promotes=True)
def round_number(x: Any, *, digits: int) -> Any:
    """``round(x, digits)`` of a Python float, ``digits`` from 0 to `EXACT_POWERS`: nearest to what
    ``x`` is exactly, where np.round looks at a product that is rounded itself."""
    return pointwise("round", lambda v: _nearest(v, digits), (x,), (float64,), (float64,))


def _nearest(v: Expr, digits: int) -> Expr:
    scale = const(10.0**digits, v.dtype)
    scaled = rounded_product(v, scale)
    beyond = apply("fma", v, scale, -scaled)  # of the product, exactly
    whole = rint_of(scaled)
    rest = scaled - whole
    up = (rest == 0.5) & (beyond > 0.0)
    down = (rest == -0.5) & (beyond < 0.0)
    whole = select(up, whole + 1.0, select(down, whole - 1.0, whole))
    return select(apply("abs", scaled) < 2.0**53, whole / scale, v)  # larger: nothing to round


def power_of_ten(n: int) -> float:
    """10 to the power of ``n`` as np.round has it, which multiplies: not the nearest one from 23
    on."""
    return math.prod([10.0] * n, start=1.0)


def rint_of(value: Expr) -> Expr:
    """``value`` rounded to the nearest integer, ties to even."""
    return apply("rint", value)


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: None = None) -> Any:
    """np.round."""
    decimals = operator.index(decimals)
    if decimals and dtype_of(a) is boolean and shape_of(a):
        raise DTypeError("np.round: bools have no decimals; convert them with .astype(...)")
    return round_decimals(a, decimals=decimals)


@op(promotes=True)
def replace_non_finite(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """``x`` with NaN and the infinities replaced; None means the greatest and least finite
    value."""
    dtype = dtype_of(x)
    if not dtype.is_float:
        return x if isinstance(x, te.Tensor) else astype(x, dtype=dtype)
    if dtype is bfloat16:
        import ml_dtypes

        most = float(ml_dtypes.finfo(dtype.numpy).max)
    else:
        most = float(np.finfo(dtype.numpy).max)
    inf = const(float("inf"), dtype)
    args = (x, nan, most if posinf is None else posinf, -most if neginf is None else neginf)

    def formula(v: Expr, nan: Expr, high: Expr, low: Expr) -> Expr:
        finite = select(v == inf, high, select(v == -inf, low, v))
        return select(v != v, nan, finite)

    return pointwise("nan_to_num", formula, args, (dtype,) * 4, (dtype,))


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """np.nan_to_num."""
    return replace_non_finite(x, nan, posinf, neginf)
