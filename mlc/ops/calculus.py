"""Differences, gradients and polynomials: plain NumPy over traced values."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ArgumentError, DomainError, DTypeError, ShapeError, UnsupportedError
from .broadcast import as_axes, as_axis, shape_of, size_of
from .elementwise import astype
from .index import slice_axis
from .join import concatenate, stack
from .op import implements
from .promotion import common_dtype, dtype_of
from .shape import ravel, reshape


def as_array(value: Any) -> Any:
    """``value`` as something with operators: lists and numbers become arrays."""
    return value if hasattr(value, "shape") else np.asarray(value)


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """np.ediff1d."""
    a = ravel(as_array(ary))
    parts = [a[1:] - a[:-1]]
    for extra, place in ((to_begin, 0), (to_end, 2)):
        if extra is None:
            continue
        extra = ravel(as_array(extra))
        if not np.can_cast(dtype_of(extra).numpy, dtype_of(a).numpy, "same_kind"):
            raise ArgumentError(
                f"np.ediff1d: to_begin and to_end must fit {dtype_of(a)}, got {dtype_of(extra)}"
            )
        parts.insert(place, astype(extra, dtype=dtype_of(a)))
    return concatenate(parts) if len(parts) > 1 else parts[0]


def _spacings(shape: tuple[int, ...], axes: tuple[int, ...], given: tuple[Any, ...]) -> list[Any]:
    """For each axis a number, or the distances between coordinates."""
    if not given:
        return [1.0] * len(axes)
    if len(given) == 1:
        given = given * len(axes)
    if len(given) != len(axes):
        raise ArgumentError(f"np.gradient: {len(given)} spacings for {len(axes)} axes")
    found: list[Any] = []
    for axis, distance in zip(axes, given, strict=True):
        if not shape_of(distance):
            found.append(distance)
            continue
        if shape_of(distance) != (shape[axis],):
            raise ShapeError(
                f"np.gradient: coordinates of shape {shape_of(distance)} do not fit axis {axis} "
                f"of shape {shape}"
            )
        places = as_array(distance)
        places = places if dtype_of(places).is_float else astype(places, dtype="float64")
        found.append(places[1:] - places[:-1])
    return found


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """np.gradient: central differences inside, one-sided ones of ``edge_order`` at the ends."""
    if edge_order not in (1, 2):
        raise ArgumentError(f"np.gradient: edge_order must be 1 or 2, got {edge_order!r}")
    f = as_array(f)
    if dtype_of(f).kind == "b":
        raise DTypeError("np.gradient: bools cannot be subtracted; use .astype(float)")
    f = f if dtype_of(f).is_float else astype(f, dtype="float64")
    shape = shape_of(f)
    axes = as_axes("np.gradient", axis, len(shape))
    if isinstance(axis, (tuple, list)):
        axes = tuple(d % len(shape) for d in axis)
    for d in axes:
        if shape[d] < edge_order + 1:
            raise ShapeError(
                f"np.gradient: axis {d} of shape {shape} is too short; edge_order={edge_order} "
                f"needs at least {edge_order + 1} elements"
            )
    steps = _spacings(shape, axes, varargs)
    slopes = (_slopes(f, d, h, edge_order) for d, h in zip(axes, steps, strict=True))
    found = tuple(astype(slope, dtype=dtype_of(f)) for slope in slopes)
    return found[0] if len(axes) == 1 else found


def _slopes(f: Any, axis: int, h: Any, edge_order: int) -> Any:
    """The gradient along one axis; ``h`` is a number or holds the distances."""
    at = lambda i, j=None: slice_axis(f, slice(i, j if j is not None else i + 1 or None), axis)
    first, last = _edges(at, h, edge_order)
    if not shape_of(h):
        inner = (at(2, shape_of(f)[axis]) - at(0, -2)) / (2.0 * h)
    else:
        wide = reshape(h, tuple(-1 if d == axis else 1 for d in range(len(shape_of(f)))))
        a, b = (slice_axis(wide, s, axis) for s in (slice(0, -1), slice(1, None)))
        inner = (
            -b / (a * (a + b)) * at(0, -2)
            + (b - a) / (a * b) * at(1, -1)
            + a / (b * (a + b)) * at(2, shape_of(f)[axis])
        )
    return concatenate([first, inner, last], axis=axis)


def _edges(at: Any, h: Any, edge_order: int) -> tuple[Any, Any]:
    """The slopes at both ends."""
    even = not shape_of(h)
    if edge_order == 1:
        left, right = (h, h) if even else (h[0], h[-1])
        return (at(1) - at(0)) / left, (at(-1) - at(-2)) / right
    if even:
        first = -1.5 / h * at(0) + 2.0 / h * at(1) - 0.5 / h * at(2)
        return first, 0.5 / h * at(-3) - 2.0 / h * at(-2) + 1.5 / h * at(-1)
    a, b = h[0], h[1]
    first = -(2.0 * a + b) / (a * (a + b)) * at(0) + (a + b) / (a * b) * at(1)
    first = first - a / (b * (a + b)) * at(2)
    a, b = h[-2], h[-1]
    last = b / (a * (a + b)) * at(-3) - (b + a) / (a * b) * at(-2)
    return first, last + (2.0 * b + a) / (b * (a + b)) * at(-1)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """np.unwrap."""
    p = as_array(p)
    axis = as_axis("np.unwrap", axis, len(shape_of(p)))
    steps = np.diff(p, axis=axis)
    discont = period / 2 if discont is None else discont
    whole = isinstance(period, int) and dtype_of(p).is_integer
    high = period // 2 if whole else period / 2
    low = -high
    folded = np.mod(steps - low, period) + low
    if not whole or period % 2 == 0:
        folded = np.where((folded == low) & (steps > 0), high, folded)
    correct = np.where(np.abs(steps) < discont, 0, folded - steps)
    start = slice_axis(p, slice(0, 1), axis)
    rest = slice_axis(p, slice(1, None), axis) + np.cumsum(correct, axis=axis)
    dtype = common_dtype(dtype_of(p).numpy.type(0), period)
    return astype(concatenate([astype(start, dtype=dtype_of(rest)), rest], axis=axis), dtype=dtype)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """np.polyval, by Horner's rule."""
    p, x = as_array(p), as_array(x)
    if getattr(x, "_is_weak", False):
        x = x._detached()
    y = x * False if shape_of(p)[0] else np.zeros_like(x)
    for n in range(shape_of(p)[0]):
        y = y * x + p[n]
    return y


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """np.vander."""
    if len(shape_of(x)) != 1:
        raise ShapeError(f"np.vander: needs a 1-d array, got shape {shape_of(x)}")
    x = as_array(x)
    count = shape_of(x)[0] if N is None else operator.index(N)
    if count < 0:
        raise ShapeError(f"np.vander: N must not be negative, got {count}")
    dtype = common_dtype(dtype_of(x).numpy.type(0), np.int64(0))
    powers = [np.ones_like(x, dtype=dtype.numpy)]  # of NaN, too
    for n in range(count - 1):
        powers.append(powers[-1] * x if n else astype(x, dtype=dtype))
    if not count:
        return np.zeros((shape_of(x)[0], 0), dtype.numpy)
    return stack(powers if increasing else powers[::-1], axis=1)


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """np.polyadd."""
    left, right = _aligned(a1, a2)
    return left + right


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """np.polysub."""
    left, right = _aligned(a1, a2)
    return left - right


def _aligned(a1: Any, a2: Any) -> list[Any]:
    parts = [np.atleast_1d(as_array(a)) for a in (a1, a2)]
    length = max(shape_of(part)[0] for part in parts)
    return [np.pad(part, (length - shape_of(part)[0], 0)) for part in parts]


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """np.polymul; zeros in front are left out first, as NumPy does."""
    return np.convolve(*(_without_front_zeros(np.atleast_1d(as_array(a))) for a in (a1, a2)))


def _without_front_zeros(whole: Any) -> Any:
    try:
        kept = np.trim_zeros(whole, "f")
    except UnsupportedError:
        raise UnsupportedError(
            "np.polymul leaves out zeros in front, so the data decide how long its result is, and "
            "shapes must be known while tracing; np.convolve of the same coefficients keeps them"
        ) from None
    return kept if kept.shape[0] else np.zeros(1, whole.dtype)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """np.polyder."""
    p = as_array(p)
    if m < 0:
        raise ArgumentError(f"np.polyder: the order must not be negative, got {m}")
    for _ in range(m):
        degree = shape_of(p)[0] - 1
        p = p[:-1] * np.arange(degree, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """np.polyint; ``k`` holds the constants, one for each integration."""
    p = as_array(p)
    constants = np.zeros(m) if k is None else np.broadcast_to(np.asarray(k, float), (m,))
    for n in range(m):
        degree = shape_of(p)[0]
        p = concatenate([p / np.arange(degree, 0, -1), constants[n : n + 1]])
    return p


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None,
    cov: Any = False,
) -> Any:  # fmt: skip
    """np.polyfit: the coefficients of the least squares fit. The residuals are those of
    `np.linalg.lstsq` here: NaN where the rank is less than the number of coefficients."""
    x, y = (as_array(t) + 0.0 for t in (x, y))
    if len(shape_of(x)) != 1 or shape_of(y)[:1] != shape_of(x) or not size_of(shape_of(x)):
        raise ShapeError(f"np.polyfit: shapes {shape_of(x)} and {shape_of(y)} do not fit")
    lhs, rhs = np.vander(x, int(deg) + 1), y
    if w is not None:
        w = as_array(w) + 0.0
        lhs, rhs = (
            astype(side * (w if len(shape_of(side)) == 1 else w[:, None]), dtype=dtype_of(side))
            for side in (lhs, rhs)
        )
    scale = np.sqrt(np.sum(lhs * lhs, axis=0))
    rcond = shape_of(x)[0] * np.finfo(dtype_of(x).numpy).eps if rcond is None else rcond
    lhs = lhs / scale
    found, residuals, rank, values = np.linalg.lstsq(lhs, rhs, rcond)
    fit = (found.T / scale).T
    if full:
        return fit, residuals, rank, values, rcond
    if not cov:
        return fit
    base = np.linalg.inv(lhs.T @ lhs) / np.outer(scale, scale)  # the covariance but for a factor
    base = base if len(shape_of(y)) == 1 else base[:, :, None]
    return fit, base if cov == "unscaled" else base * _spread(residuals, *shape_of(lhs))


def _spread(residuals: Any, count: int, order: int) -> Any:
    """The factor of the covariance of a fit to ``count`` points with ``order`` coefficients."""
    if count <= order:
        raise DomainError(
            "np.polyfit: the number of data points must exceed order to scale the covariance matrix"
        )
    return residuals / (count - order)
