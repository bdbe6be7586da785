"""Medians and quantiles: an axis is sorted, then read at one place or between two."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType, as_dtype, boolean, float64, int64
from ..errors import ArgumentError, BoundsError, DomainError, UnsupportedError
from ..ir.expr import Expr, apply, cast, const, select
from . import logic
from .broadcast import Shape, as_axes, as_tensor, shape_of, size_of
from .elementwise import astype, rounded_product
from .op import implements, op
from .promotion import accumulator, dtype_of
from .reduce import sum as sum_of
from .shape import reshape, transpose
from .sort import sorted_along
from .statistics import mean

# alpha and beta of Hyndman and Fan's continuous definitions (The American Statistician 50, 1996)
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0), "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
}  # fmt: skip
_DISCRETE = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "lower", "higher", "midpoint",
    "nearest",
)  # fmt: skip


def _place(method: str, n: Expr, q: Expr, whole: bool) -> tuple[Expr, Expr, Expr | None]:
    """Where the quantile ``q`` of ``n`` sorted numbers lies: between which two places, the same
    at the ends, and at what share of the way; None for none, where it is the first of them.
    ``whole`` says that ``q`` are integers. The shares are NumPy's own, which beyond the ends are
    no shares; they decide where infinity and -0.0 stay."""
    zero, one, half = const(0.0), const(1.0), const(0.5)
    last = n - one
    floor = lambda x: apply("floor", x)
    inside = lambda x: te.min(te.max(x, zero), last)
    at = rounded_product(last, q)
    match method:
        case "inverted_cdf":
            at = rounded_product(n, q) - one
            chosen = select(apply("eq", at, floor(at)), floor(at), floor(at) + one)
        case "closest_observation":
            at = rounded_product(n, q) - one - half
            before = floor(at)
            is_even = apply("eq", before % const(2.0), one)  # counted from 1, the place is even
            chosen = select(apply("eq", at, before) & is_even, before, before + one)
        case "lower":
            chosen = floor(at)
        case "higher":
            chosen = apply("ceil", at)
        case "nearest":
            chosen = apply("rint", at)
        case "linear" if whole:
            chosen = at
        case _:
            return _between(method, n, q)
    return inside(chosen), inside(chosen), None


def _between(method: str, n: Expr, q: Expr) -> tuple[Expr, Expr, Expr]:
    """`_place` for the methods that take a share of two numbers."""
    zero, one, half = const(0.0), const(1.0), const(0.5)
    last = n - one
    floor = lambda x: apply("floor", x)
    at = rounded_product(last, q)
    if method == "averaged_inverted_cdf":
        at = rounded_product(n, q) - one
    elif method in _CONTINUOUS and method != "linear":
        alpha, beta = _CONTINUOUS[method]
        at = rounded_product(n, q) + (alpha + rounded_product(q, const(1 - alpha - beta))) - one
    is_whole = apply("eq", at, floor(at))
    if method == "midpoint":
        at = half * (floor(at) + apply("ceil", at))
    beyond, before = at >= last, at < zero
    low = select(beyond, last, select(before, zero, floor(at)))
    high = select(beyond, last, select(before, zero, floor(at) + one))
    if method == "midpoint":
        return low, high, select(is_whole, zero, half)
    share = at - select(beyond, -one, select(before, zero, floor(at)))  # NumPy's last place is -1
    if method == "averaged_inverted_cdf":
        share = select(apply("eq", share, zero), half, one)
    return low, high, share


def _beside(row: tuple[Expr, ...], i: Expr) -> tuple[Expr, ...]:
    return (*row, i)


@op
def read_quantiles(x: Any, q: Any, counts: Any, *, method: str, whole: bool, dtype: Any) -> Any:
    """The quantiles ``q`` of ``x``, sorted along its last axis; of the first ``counts`` numbers of
    a row, or, if that is None, of all of them, and NaN where the last one is. ``whole`` says that
    ``q`` are integers."""
    x, q, target = as_tensor(x), as_tensor(q), as_dtype(dtype)
    n = x.shape[-1]
    work = accumulator(target)

    def body(*index: Expr) -> Expr:
        asked, row = index[: q.ndim], index[q.ndim :]
        read = lambda i: cast(x[_beside(row, i)], work)
        count = const(float(n)) if counts is None else cast(counts[row], float64)
        low, high, share = _place(method, count, cast(q[asked], float64), whole)
        last = te.max(cast(count, int64) - 1, 0)
        inside = lambda i: te.min(te.max(cast(i, int64), 0), last)  # NaN and no numbers, too
        value = read(inside(low))
        if target is boolean:  # of the methods that take one of the two
            return value
        if share is not None:
            a, b, rest = value, read(inside(high)), const(1.0) - share
            step = b - a  # of infinity and infinity NaN, as in NumPy
            value = select(share < 0.5, a + step * cast(share, work), b - step * cast(rest, work))
        if counts is not None:
            return cast(select(count > 0, value, const(np.nan, work)), target)
        end = read(const(n - 1))
        return cast(select(apply("isnan", end), end, value), target)

    return te.compute((*q.shape, *x.shape[:-1]), body, name="quantile")


def _read_places(n: int, shares: Any) -> tuple[int, ...]:
    """The places of ``n`` sorted numbers that quantiles of any method may read, and the last one,
    where NaN would be."""
    if not n:
        return ()
    middles = [math.floor(n * share) for share in np.ravel(shares).tolist()]
    near = {min(max(place + d, 0), n - 1) for place in middles for d in range(-2, 3)}
    return tuple(sorted({*near, n - 1}))


def _rows(
    a: Any, axis: Any, name: str, shares: Any = None, ignores: bool = False
) -> tuple[Any, Shape, Shape]:
    """`_folded`, with sorted rows, or as far as the quantiles ``shares`` need it, of the numbers
    alone if it ``ignores`` NaN."""
    from .selection import numbers_placed_along, pays, placed_along

    a, rest, wide = _folded(a, axis, name)
    folded = shape_of(a)[-1]
    places = () if shares is None else _read_places(folded, shares)
    if pays(folded, places) and ignores:
        known = tuple(sorted(np.ravel(shares).astype(float).tolist()))
        return numbers_placed_along(a, axis=len(rest), shares=known), rest, wide
    if pays(folded, places):
        return placed_along(a, axis=len(rest), places=places), rest, wide
    return sorted_along(a, axis=len(rest), stable=False), rest, wide


def _folded(a: Any, axis: Any, name: str) -> tuple[Any, Shape, Shape]:
    """``a`` with the axes that are folded flattened to the last one; the shape of the result, and
    that with keepdims."""
    shape = shape_of(a)
    axes = as_axes(f"np.{name}", axis, len(shape))
    kept = [d for d in range(len(shape)) if d not in axes]
    rest = tuple(shape[d] for d in kept)
    if axes != tuple(range(len(kept), len(shape))):
        a = transpose(a, (*kept, *axes))
    folded = size_of([shape[d] for d in axes])
    if len(axes) != 1:
        a = reshape(a, (*rest, folded))
    return a, rest, tuple(1 if d in axes else s for d, s in enumerate(shape))


def _quantile(
    name: str, a: Any, q: Any, scale: float, axis: Any, out: Any, method: str, keepdims: Any,
    weights: Any, ignore_nan: bool,
) -> Any:  # fmt: skip
    if out is not None:
        raise UnsupportedError(f"np.{name} with out= cannot be traced; assign the result instead")
    if weights is not None and method != "inverted_cdf":
        raise DomainError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    if method not in _CONTINUOUS and method not in _DISCRETE:
        known = ", ".join((*_CONTINUOUS, *_DISCRETE))
        raise ArgumentError(f"np.{name}: method must be one of {known}, got {method!r}")
    traced = hasattr(type(q), "__mlc_lift__")
    weak = q if isinstance(q, (int, float)) else 0.5 if getattr(q, "_is_weak", False) else None
    if not traced:
        q = np.asarray(q)
        if q.size and not (q.min() >= 0 and q.max() <= scale):
            limit = "[0, 100]" if scale == 100 else "[0, 1]"
            raise DomainError(f"np.{name}: q must be in the range {limit}, got {q}")
    given, dtype = q, _result(name, a, q if weak is None else weak, axis, method)
    if scale != 1:
        from . import arithmetic

        given = arithmetic.divide(q, scale) if traced else np.true_divide(q, scale)
    if ignore_nan and not size_of(shape_of(a)):
        return mean(a, axis=axis, keepdims=keepdims)  # for all of q together
    ignores = ignore_nan and dtype_of(a).is_float
    if weights is None:
        rows, _, wide = _rows(a, axis, name, None if traced else given, ignores)
    else:
        rows, _, wide = _folded(a, axis, name)
    if not shape_of(rows)[-1]:
        raise BoundsError(f"np.{name} of no numbers: shape {shape_of(a)} has none over {axis=}")
    if weights is not None:
        from .weighted_quantile import spread_weights, weighted_quantiles

        weights = _folded(spread_weights(name, a, axis, weights), axis, name)[0]
        found = weighted_quantiles(rows, weights, given, ignores)
        return reshape(found, (*np.shape(q), *wide)) if keepdims else found
    counts = _counts(rows) if ignores else None
    whole = scale == 1 and dtype_of(q).kind in "iub"
    found = read_quantiles(rows, given, counts, method=method, whole=whole, dtype=dtype)
    return reshape(found, (*np.shape(q), *wide)) if keepdims else found


def _nothing(name: str, shape: Shape, dtype: DType) -> Any:
    """What comes of no numbers at all: NaN."""
    from .create import full

    if not dtype.is_float:
        raise ArgumentError(f"np.{name} of no numbers has no value")
    return full(shape, np.nan, dtype=dtype.name)


def _counts(rows: Any) -> Any:
    """How many of each row are numbers."""
    return sum_of(logic.logical_not(logic.isnan(rows)), axis=-1)


def _result(name: str, a: Any, q: Any, axis: Any, method: str) -> DType:
    """The dtype that NumPy gives."""
    given = dtype_of(a)
    sample = np.zeros(
        (2,) * len(shape_of(a)), np.float16 if given.name == "bfloat16" else given.numpy
    )
    asked = q if isinstance(q, (int, float)) else np.zeros(np.shape(q), dtype_of(q).numpy)
    if given.kind == "b":
        if method not in _DISCRETE or method in ("midpoint", "averaged_inverted_cdf"):
            raise ArgumentError(f"np.{name}: bool has no differences; convert it with .astype(...)")
        return given
    numpy_quantile: Any = getattr(np, name)
    found = as_dtype(np.asarray(numpy_quantile(sample, asked, axis=axis, method=method)).dtype)
    return given if given.name == "bfloat16" and found.bits == 16 else found


def _wanted(keepdims: Any) -> bool:
    return bool(keepdims) and keepdims is not np._NoValue  # type: ignore[attr-defined]


def _define(name: str, scale: float, ignore_nan: bool) -> Callable[..., Any]:
    """np.quantile, np.percentile, and both without NaN."""

    @implements(getattr(np, name))
    def quantile(
        a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
        method: str = "linear", keepdims: Any = False, *, weights: Any = None,
    ) -> Any:  # fmt: skip
        return _quantile(
            name, a, q, scale, axis, out, method, _wanted(keepdims), weights, ignore_nan
        )

    quantile.__name__ = quantile.__qualname__ = name
    quantile.__doc__ = f"np.{name}, with every method."
    made: Callable[..., Any] = quantile
    return made


quantile = _define("quantile", 1, False)
percentile = _define("percentile", 100, False)
nanquantile = _define("nanquantile", 1, True)
nanpercentile = _define("nanpercentile", 100, True)


@op
def read_median(x: Any, counts: Any, *, dtype: Any) -> Any:
    """The middle of rows that are sorted along the last axis; the mean of two where there are two.
    ``counts`` as for :func:`read_quantiles`."""
    x, target = as_tensor(x), as_dtype(dtype)
    n, work = x.shape[-1], accumulator(target)

    def body(*row: Expr) -> Expr:
        read = lambda i: cast(x[_beside(row, i)], work)
        count = const(n) if counts is None else cast(counts[row], int64)
        low = te.max((count - 1) // 2, 0)
        high = te.min(count // 2, n - 1)
        a, b = read(low), read(high)
        zero = const(0, work)  # NumPy takes a mean, which is never -0.0
        value = select(apply("eq", low, high), a + zero, (a + b + zero) / const(2, work))
        if counts is not None:
            return cast(select(count > 0, value, const(np.nan, work)), target)
        end = read(const(n - 1))
        return cast(select(apply("isnan", end), end, value), target)

    return te.compute(x.shape[:-1], body, name="median")


def _median(name: str, a: Any, axis: Any, out: Any, keepdims: Any, ignore_nan: bool) -> Any:
    if out is not None:
        raise UnsupportedError(f"np.{name} with out= cannot be traced; assign the result instead")
    given = dtype_of(a)
    dtype = given if given.is_float else float64
    ignores = ignore_nan and given.is_float
    numbers = astype(a, dtype="uint8") if given.kind == "b" else a
    rows, rest, wide = _rows(numbers, axis, name, 0.5, ignores)
    if not shape_of(rows)[-1]:
        return _nothing(name, wide if keepdims else rest, dtype)
    counts = _counts(rows) if ignores else None
    found = read_median(rows, counts, dtype=dtype)
    return reshape(found, wide) if keepdims else found


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: Any = False,
) -> Any:  # fmt: skip
    """np.median."""
    return _median("median", a, axis, out, _wanted(keepdims), False)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: Any = False,
) -> Any:  # fmt: skip
    """np.nanmedian."""
    return _median("nanmedian", a, axis, out, _wanted(keepdims), True)
