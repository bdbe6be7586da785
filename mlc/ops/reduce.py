"""Reductions that fold one array: sums, products, extremes, truth, and where an extreme stands.

The operators take canonical arguments; the functions under NumPy's names take NumPy's.
"""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType, as_dtype, boolean, float32, float64, int32, int64, uint8
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..ir.combiner import Combiner, make_combiner
from ..ir.expr import Axis, Expr, apply, const, select
from ..ir.expr import cast as cast_expr
from ..te.construct import reduce_with
from ..te.extent import Extent
from . import arithmetic, logic
from .broadcast import (
    Shape,
    as_axes,
    as_axis,
    as_tensor,
    broadcast_shape,
    is_only_axis,
    shape_of,
    size_of,
    strict_axes,
)
from .elementwise import astype, select_where
from .op import implements, op
from .promotion import accumulator, dtype_of, sum_dtype


def over(x: te.Tensor, axes: tuple[int, ...], keepdims: bool) -> tuple[Shape, dict[int, Axis], Any]:
    """What a reduction of ``x`` over ``axes`` needs: the shape that comes out, the reduce axis for
    each number, and ``at(index)``: the element of ``x`` for an index of the result."""
    folded = {a: te.reduce_axis(x.shape[a], f"k{a}" if len(axes) > 1 else "k") for a in axes}
    kept = [d for d in range(x.ndim) if d not in folded]
    shape = (
        tuple(1 if d in folded else s for d, s in enumerate(x.shape))
        if keepdims
        else tuple(x.shape[d] for d in kept)
    )

    def at(index: tuple[Expr, ...]) -> Expr:
        given = [index[d] for d in kept] if keepdims else list(index)
        places = dict(zip(kept, given, strict=True))
        return x[tuple(folded[d] if d in folded else places[d] for d in range(x.ndim))]

    return shape, folded, at


@cache
def in_order(dtype: DType) -> Combiner:
    """Products of floats: in another order, parts of them overflow where the whole does not."""
    return make_combiner("prod", lambda a, b: a * b, (1,), (dtype,), commutative=False)


def _fold(
    name: str, x: te.Tensor, axes: tuple[int, ...], keepdims: bool, dtype: DType, work: DType
) -> Any:
    x = as_tensor(x)
    shape, folded, at = over(x, axes, keepdims)
    if not axes and name == "sum" and dtype.kind == "f":  # 0 + x, which is no -0.0
        zero = const(0.0, work)
        added = te.compute(x.shape, lambda *i: cast_expr(x[i], work) + zero, name=name)
        return astype(added, dtype=dtype)
    if not axes:
        return astype(x, dtype=dtype)
    reducer = {"sum": te.sum, "prod": te.prod, "any": te.any, "all": te.all}.get(name)
    ks = tuple(folded.values())

    def body(*index: Expr) -> Expr:
        value = cast_expr(at(index), work)
        if name == "prod" and work.is_float:
            return reduce_with(in_order(work), (value,), ks, single=True)  # type: ignore[no-any-return]
        if reducer is None:
            return (te.max if name == "max" else te.min)(value, axis=ks)
        return reducer(value, ks)

    return astype(te.compute(shape, body, name=name), dtype=dtype)


@op
def reduce_sum(x: Any, *, axes: tuple[int, ...], keepdims: bool, dtype: Any) -> Any:
    """The sum over ``axes`` in ``dtype``; 16-bit floats are summed in float32."""
    dtype = as_dtype(dtype)
    if dtype is boolean:
        return _fold("any", x, axes, keepdims, dtype, dtype)
    return _fold("sum", x, axes, keepdims, dtype, accumulator(dtype))


@op
def reduce_prod(x: Any, *, axes: tuple[int, ...], keepdims: bool, dtype: Any) -> Any:
    """The product over ``axes`` in ``dtype``, floats in order; 16-bit ones are multiplied in
    float32."""
    dtype = as_dtype(dtype)
    if dtype is boolean:
        return _fold("all", x, axes, keepdims, dtype, dtype)
    return _fold("prod", x, axes, keepdims, dtype, accumulator(dtype))


@op
def reduce_max(x: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The greatest value over ``axes``, NaN if there is one."""
    x = as_tensor(x)
    return _fold("any" if x.dtype is boolean else "max", x, axes, keepdims, x.dtype, x.dtype)


@op
def reduce_min(x: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The least value over ``axes``, NaN if there is one."""
    x = as_tensor(x)
    return _fold("all" if x.dtype is boolean else "min", x, axes, keepdims, x.dtype, x.dtype)


@op
def reduce_any(x: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Whether any element over ``axes`` is not 0."""
    return _fold("any", x, axes, keepdims, boolean, boolean)


@op
def reduce_all(x: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Whether all elements over ``axes`` are not 0."""
    return _fold("all", x, axes, keepdims, boolean, boolean)


ABSENT: Any = np._NoValue  # type: ignore[attr-defined]
SIDE_BY_SIDE = 16  # columns that fill vectors


@cache
def ignoring_nan(fn: str, dtype: DType) -> Combiner:
    """fmin or fmax as a combiner: NaN is what changes nothing."""
    return make_combiner(
        fn, lambda a, b: apply(fn, a, b), (float("nan"),), (dtype,), commutative=True
    )


@op
def reduce_ignoring_nan(x: Any, *, fn: str, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The extreme (``fn`` is "fmin" or "fmax") of what is not NaN; NaN where nothing is left."""
    x = as_tensor(x)
    shape, folded, at = over(x, axes, keepdims)
    if not axes:
        return x
    combiner = ignoring_nan(fn, x.dtype)
    ks = tuple(folded.values())
    body = lambda *index: reduce_with(combiner, (at(index),), ks, single=True)
    return te.compute(shape, body, name=fn)


@op
def arg_extreme(x: Any, *, name: str, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The place of the first extreme over ``axes``, counted in C order through them; of the first
    NaN if there is one. Two folds: the extreme, then the least place at which it stands.

    Floats are searched by one comparison: for ``not x <= b`` with ``b`` the float below the
    extreme, which holds for the extreme alone; if that is NaN, with ``b`` infinite, which holds for
    NaN alone. Columns side by side are searched in one fold of values with their places.
    """
    x = as_tensor(x)
    beside = bool(axes) and axes[-1] != x.ndim - 1 and int(x.shape[-1]) >= SIDE_BY_SIDE
    if beside:
        return _arg_column(x, name, axes, keepdims)
    shape, folded, at = over(x, axes, keepdims)
    reducer = te.max if name == "argmax" else te.min
    ks = tuple(folded.values())
    best = te.compute(shape, lambda *i: reducer(at(i), axis=ks), name=f"{name}_value")
    bound = best
    if x.dtype.is_float:
        inner, outer = (-np.inf, np.inf) if name == "argmax" else (np.inf, -np.inf)
        work = float64 if x.dtype is float64 else float32
        beyond = "le" if name == "argmax" else "ge"

        def before(*index: Expr) -> Expr:
            value = cast_expr(best[index], work)
            next_to = apply("nextafter", value, const(inner, work))
            # before the innermost float there is none: NaN, which nothing compares with
            next_to = select(apply("eq", value, const(inner, work)), const(np.nan, work), next_to)
            return select(apply("isnan", value), const(outer, work), next_to)

        bound = te.compute(shape, before, name=f"{name}_bound")
    shape, folded, at = over(x, axes, keepdims)
    place: Expr = const(0)
    for k in folded.values():
        place = k if len(folded) == 1 else place * k.extent + k
    count = size_of(tuple(x.shape[a] for a in axes))
    counter = int32 if int(count) <= int32.highest else int64  # narrow: more lanes

    def first(*index: Expr) -> Expr:
        if x.dtype.is_float:
            found = ~apply(beyond, cast_expr(at(index), work), bound[index])
        else:
            found = apply("eq", at(index), best[index])
        here = select(found, cast_expr(place, counter), const(counter.highest, counter))
        return te.min(here, axis=tuple(folded.values()))

    return astype(te.compute(shape, first, name=name), dtype="int64")


@cache
def first_beyond(name: str, dtype: DType, counter: DType) -> Combiner:
    """The first extreme that ``name`` seeks, or the first NaN, with its place."""
    argmax = name == "argmax"

    def later(best: Any, new: Any) -> Any:
        if dtype.is_float:
            within = apply("le" if argmax else "ge", new[0], best[0])
            wins = ~within & apply("eq", best[0], best[0])
        else:
            wins = apply("gt" if argmax else "lt", new[0], best[0])
        return select(wins, new[0], best[0]), select(wins, new[1], best[1])

    if dtype.is_float:
        least = -np.inf if argmax else np.inf
    else:
        least = dtype.lowest if argmax else dtype.highest
    # the place of what changes nothing is 0: that of the first element, if all are such
    return make_combiner(name, later, (least, 0), (dtype, counter), commutative=False)


def _arg_column(x: Any, name: str, axes: tuple[int, ...], keepdims: bool) -> Any:
    """`arg_extreme` in one fold of values with their places."""
    shape, folded, at = over(x, axes, keepdims)
    count = size_of(tuple(x.shape[a] for a in axes))
    counter = int32 if int(count) <= int32.highest else int64
    work = x.dtype if not x.dtype.is_float or x.dtype is float64 else float32
    work = uint8 if work is boolean else work  # vectors of bits are slow to compare
    place: Expr = const(0)
    for k in folded.values():
        place = k if len(folded) == 1 else place * k.extent + k
    combiner, ks = first_beyond(name, work, counter), tuple(folded.values())

    def body(*index: Expr) -> Any:
        return reduce_with(combiner, (cast_expr(at(index), work), cast_expr(place, counter)), ks)

    return astype(te.compute(shape, body, name=name)[1], dtype="int64")


def _checked(
    name: str, a: Any, axis: Any, initial: Any, where: Any, out: Any, has_identity: bool
) -> tuple[Any, tuple[int, ...]]:
    """``(array, axes)``; refuses ``out=``, and empty extremes as NumPy does."""
    if out is not None:
        raise UnsupportedError(f"np.{name} with out= cannot be traced; assign the result instead")
    shape = shape_of(a)
    axes = () if is_only_axis(shape, axis) else strict_axes(f"np.{name}", axis, len(shape))
    if where is not True:
        check_mask(f"np.{name}", shape, where)
    if not has_identity and initial is None:
        if where is not True:
            raise ShapeError(f"np.{name} has no identity, so where= needs initial= as well")
        if builtins.any(shape[d] == 0 for d in axes):
            raise ShapeError(
                f"np.{name} of zero elements: axis {axis} of shape {shape} is empty, and the "
                "operation has no identity; give initial="
            )
    return a, axes


def _absent(value: Any) -> bool:
    return value is None or value is ABSENT


def check_mask(name: str, shape: Shape, where: Any) -> None:
    """ShapeError for a mask that would have the elements of a reduction repeated."""
    given = shape_of(where)
    if broadcast_shape(name, shape, given) != shape:
        raise ShapeError(f"{name}: where= has shape {given}, which does not fit {shape}")


def _started(initial: Any, dtype: DType) -> Any:
    """``initial=`` as the reduction, of ``dtype``, begins with it."""
    if hasattr(type(initial), "__mlc_known__"):
        return astype(initial, dtype=dtype)
    return np.asarray(initial, dtype.numpy)[()]


def keep_axes(keepdims: Any) -> bool:
    """Whether ``keepdims``, which has to be a number as in NumPy's reductions."""
    if keepdims is ABSENT:
        return False
    try:
        return operator.index(keepdims) != 0
    except TypeError:
        raise ArgumentError(f"keepdims must be True or False, got {keepdims!r}") from None


@implements(np.sum)
def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None,
    keepdims: Any = False, initial: Any = ABSENT, where: Any = True,
) -> Any:  # fmt: skip
    """np.sum: integers narrower than 64 bits, and bool, are summed in 64 bits."""
    a, axes = _checked("sum", a, axis, initial, where, out, initial is not None)
    chosen = sum_dtype(dtype_of(a)) if dtype is None else as_dtype(dtype)
    masked = a if where is True else select_where(where, a, 0)
    if _absent(initial):
        return reduce_sum(masked, axes=axes, keepdims=keep_axes(keepdims), dtype=chosen)
    work = accumulator(chosen)
    total = reduce_sum(masked, axes=axes, keepdims=keep_axes(keepdims), dtype=work)
    return astype(arithmetic.add(total, _started(initial, chosen)), dtype=chosen)


@implements(np.prod)
def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None,
    keepdims: Any = False, initial: Any = ABSENT, where: Any = True,
) -> Any:  # fmt: skip
    """np.prod."""
    a, axes = _checked("prod", a, axis, initial, where, out, initial is not None)
    chosen = sum_dtype(dtype_of(a)) if dtype is None else as_dtype(dtype)
    masked = a if where is True else select_where(where, a, 1)
    if _absent(initial):
        return reduce_prod(masked, axes=axes, keepdims=keep_axes(keepdims), dtype=chosen)
    work, start = accumulator(chosen), _started(initial, chosen)
    first = first_along(shape_of(a), axes) if chosen.is_float else None
    if first is not None:
        masked = astype(masked, dtype=work)
        masked = select_where(first, arithmetic.multiply(masked, start), masked)
    product = reduce_prod(masked, axes=axes, keepdims=keep_axes(keepdims), dtype=work)
    if first is None:
        product = arithmetic.multiply(product, start)
    return astype(product, dtype=chosen)


def first_along(shape: Shape, axes: tuple[int, ...]) -> Any:
    """Which elements a fold over ``axes`` begins with; None where there may be none."""
    if builtins.any(isinstance(shape[d], Extent) or not shape[d] for d in axes):
        return None
    marks = [
        np.reshape(np.arange(shape[d]) == 0, [s if d == n else 1 for n, s in enumerate(shape)])
        for d in axes
    ]
    return np.bool_(True) if not marks else functools.reduce(np.logical_and, marks)


def _extreme(
    name: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    initial = None if _absent(initial) else _started(initial, dtype_of(a))
    a, axes = _checked(name, a, axis, initial, where, out, False)
    if where is not True:
        a = select_where(where, a, initial)
    reducer, pair = (
        (reduce_max, arithmetic.maximum) if name == "max" else (reduce_min, arithmetic.minimum)
    )
    found = reducer(a, axes=axes, keepdims=keep_axes(keepdims))
    return found if initial is None else pair(found, initial)


@implements(np.max, np.amax)
def max(
    a: Any, axis: Any = None, out: None = None,
    keepdims: Any = False, initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """np.max: NaN if there is one; an empty axis needs ``initial``."""
    return _extreme("max", a, axis, out, keepdims, initial, where)


@implements(np.min, np.amin)
def min(
    a: Any, axis: Any = None, out: None = None,
    keepdims: Any = False, initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """np.min: NaN if there is one; an empty axis needs ``initial``."""
    return _extreme("min", a, axis, out, keepdims, initial, where)


@implements(np.any)
def any(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """np.any."""
    a, axes = _checked("any", a, axis, None, where, out, True)
    masked = a if where is True else logic.logical_and(a, where)
    return reduce_any(masked, axes=axes, keepdims=keep_axes(keepdims))


@implements(np.all)
def all(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """np.all."""
    a, axes = _checked("all", a, axis, None, where, out, True)
    masked = a if where is True else logic.logical_or(a, logic.logical_not(where))
    return reduce_all(masked, axes=axes, keepdims=keep_axes(keepdims))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """``ufunc.reduce`` for a function like np.sum: the same, but over axis 0 unless told
    otherwise."""

    def method(array: Any, axis: Any = 0, **options: Any) -> Any:
        dtype = options.pop("dtype", None) if function in (max, min, any, all) else None
        if dtype is not None:
            array = astype(array, dtype=dtype)
        if function in (any, all) and "initial" in options:
            start = options.pop("initial")
            found = function(array, axis=axis, **options)
            return (logic.logical_or if function is any else logic.logical_and)(found, start)
        return function(array, axis=axis, **options)

    return method


implements(np.add.reduce)(_method(sum))
implements(np.multiply.reduce)(_method(prod))
implements(np.maximum.reduce)(_method(max))
implements(np.minimum.reduce)(_method(min))
implements(np.logical_or.reduce)(_method(any))
implements(np.logical_and.reduce)(_method(all))


def _arg(name: str, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    shape = shape_of(a)
    axes = (
        as_axes(f"np.{name}", axis, len(shape))
        if axis is None
        else ()
        if is_only_axis(shape, axis)
        else (as_axis(f"np.{name}", axis, len(shape)),)
    )
    if out is not None:
        raise UnsupportedError(f"np.{name} with out= cannot be traced; assign the result instead")
    if size_of([shape[d] for d in axes]) == 0:
        raise ShapeError(
            f"np.{name} of an empty sequence: axis {axis} of shape {shape} has no elements"
        )
    return arg_extreme(a, name=name, axes=axes, keepdims=keep_axes(keepdims))


@implements(np.argmax)
def argmax(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
    """np.argmax: the first place of the greatest value, or of the first NaN."""
    return _arg("argmax", a, axis, out, keepdims)


@implements(np.argmin)
def argmin(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
    """np.argmin: the first place of the least value, or of the first NaN."""
    return _arg("argmin", a, axis, out, keepdims)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """np.count_nonzero."""
    return sum(astype(a, dtype="bool"), axis=axis, keepdims=bool(keepdims))


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """np.ptp: greatest minus least."""
    high, low = max(a, axis=axis, keepdims=keepdims), min(a, axis=axis, keepdims=keepdims)
    return arithmetic.subtract(high, low)
