"""The order of complex numbers as NumPy has it: by the real part, then the imaginary one, and NaN
(a number with a NaN part) after all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ...ops.broadcast import as_axis, strict_axes
from ...ops.complex_order import complex_extreme, order_keys
from ...ops.lexsort import packed_keys
from ...ops.op import implements
from ...ops.selection import pays
from ...ops.sort import check_kinds
from ..dispatch import call_function
from ..shapeless import strong
from .calls import (
    as_complex,
    call_complex_ufunc,
    converted,
    is_complex,
    parts_of,
    stands_for,
    whole_parts,
)
from .structure import check_start
from .value import combined


def moved(a: Any, axis: Any) -> Any:
    """``a`` with the axes to reduce as one, the first; of no axes, -1 and 0 name the number."""
    if axis is None or not np.ndim(a) and axis in (0, -1):
        return np.ravel(a)
    axes = axis if isinstance(axis, tuple) else (axis,)
    front = np.moveaxis(a, axes, tuple(range(len(axes))))
    return np.reshape(front, (-1, *front.shape[len(axes) :]))


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
    name = ufunc.__name__
    axes = () if not a.ndim and axis in (0, -1) else strict_axes(f"np.{name}", axis, a.ndim)
    if all(a.shape[d] for d in axes):
        if axes:
            found = complex_extreme(*parts_of(a), name=name, axes=axes, keepdims=bool(keepdims))
            a = combined(*found[:2])
        return a if initial is None else ufunc(a, initial)
    if initial is None:
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    kept = [1 if d in axes else n for d, n in enumerate(a.shape) if keepdims or d not in axes]
    return np.full(kept, initial, a.dtype)


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


def _place(name: str, a: Any, axis: Any, keepdims: bool) -> Any:
    """Where the first extreme stands along ``axis``: the first NaN, if there is one."""
    if axis is None:
        found = _place(name, np.ravel(a), 0, False)
        return kept_axes(found, np.ndim(a), None) if keepdims else found
    if not np.ndim(a):
        return _place(name, np.ravel(a), axis, False)
    axis = as_axis("argmax", axis, np.ndim(a))
    real, imag = parts_of(a)
    if not real.shape[axis]:
        call_function(np.argmax, (real,), {"axis": axis})  # which says that there is none
    return complex_extreme(real, imag, name=name, axes=(axis,), keepdims=bool(keepdims))[2]


@stands_for(np.argmax)
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """np.argmax."""
    return _place("maximum", a, axis, keepdims)


@stands_for(np.argmin)
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """np.argmin."""
    return _place("minimum", a, axis, keepdims)


# Sorting
# --------------------------------------------------------------------


@stands_for(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *,
            stable: Any = None) -> Any:  # fmt: skip
    """np.argsort; equal numbers stay in their order."""
    check_kinds("argsort", kind, stable)
    if axis is None or not np.ndim(a):
        a, axis = np.ravel(a), 0 if axis is None else as_axis("argsort", axis, 1)
    return np.lexsort(order_keys(*whole_parts(a))[::-1], axis=axis)


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
    """np.partition."""
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, argpartition(a, kth, axis), axis=axis)


@stands_for(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    """np.argpartition; the order that sorts the axis where that is not slower."""
    if axis is None or not np.ndim(a):
        a, axis = np.ravel(a), 0 if axis is None else as_axis("argpartition", axis, 1)
    places = _places(a, kth, axis)
    if not pays(a.shape[axis], places):
        return argsort(a, axis)
    first, second = order_keys(*whole_parts(a))
    if first.dtype.itemsize <= 4:  # both fit into one key
        return np.argpartition(packed_keys([second, first]), places, axis=axis)
    # Which of the kinds that the elements of these places part all others into each belongs to.
    kinds = np.uint8(0)
    for place in sorted(set(places)):
        this = np.take(np.partition(first, place, axis=axis), [place], axis=axis)
        greatest = second.dtype.type(np.iinfo(second.dtype).max)
        rest = np.where(
            first > this, greatest, np.where(first < this, second.dtype.type(0), second)
        )
        that = np.take(np.partition(rest, place, axis=axis), [place], axis=axis)
        same = first == this
        kinds = kinds + ((first > this) | same & (second > that)).astype(np.uint8)
        kinds = kinds + ((first > this) | same & (second >= that)).astype(np.uint8)
    return np.argsort(kinds, axis=axis, kind="stable")


def _places(a: Any, kth: Any, axis: Any) -> tuple[int, ...]:
    """``kth`` counted from 0, or an error says which is no place along the axis."""
    length = a.shape[axis]
    given = kth if isinstance(kth, (tuple, list)) else np.ravel(kth)
    for place in given:
        if np.size(a) and not -length <= int(place) < length:
            raise ValueError(
                f"np.partition: kth={int(place)} is out of bounds for an axis of {length} elements"
            )
    return tuple(int(place) % length for place in given) if np.size(a) else ()


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
    lines = moved(a, axis)
    n = lines.shape[0]
    if not n:
        raise UnsupportedError("np.median of no complex numbers cannot be traced; it is NaN")
    lines = partition(lines, ((n - 1) // 2, n // 2, n - 1), 0)
    found = np.mean(lines[(n - 1) // 2 : n // 2 + 1], axis=0)
    found = np.where(np.isnan(lines[-1]), lines[-1], found)
    return kept_axes(found, np.ndim(a), axis) if keepdims else found
