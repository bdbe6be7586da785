"""Means, variances and their kin: composites of sums and elementwise operators."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, boolean, float64, int64
from ..errors import DomainError, DTypeError, ShapeError, UnsupportedError
from ..ir.expr import Expr, cast
from ..te.extent import Extent, is_open
from . import arithmetic, logic
from .broadcast import Shape, as_axes, as_tensor, is_only_axis, shape_of, size_of, strict_axes
from .elementwise import astype, select_where
from .index import getitem
from .moving import length_of
from .op import MANY_SIZES, implements, op
from .promotion import dtype_of, mean_dtypes, ufunc_dtypes
from .reduce import ABSENT, check_mask, keep_axes, reduce_ignoring_nan
from .reduce import max as max_of
from .reduce import min as min_of
from .reduce import prod as prod_of
from .reduce import sum as sum_of


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


CACHED_BYTES = 1 << 20  # arrays up to this size are in the cache when they are read again
CHUNK = 4096  # elements of a chunk that is contiguous in memory
CHUNK_ROWS = 64  # rows of a chunk whose columns lie side by side


def _chunk_rows(shape: Shape, axes: list[int]) -> int:
    """How long the pieces should be that the first of the reduced ``axes`` is cut into, so that a
    chunk of the array stays in the cache; 0 where cutting is not worth while."""
    first, *rest = axes
    inner = size_of([shape[d] for d in rest])
    whole = inner * shape[first]
    trailing = axes == list(range(len(shape) - len(axes), len(shape)))
    if trailing and whole <= 4 * CHUNK:
        return 0
    if axes[-1] != len(shape) - 1:
        most, least = CHUNK_ROWS // inner, 8
    elif inner == 1:
        most, least = CHUNK, 256
    else:
        most, least = max(CHUNK // inner, 1), 1 if inner <= 4 * CHUNK else CHUNK
    most = min(most, shape[first] // 2)
    return next((r for r in range(most, least - 1, -1) if shape[first] % r == 0), 0)


GROUP, LEAST = 256, 16  # elements of a column whose squares are summed in one pass


def _divisor(n: int, most: int) -> int:
    """The greatest divisor of ``n`` up to ``most``."""
    return next(d for d in range(min(n, most), 0, -1) if n % d == 0)


@op
def shifted_sums(x: Any, shift: Any, *, axis: int, dtype: Any) -> Any:
    """The sums of ``shift - x`` and of ``(shift - x) ** 2`` along ``axis``, which ``shift`` lacks:
    in one pass. Little is lost if ``shift`` is as near to the mean as elements are. (``x - shift``
    would take an instruction more: what is subtracted is read from memory on the way.)"""
    x, shift, dtype = as_tensor(x), as_tensor(shift), as_dtype(dtype)
    both = te.comm_reducer(
        lambda p, q: (p[0] + q[0], p[1] + q[1]), (0.0, 0.0), (dtype, dtype), "moments"
    )
    k = te.reduce_axis(x.shape[axis], "k")

    def body(*index: Expr) -> Any:
        place = (*index[:axis], k, *index[axis:])
        apart = shift[index] - cast(x[place], dtype)
        return both((apart, apart * apart), axis=k)

    return te.compute((*x.shape[:axis], *x.shape[axis + 1 :]), body, name="moments")


NEAR = 8  # places of a group whose mean shifts the other elements
ROW_LEAST, ROW_NEAR = 256, 16  # elements of a row that is a group, and of each such place in it
ROW_APART = 128  # between these places, at most: what lies further on may not be at hand yet


def _near_mean(x: Any, axis: int, dtype: Any) -> Any:
    """The mean k of eight elements along ``axis``, or where these are neighbours of eight times
    sixteen: together they cannot be far out in a group.

    With m the mean of all n, ``8 * (k - m) ** 2`` is at most the sum of squares about m, so that
    about k is at most ``1 + n / 8`` times as large: that much of its rounding, about sqrt(n) units
    in the last place at most, remains when the other is computed of it.
    """
    shape = shape_of(x)
    n, before = shape[axis], [slice(None)] * axis
    if axis == len(shape) - 1:
        places = [part * min(n // NEAR, ROW_APART) for part in range(NEAR)]
        near: list[Any] = [slice(i, i + ROW_NEAR) for i in places]
    else:
        near = [part * n // NEAR for part in range(NEAR)]
    rows = [astype(getitem(x, (*before, i)), dtype=dtype) for i in near]
    while len(rows) > 1:
        rows = [arithmetic.add(p, q) for p, q in zip(rows[::2], rows[1::2], strict=True)]
    whole = arithmetic.multiply(rows[0], 1.0 / NEAR)
    return whole if len(shape_of(whole)) < len(shape) else _mean(whole, axis, dtype, False, True)


def _grouped(shape: Shape, axes: list[int]) -> tuple[Shape, int, list[int]] | None:
    """The shape of an array whose reduced ``axes`` are cut into groups, the axis along which these
    lie, and what else is reduced, that of all groups first; None where groups would be small."""
    first, last = axes[0], len(shape) - 1
    if axes == list(range(first, len(shape))):  # rows that lie one behind the other are one
        whole = size_of(shape[first:])
        size = whole if whole <= 4 * CHUNK else _divisor(whole, CHUNK)
        cut = (*shape[:first], whole // size, size)
        return (cut, first + 1, [first]) if size >= ROW_LEAST else None
    size = _divisor(shape[first], GROUP) if axes[-1] != last else 0
    cut = (*shape[:first], shape[first] // max(size, 1), size, *shape[first + 1 :])
    return (cut, first + 1, [first, *axes[1:]]) if size >= LEAST else None


def _squares_by_group(a: Any, axis: Any, work: Any, keepdims: Any) -> Any:
    """The sum of squared differences from the mean, or None if two passes do as well.

    Elements are read once: each group has a mean m and a sum of squares of its own, and groups of n
    elements are put together by ``sum(squares) + n * sum((m - mean) ** 2)`` (Chan, Golub, LeVeque,
    1979).
    """
    from .shape import reshape

    shape = shape_of(a)
    axes = sorted(as_axes("np.var", axis, len(shape)))
    plain = not axes or 0 in shape or MANY_SIZES.get()
    if plain or size_of(shape) * work.itemsize <= CACHED_BYTES:
        return None
    groups = _grouped(shape, axes)
    if groups is None:
        return _squares_by_chunk(a, axes, work, keepdims)
    cut, along, merged = groups
    count, parts = float(cut[along]), reshape(a, cut)
    shift = _near_mean(parts, along, work)
    sums, squares = shifted_sums(parts, shift, axis=along, dtype=work)
    within = arithmetic.subtract(squares, arithmetic.multiply(arithmetic.square(sums), 1.0 / count))
    within = arithmetic.maximum(within, 0.0)
    if size_of([cut[d] for d in merged]) == 1:
        return _with_axes(sum_of(within, axis=tuple(merged)), shape, axes, keepdims)
    means = arithmetic.subtract(shift, arithmetic.multiply(sums, 1.0 / count))
    leads = merged == list(range(len(merged)))  # then the mean goes with each row as it is
    spread = arithmetic.subtract(means, _mean(means, tuple(merged), work, not leads, True))
    between = sum_of(arithmetic.square(spread), axis=tuple(merged))
    total = arithmetic.add(sum_of(within, axis=tuple(merged)), arithmetic.multiply(between, count))
    return _with_axes(total, shape, axes, keepdims)


def _with_axes(total: Any, shape: Shape, axes: list[int], keepdims: Any) -> Any:
    from .shape import reshape

    if keepdims is not True:
        return total
    return reshape(total, tuple(1 if d in axes else n for d, n in enumerate(shape)))


def _squares_by_chunk(a: Any, axes: list[int], work: Any, keepdims: Any) -> Any:
    """The same by chunks that stay in the cache, with two passes over each."""
    from .shape import expand_dims, reshape

    shape = shape_of(a)
    rows = _chunk_rows(shape, axes)
    if not rows:
        return None
    first = axes[0]
    chunks = shape[first] // rows
    cut = reshape(a, (*shape[:first], chunks, rows, *shape[first + 1 :]))
    inner = tuple(d + 1 for d in axes)
    means = _mean(cut, inner, work, False, True)
    apart = arithmetic.subtract(astype(cut, dtype=work), expand_dims(means, inner))
    within = sum_of(arithmetic.square(apart), axis=inner)
    spread = arithmetic.subtract(means, _mean(means, first, work, True, True))
    between = sum_of(arithmetic.square(spread), axis=first)
    per_chunk = float(rows * size_of([shape[d] for d in axes[1:]]))
    total = arithmetic.add(sum_of(within, axis=first), arithmetic.multiply(between, per_chunk))
    return _with_axes(total, shape, axes, keepdims)


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
    total = None if where is not True else _squares_by_group(a, axis, work, keepdims)
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
    total = sum_of(weighted, axis=axis, keepdims=keepdims)
    scale = sum_of(_spread(weights, shape, dtype), axis=axis, keepdims=keepdims)
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
    if ord is None or ord == "fro" and len(axes) == 2 or ord == 2 and len(axes) == 1:
        return arithmetic.sqrt(sum_of(arithmetic.square(x), axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        if ord in (np.inf, -np.inf):
            return (max_of if ord > 0 else min_of)(size, axis=axes, keepdims=keepdims)
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
        found = (max_of if ord > 0 else min_of)(sums, axis=other, keepdims=True)
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


def absolute_of(x: Any) -> Any:
    """``abs(x)`` of floats."""
    return arithmetic.absolute(x)
