"""The order of complex numbers as NumPy has it: by the real part, then the imaginary one, and NaN
(a number with a NaN part) after all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ...ops.broadcast import as_axis, strict_axes
from ...ops.op import implements
from ...ops.sort import check_kinds
from ..dispatch import call_function
from ..shapeless import strong
from .calls import as_complex, call_complex_ufunc, converted, is_complex, parts_of, stands_for
from .structure import check_start


def moved(a: Any, axis: Any) -> Any:
    """``a`` with the axes to reduce as one, the first; of no axes, -1 and 0 name the number."""
    if axis is None or not np.ndim(a) and axis in (0, -1):
        return np.ravel(a)
    axes = axis if isinstance(axis, tuple) else (axis,)
    front = np.moveaxis(a, axes, tuple(range(len(axes))))
    return np.reshape(front, (-1, *front.shape[len(axes) :]))


def folded(ufunc: Callable[..., Any], lines: Any) -> Any:
    """``lines`` combined along the first axis, in halves, so that what is done at once is much."""
    while (n := lines.shape[0]) > 1:
        half = ufunc(lines[: n // 2], lines[n // 2 : 2 * (n // 2)])
        lines = np.concatenate([half, lines[n - 1 :]]) if n % 2 else half
    return lines[0]


def kept_axes(found: Any, ndim: int, axis: Any) -> Any:
    """``found`` with the axes that were reduced as axes of length 1."""
    axes = range(ndim) if axis is None or not ndim else axis if isinstance(axis, tuple) else (axis,)
    return np.expand_dims(found, tuple(d % ndim for d in axes))


def extreme(
    ufunc: Any, a: Any, axis: Any, keepdims: Any, initial: Any = None, where: Any = True
) -> Any:
    """The ``ufunc`` of maximum, minimum and their kin, reduced."""
    if initial is not None:
        check_start(ufunc.__name__, a, None)
    if where is not True:
        if initial is None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a "
                f"where mask one has to specify 'initial'"
            )
        a = np.where(where, a, initial)
    lines = moved(a, axis)
    if lines.shape[0]:
        found = folded(ufunc, lines)
        found = found if initial is None else ufunc(found, initial)
    elif initial is None:
        raise ValueError(
            f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
        )
    else:
        found = np.full(lines.shape[1:], initial, a.dtype)
    return kept_axes(found, a.ndim, axis) if keepdims else found


@stands_for(np.max, np.amax)
def max(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
        where: Any = True) -> Any:  # fmt: skip
    """np.max."""
    return extreme(np.maximum, as_complex(a), axis, keepdims, initial, where)


@stands_for(np.min, np.amin)
def min(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
        where: Any = True) -> Any:  # fmt: skip
    """np.min."""
    return extreme(np.minimum, as_complex(a), axis, keepdims, initial, where)


@stands_for(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """np.ptp."""
    return max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)


@stands_for(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None,
         max: Any = None, **options: Any) -> Any:  # fmt: skip
    """np.clip."""
    a = strong(a)
    low, high = (w if v is None else v for v, w in ((a_min, min), (a_max, max)))
    if low is not None:
        a = call_complex_ufunc(np.maximum, "__call__", (a, low), options)
    if high is not None:
        a = call_complex_ufunc(np.minimum, "__call__", (a, high), options)
    return a if low is not None or high is not None else np.positive(a)


def _place(extremes: Any, worst: float, a: Any, axis: Any, keepdims: bool) -> Any:
    """Where the first extreme stands along ``axis``: the first NaN, if there is one."""
    if axis is None:
        found = _place(extremes, worst, np.ravel(a), 0, False)
        return kept_axes(found, np.ndim(a), None) if keepdims else found
    if not np.ndim(a):
        return _place(extremes, worst, np.ravel(a), axis, False)
    axis = as_axis("argmax", axis, np.ndim(a))
    real, imag = parts_of(a)
    missing = np.isnan(a)
    if not real.shape[axis]:
        call_function(np.argmax, (real,), {"axis": axis})  # which says that there is none
    best = real == extremes(np.where(missing, worst, real), axis=axis, keepdims=True)
    rest = np.where(best & ~missing, imag, worst)
    best = best & (rest == extremes(rest, axis=axis, keepdims=True)) & ~missing
    best = np.where(np.any(missing, axis=axis, keepdims=True), missing, best)
    return np.argmax(best, axis=axis, keepdims=keepdims)


@stands_for(np.argmax)
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """np.argmax."""
    return _place(np.max, -np.inf, a, axis, keepdims)


@stands_for(np.argmin)
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """np.argmin."""
    return _place(np.min, np.inf, a, axis, keepdims)


# Sorting
# --------------------------------------------------------------------


@stands_for(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *,
            stable: Any = None) -> Any:  # fmt: skip
    """np.argsort; equal numbers stay in their order."""
    check_kinds("argsort", kind, stable)
    if axis is None or not np.ndim(a):
        a, axis = np.ravel(a), 0 if axis is None else as_axis("argsort", axis, 1)
    real, imag = parts_of(a)
    group = np.isnan(real).astype(np.int8) * np.int8(2) + np.isnan(imag).astype(np.int8)
    return np.lexsort((imag, real, group), axis=axis)


@stands_for(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *,
         stable: Any = None) -> Any:  # fmt: skip
    """np.sort."""
    check_kinds("sort", kind, stable)
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, argsort(a, axis), axis=axis)


@stands_for(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    """np.partition: all elements in order, which is one of the orders that it may give."""
    _check_places(a, kth, axis)
    return sort(a, axis)


@stands_for(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    """np.argpartition, likewise."""
    _check_places(a, kth, axis)
    return argsort(a, axis)


def _check_places(a: Any, kth: Any, axis: Any) -> None:
    length = np.size(a) if axis is None or not np.ndim(a) else np.shape(a)[axis]
    for place in kth if isinstance(kth, (tuple, list)) else np.ravel(kth):
        if np.size(a) and not -length <= int(place) < length:
            raise ValueError(
                f"np.partition: kth={int(place)} is out of bounds for an axis of {length} elements"
            )


@implements(np.sort_complex)
@stands_for(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """np.sort_complex."""
    if not is_complex(a):
        small = np.asarray(a).dtype if not hasattr(a, "dtype") else a.dtype
        return converted(np.sort(a), np.dtype("F" if small.char in "bhBH" else "D"))
    return sort(a)


@stands_for(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
           keepdims: bool = False) -> Any:  # fmt: skip
    """np.median: the one in the middle of the sorted elements, or the mean of two; NaN if there is
    one."""
    strict_axes("np.median", axis, np.ndim(a))
    lines = sort(moved(a, axis), 0)
    n = lines.shape[0]
    if not n:
        raise UnsupportedError("np.median of no complex numbers cannot be traced; it is NaN")
    found = np.mean(lines[(n - 1) // 2 : n // 2 + 1], axis=0)
    found = np.where(np.isnan(lines[-1]), lines[-1], found)
    return kept_axes(found, np.ndim(a), axis) if keepdims else found
