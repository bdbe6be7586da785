"""Means, variances and their kin: composites of sums and elementwise operators."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..dtypes import as_dtype, boolean, float64, int64
from ..errors import DomainError, DTypeError, ShapeError, UnsupportedError
from ..te.extent import Extent, is_open
from . import arithmetic, logic
from .broadcast import as_axes, is_only_axis, shape_of, size_of, strict_axes
from .elementwise import astype, select_where
from .insisting import insisted
from .moving import length_of
from .op import implements
from .promotion import dtype_of, mean_dtypes, ufunc_dtypes
from .reduce import ABSENT, check_mask, keep_axes, reduce_ignoring_nan
from .reduce import max as max_of
from .reduce import min as min_of
from .reduce import prod as prod_of
from .reduce import sum as sum_of
from .squares import squares_in_one_pass


def _refuse_out(name: str, out: Any) -> None:
    if out is not None:
        raise UnsupportedError(f"np.{name} with out= cannot be traced; assign the result instead")


def _count(a: Any, axis: Any, where: Any, keepdims: Any) -> Any:
    """How many elements each result is the mean of: a float, or an array of counts under
    ``where``."""
    shape = shape_of(a)
    if where is True and is_open(shape):
        sizes = [shape[d] for d in as_axes("np.mean", axis, len(shape))]
        lengths = [length_of(n) if isinstance(n, Extent) else n for n in sizes]
        return astype(functools.reduce(arithmetic.multiply, lengths), dtype=float64)
    if where is True:
        return float(size_of([shape[d] for d in as_axes("np.mean", axis, len(shape))]))
    kept = _spread(where, shape, boolean)
    return sum_of(kept, axis=axis, dtype=int64, keepdims=keepdims)


def _mean(a: Any, axis: Any, work: Any, keepdims: Any, where: Any) -> Any:
    total = sum_of(a, axis=axis, dtype=work, keepdims=keepdims, where=where)
    return arithmetic.divide(total, _count(a, axis, where, keepdims), dtype=work)


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None,
    keepdims: Any = False, *, where: Any = True,
) -> Any:  # fmt: skip
    """np.mean: of integers in float64; of float16 summed in float32. NaN of no elements."""
    _refuse_out("mean", out)
    work, result = mean_dtypes(dtype_of(a), dtype)
    if not result.is_float:  # a sum of whole numbers, and of what it is divided to the whole part
        total = sum_of(a, axis=axis, dtype=result, keepdims=keepdims, where=where)
        return astype(arithmetic.divide(total, _count(a, axis, where, keepdims)), dtype=result)
    return astype(_mean(a, axis, work, keepdims, where), dtype=result)


def degrees_of_freedom(ddof: float, correction: Any) -> float:
    """What np.var subtracts from the count: ``correction`` is the newer name of ``ddof``."""
    if not _is_absent(correction) and ddof:
        raise DomainError("np.var: ddof= and correction= are two names of one number; give one")
    return ddof if _is_absent(correction) else float(correction)


def _is_absent(value: Any) -> bool:
    return value is None or value is np._NoValue  # type: ignore[attr-defined]


def _about(
    a: Any, center: Any, axis: Any, dtype: Any, ddof: float, keepdims: Any, where: Any
) -> Any:
    """The variance about ``center``, in NumPy's dtype: that of the differences, but float64 of
    integers."""
    if dtype is None and not dtype_of(a).is_float:
        dtype = "float64"
    squares = arithmetic.square(arithmetic.subtract(a, center))
    total = sum_of(squares, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    left = arithmetic.maximum(arithmetic.subtract(_count(a, axis, where, keepdims), ddof), 0)
    return astype(arithmetic.divide(total, left), dtype=dtype_of(total))


def _variance(a: Any, axis: Any, dtype: Any, ddof: float, keepdims: Any, where: Any) -> Any:
    """The variance in the dtype that sums are kept in."""
    work, result = mean_dtypes(dtype_of(a), dtype)
    if not result.is_float:  # each step of whole numbers, as NumPy's results are put into such
        apart = arithmetic.subtract(a, mean(a, axis, result, None, True, where=where))
        squares = arithmetic.multiply(apart, apart)
        total = sum_of(squares, axis=axis, dtype=result, keepdims=keepdims, where=where)
        left = arithmetic.maximum(arithmetic.subtract(_count(a, axis, where, keepdims), ddof), 0)
        return astype(arithmetic.divide(total, left), dtype=result)
    total = None if where is not True else squares_in_one_pass(a, axis, work, keepdims)
    if total is None:
        center = _mean(a, axis, work, True, where)
        squares = arithmetic.square(arithmetic.subtract(astype(a, dtype=work), center))
        total = sum_of(squares, axis=axis, keepdims=keepdims, where=where)
    count = _count(a, axis, where, keepdims)
    if where is True:
        return arithmetic.divide(total, max(count - ddof, 0.0))
    left = arithmetic.maximum(arithmetic.subtract(count, ddof), 0)
    return arithmetic.divide(total, left, dtype=work)


@implements(np.var)
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """np.var: the mean, then the mean square of the differences from it; large arrays by chunks."""
    _refuse_out("var", out)
    chosen = degrees_of_freedom(ddof, correction)
    if not _is_absent(mean):
        return _about(a, mean, axis, dtype, chosen, keepdims, where)
    _, result = mean_dtypes(dtype_of(a), dtype)
    return astype(_variance(a, axis, dtype, chosen, keepdims, where), dtype=result)


@implements(np.std)
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """np.std: the square root of np.var."""
    _refuse_out("std", out)
    chosen = degrees_of_freedom(ddof, correction)
    if not _is_absent(mean):
        about = _about(a, mean, axis, dtype, chosen, keepdims, where)
        return astype(arithmetic.sqrt(about), dtype=dtype_of(about))
    _, result = mean_dtypes(dtype_of(a), dtype)
    square = _variance(a, axis, dtype, chosen, keepdims, where)
    if not result.is_float and shape_of(square):
        raise DTypeError(f"np.std: roots are no whole numbers to be kept as {result.name}")
    root = arithmetic.sqrt(square)
    return astype(root, dtype=result)


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """np.average; ``weights`` has the shape of ``a``, or is 1-d along one ``axis``."""
    if weights is None:
        found = mean(a, axis=axis, keepdims=keepdims)
        if 0 in shape_of(found):  # NumPy divides the numbers of elements
            raise ZeroDivisionError("np.average: there is no average among the results")
        if not returned:
            return found
        count = _count(a, axis, True, False)
        return found, np.full_like(found, count)  # also where that is NaN
    shape, given = shape_of(a), shape_of(weights)
    (dtype, _), _ = ufunc_dtypes(np.divide, (_sample(a), _sample(weights)))
    if given != shape:
        axes = as_axes("np.average", axis, len(shape))
        if axis is None or len(axes) != 1 or given != (shape[axes[0]],):
            raise ShapeError(
                f"np.average: weights of shape {given} do not fit an array of shape {shape} over "
                f"axis {axis}; give weights of the same shape, or 1-d ones along one axis"
            )
        from .shape import reshape

        ones = tuple(s if d == axes[0] else 1 for d, s in enumerate(shape))
        weights = reshape(weights, ones)
    weighted = arithmetic.multiply(a, weights, dtype=dtype)
    as_axes("np.average", axis, len(shape))  # which () has none of, unlike in a sum
    total = sum_of(weighted, axis=axis, keepdims=keepdims)
    scale = sum_of(_spread(weights, shape, dtype), axis=axis, keepdims=keepdims)
    sentence = "np.average: the weights sum to zero, so that nothing can be divided by their sum"
    scale = insisted(scale, logic.equal(scale, 0), error="ZeroDivisionError", sentence=sentence)
    found = arithmetic.divide(total, scale)
    return (found, scale) if returned else found


def _sample(value: Any) -> Any:
    return dtype_of(value).numpy.type(0)


def _spread(weights: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    from .shape import broadcast_to

    return broadcast_to(astype(weights, dtype=dtype), shape)


def _without_nan(a: Any, fill: float) -> Any:
    return select_where(logic.isnan(a), fill, a) if dtype_of(a).is_float else a


def _kept(a: Any, where: Any, dtype: Any = None) -> Any:
    """Where ``a`` is not NaN, and ``where`` holds; True for everywhere."""
    if dtype is not None and dtype_of(a).is_float and not as_dtype(dtype).is_float:
        raise DTypeError(f"of {dtype_of(a)} a dtype of floats is needed, got {as_dtype(dtype)}")
    if not dtype_of(a).is_float:
        return where
    keep = logic.logical_not(logic.isnan(a))
    if where is True:
        return keep
    check_mask("where=", shape_of(a), where)
    return logic.logical_and(keep, where)


@implements(np.nansum)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False,
    initial: Any = ABSENT, where: Any = True,
) -> Any:  # fmt: skip
    """np.nansum."""
    return sum_of(_without_nan(a, 0.0), axis, dtype, out, keepdims, initial, where)


@implements(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False,
    initial: Any = ABSENT, where: Any = True,
) -> Any:  # fmt: skip
    """np.nanprod."""
    return prod_of(_without_nan(a, 1.0), axis, dtype, out, keepdims, initial, where)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False,
    *, where: Any = True,
) -> Any:  # fmt: skip
    """np.nanmean."""
    return mean(a, axis, dtype, out, keepdims, where=_kept(a, where, dtype))


@implements(np.nanvar)
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """np.nanvar; 0 / 0 is NaN where nothing is left."""
    about = {"mean": mean, "correction": correction}
    return var(a, axis, dtype, out, ddof, keepdims, where=_kept(a, where, dtype), **about)


@implements(np.nanstd)
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
    keepdims: Any = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """np.nanstd."""
    about = {"mean": mean, "correction": correction}
    return std(a, axis, dtype, out, ddof, keepdims, where=_kept(a, where, dtype), **about)


@implements(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = ABSENT,
    where: Any = True,
) -> Any:  # fmt: skip
    """np.nanmax."""
    return _nan_extreme("fmax", max_of, a, axis, out, keepdims, initial, where)


@implements(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = ABSENT,
    where: Any = True,
) -> Any:  # fmt: skip
    """np.nanmin."""
    return _nan_extreme("fmin", min_of, a, axis, out, keepdims, initial, where)


def _nan_extreme(
    fn: str, plain: Any, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    shape = shape_of(a)
    axes = () if is_only_axis(shape, axis) else strict_axes(f"np.{fn}", axis, len(shape))
    is_full = initial is ABSENT and where is True
    if not dtype_of(a).is_float or is_full and size_of([shape[d] for d in axes]) == 0:
        return plain(a, axis, out, keepdims, initial, where)
    if is_full:
        return reduce_ignoring_nan(a, fn=fn, axes=axes, keepdims=keep_axes(keepdims))
    if initial is ABSENT or initial is None:
        raise ShapeError(f"np.{fn} has no identity, so where= needs initial= as well")
    first = dtype_of(a).numpy.type(initial)
    if where is not True:
        check_mask(f"np.{fn}", shape, where)
        a = select_where(where, a, first)
    found = reduce_ignoring_nan(a, fn=fn, axes=axes, keepdims=keep_axes(keepdims))
    return (arithmetic.fmax if fn == "fmax" else arithmetic.fmin)(found, first)


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm: the vector norms, and for matrices Frobenius, 1 and infinity."""
    shape = shape_of(x)
    x = x if dtype_of(x).is_float else astype(x, dtype=as_dtype("float64"))
    axes = as_axes("np.linalg.norm", axis, len(shape))
    size = absolute_of(x)
    if ord is None or ord in ("f", "fro") and len(axes) == 2 or ord == 2 and len(axes) == 1:
        return arithmetic.sqrt(sum_of(arithmetic.square(x), axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        if ord in (np.inf, -np.inf):
            return (greatest if ord > 0 else min_of)(size, axis=axes, keepdims=keepdims)
        if ord == 0:
            nonzero = astype(astype(x, dtype="bool"), dtype=dtype_of(x))
            return sum_of(nonzero, axis=axes, keepdims=keepdims)
        if ord == 1:
            return sum_of(size, axis=axes, keepdims=keepdims)
        if isinstance(ord, (int, float)):
            powers = sum_of(arithmetic.power(size, float(ord)), axis=axes, keepdims=keepdims)
            return arithmetic.power(powers, 1.0 / ord)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        rows, columns = axes if axis is None else (a % len(shape) for a in axis)
        summed, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = sum_of(size, axis=summed, keepdims=True)
        found = (greatest if ord > 0 else min_of)(sums, axis=other, keepdims=True)
        if keepdims:
            return found
        from .shape import reshape

        return reshape(found, tuple(s for d, s in enumerate(shape) if d not in axes))
    if len(axes) == 2 and ord in (2, -2, "nuc"):
        from .matrix_functions import spectral_norm

        return spectral_norm(x, ord, axes, bool(keepdims))
    raise DomainError(
        f"np.linalg.norm with ord={ord!r} over {len(axes)} axes is unknown; there are ord=None, "
        f"inf, -inf, 0, 1, 2 and other powers of vectors, 'fro', 'nuc', 1, -1, 2, -2, inf and -inf "
        f"of matrices"
    )


def greatest(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """``np.max`` of what is not negative: 0 of nothing."""
    return max_of(x, axis=axis, keepdims=keepdims, initial=0 if 0 in shape_of(x) else None)


def absolute_of(x: Any) -> Any:
    """``abs(x)`` of floats."""
    return arithmetic.absolute(x)
