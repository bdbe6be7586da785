"""Functions of arrays whose length only the running loop knows, in terms of what these can do:
elements at places that are computed, parts, sums, products.

::

    np.roll(x[:n], 2)       ->      x[:n][(np.arange(n) - 2) % n]
    np.pad(x[:n], 1)        ->      np.where((i >= 0) & (i < n), x[i], 0)   i: -1 to n

Each takes what NumPy's function takes. What it says about anything else is ``NotImplemented``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.closing import closed
from ..ops.op import leaves_of
from ..ops.pad import widths_of
from ..te.extent import Extent, is_open
from .creation import arange_of
from .masked import solid_list
from .noting import note_error
from .open_lengths import _greatest, _is_chosen, number_of, opened, sizes_of
from .tracer import Tracer

OPEN_FORMS: dict[Any, Callable[..., Any]] = {}


def open_form_of(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What computes ``function`` of arguments of which some are of open length, or None; and the
    arguments, with arrays for what masks select."""
    found = OPEN_FORMS.get(function)
    if found is not None:
        args = tuple(map(solid_list, args))
        kwargs = {name: solid_list(value) for name, value in kwargs.items()}
        if any(map(has_open_size, leaves_of([*args, *kwargs.values()]))):
            return found, args, kwargs
    return None, args, kwargs


def has_open_size(value: Any) -> bool:
    return isinstance(value, Tracer) and is_open(value._seen[1].shape)


def form(*functions: Any) -> Callable[[Any], Any]:
    """Declares what computes ``functions``, or answers NotImplemented."""

    def register(made: Callable[..., Any]) -> Any:
        for function in functions:
            OPEN_FORMS[function] = made
        return made

    return register


def _for_each(*functions: Any) -> Callable[[Any], Any]:
    def register(make: Callable[..., Any]) -> Any:
        for function in functions:
            OPEN_FORMS[function] = make(function)
        return make

    return register


def sizes(x: Any) -> tuple[Any, ...]:
    return sizes_of(x) if has_open_size(x) else np.shape(x)


def only_axis(x: Any, axis: Any) -> int | None:
    """The axis as a number from the front; None where all elements are meant, of several axes."""
    if axis is None:
        return 0 if x.ndim == 1 else None
    return int(axis) % x.ndim


def _at(x: Any, places: Any, axis: int) -> Any:
    """Elements of ``x`` at ``places`` along an axis, which are in it."""
    key = (*(slice(None),) * axis, places)
    return x[key]


def _part(x: Any, start: Any, stop: Any, axis: int) -> Any:
    return _at(x, slice(start, stop), axis)


def _along(vector: Any, axis: int, ndim: int) -> Any:
    key = (slice(None), *(None,) * (ndim - axis - 1))
    return vector[key]


def none_of(x: Any, text: str, least: int = 1, axis: int = 0) -> None:
    """Let the call raise a ValueError where ``x`` has fewer than ``least`` elements."""
    extent: Any = x._seen[1].shape[axis] if isinstance(x, Tracer) else np.shape(x)[axis]
    if _is_chosen(extent):
        note_error(np.less(number_of(extent, x._trace), least), ValueError(text))


def check_place(place: Any, count: Any, size: Any, axis: int) -> None:
    """IndexError for a place outside of ``-count`` to ``count - 1``."""
    outside = np.logical_or(np.less(place, -count), np.greater_equal(place, count))
    name = f"index {place}" if isinstance(place, (int, np.integer)) else "an index"
    text = f" with size {size}" if isinstance(size, int) else ", as long as the data say"
    note_error(outside, IndexError(f"{name} is out of bounds for axis {axis}{text}"))


@form(np.roll)
def _rolled(a: Any, shift: Any, axis: Any = None) -> Any:
    where = only_axis(a, axis) if axis is None or np.ndim(axis) == 0 else None
    if where is None or np.ndim(shift):
        return NotImplemented
    n = sizes(a)[where]
    return _at(a, (arange_of(n) - shift) % np.maximum(n, 1), where)


@form(np.tile)
def _tiled(A: Any, reps: Any) -> Any:
    counts = list(reps) if isinstance(reps, (tuple, list)) else [reps]
    key = (*(None,) * (len(counts) - A.ndim), ...)
    a = A[key]
    counts = [1] * (a.ndim - len(counts)) + counts
    for axis, count in enumerate(counts):
        if not (isinstance(count, (int, np.integer)) and count == 1):
            n = sizes(a)[axis]
            a = _at(a, arange_of(n * count) % np.maximum(n, 1), axis)
    return a if a is not A else A.copy()


@form(np.repeat)
def _repeated(a: Any, repeats: Any, axis: Any = None) -> Any:
    where = only_axis(a, axis)
    if where is None or np.ndim(repeats):
        return NotImplemented
    n = sizes(a)[where]
    return _at(a, arange_of(n * repeats) // np.maximum(repeats, 1), where)


@form(np.searchsorted)
def _searched(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    if sorter is not None:
        a = a[sorter]
    shape = v._seen[1].shape if has_open_size(v) else None
    whole = closed(a, fill=_greatest(a.dtype)) if has_open_size(a) else a
    found = np.searchsorted(whole, closed(v, fill=0) if shape else v, side)
    if whole is not a:
        found = np.minimum(found, sizes(a)[0])
    return opened(found, shape) if shape else found


@form(np.digitize)
def _digitized(x: Any, bins: Any, right: bool = False) -> Any:
    if not has_open_size(bins):
        shape = x._seen[1].shape
        return opened(np.digitize(closed(x, fill=0), bins, right), shape)
    side: Any = "left" if right else "right"
    n = sizes(bins)[0]
    is_rising = np.less_equal(closed(bins, fill=0)[0], bins[n - 1 : n].sum()) | np.less(n, 2)
    falling = n - np.searchsorted(bins[::-1], x, side)
    return np.where(is_rising, np.searchsorted(bins, x, side), falling)


@form(np.interp)
def _interpolated(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    if has_open_size(xp) or has_open_size(fp):
        if not (has_open_size(xp) and has_open_size(fp)) or period is not None:
            return NotImplemented
        none_of(xp, "array of sample points is empty")
        n = sizes(xp)[0]
        last, above = (t[n - 1 : n].sum() for t in (xp, fp))  # 0 of none
        beyond = np.greater(x, last)
        is_held = np.less(arange_of(int(xp._seen[1].shape[0])), n)
        xp = closed(xp.astype(np.float64), fill=np.inf)
        fp = np.where(is_held, closed(fp.astype(np.float64), fill=0), above)
        found = np.interp(x, xp, fp, left)
        return np.where(beyond, above if right is None else right, found)
    shape = x._seen[1].shape
    return opened(np.interp(closed(x, fill=0), xp, fp, left, right, period), shape)


@form(np.gradient)
def _slopes(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    where = only_axis(f, axis) if axis is None or np.ndim(axis) == 0 else None
    if where is None or edge_order != 1 or len(varargs) > 1:
        return NotImplemented
    none_of(f, "Shape of array too small to calculate a numerical gradient, at least "
             "(edge_order + 1) elements are required.", 2, where)  # fmt: skip
    f = f if f.dtype.kind == "f" else f.astype(np.float64)
    part = lambda start, stop: _part(f, start, stop, where)
    given: Any = varargs[0] if varargs else 1.0
    if np.ndim(given) == 0:
        inner = (part(2, None) - part(None, -2)) / (2.0 * given)
        first = last = given
    else:
        line = _along(given, where, f.ndim)
        at = lambda start, stop: _part(line, start, stop, where)
        one, two = at(1, -1) - at(None, -2), at(2, None) - at(1, -1)
        inner = (
            -two / (one * (one + two)) * part(None, -2)
            + (two - one) / (one * two) * part(1, -1)
            + one / (two * (one + two)) * part(2, None)
        )
        first, last = given[1] - given[0], given[-1] - given[-2]
    row = lambda place: _at(f, place, where)
    ends = [(row(1) - row(0)) / first, (row(-1) - row(-2)) / last]
    ends = [np.expand_dims(end, where) for end in ends]
    return np.concatenate([ends[0], inner, ends[1]], axis=where)


def _products(a: Any, v: Any) -> tuple[Any, Any, Any]:
    """(all sums of products of elements of ``a`` and of ``v`` the other way round; their sizes)."""
    n, k = sizes(a)[0], sizes(v)[0]
    for t in (a, v):
        none_of(t, "a cannot be empty" if t is a else "v cannot be empty")
    there = np.subtract.outer(arange_of(n + k - 1), arange_of(k))
    is_in = np.logical_and(there >= 0, there < n)
    return np.sum(np.where(is_in, a[np.clip(there, 0, n - 1)] * v, 0), axis=1), n, k


def _in_mode(whole: Any, n: Any, k: Any, mode: str, back: bool = False) -> Any:
    """The part of all products that ``mode`` names; ``back``: of the smaller one turned round."""
    if mode == "full":
        return whole
    less, more = np.minimum(n, k), np.maximum(n, k)
    if mode == "valid":
        return whole[less - 1 : more]
    first = (less - 1) // 2
    first = np.where(np.less(n, k), less - 1 - first, first)[()] if back else first
    return whole[first : first + more]


@form(np.convolve)
def _convolved(a: Any, v: Any, mode: str = "full") -> Any:
    if np.ndim(a) != 1 or np.ndim(v) != 1 or mode not in ("full", "same", "valid"):
        return NotImplemented
    a, v = (np.asarray(t) if isinstance(t, (list, tuple)) else t for t in (a, v))
    return _in_mode(*_products(*((a, v) if has_open_size(a) else (v, a))), mode)


@form(np.correlate)
def _correlated(a: Any, v: Any, mode: str = "valid") -> Any:
    if np.ndim(a) != 1 or np.ndim(v) != 1 or mode not in ("full", "same", "valid"):
        return NotImplemented
    a, v = (np.asarray(t) if isinstance(t, (list, tuple)) else t for t in (a, v))
    return _in_mode(*_products(a, v[::-1]), mode, back=True)


@form(np.insert)
def _inserted(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    where = only_axis(arr, axis)
    if where is None or np.ndim(obj) or isinstance(obj, slice) or arr.ndim > 1 and where:
        return NotImplemented
    n = sizes(arr)[where]
    check_place(obj, n + 1, n, where)
    place = np.where(np.less(obj, 0), obj + n, obj)[()]
    new = np.asarray(values) if isinstance(values, (list, tuple)) else values
    if np.ndim(new) == 0:
        new = np.broadcast_to(new, (1, *arr.shape[1:]))
    elif arr.ndim > 1 and np.ndim(new) < arr.ndim:
        new = new[None]
    if np.shape(new)[1:] != tuple(arr.shape[1:]):
        new = np.broadcast_to(new, (np.shape(new)[0], *arr.shape[1:]))
    return np.concatenate([arr[:place], new.astype(arr.dtype), arr[place:]], axis=0)


@form(np.delete)
def _deleted(arr: Any, obj: Any, axis: Any = None) -> Any:
    where = only_axis(arr, axis)
    if where is None or isinstance(obj, slice):
        return NotImplemented
    if not has_open_size(arr) or type(arr._seen[1].shape[where]) is not Extent:
        return NotImplemented
    n = sizes(arr)[where]
    if np.ndim(obj) == 0:
        check_place(obj, n, n, where)
        place = np.where(np.less(obj, 0), obj + n, obj)[()]
        left = arange_of(n - 1)
        return _at(arr, left + np.greater_equal(left, place), where)
    if isinstance(obj, (list, tuple)):
        obj = np.asarray(obj, int) if not len(obj) else np.asarray(obj)
    if obj.dtype.kind == "b":
        return _at(arr, ~obj, where)
    return _at(arr, ~np.isin(arange_of(n), np.where(obj < 0, obj + n, obj)), where)


@form(np.pad)
def _padded(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Any:
    if not isinstance(mode, str) or mode not in _PLACES and mode != "constant":
        return NotImplemented
    widths = widths_of(pad_width, array._seen[1].shape)
    fills = constant_values
    if mode == "constant" and not np.ndim(fills):
        fills = ((fills, fills),) * array.ndim
    elif mode == "constant":
        fills = np.broadcast_to(np.asarray(fills), (array.ndim, 2)).tolist()
    for axis, (before, after) in enumerate(widths):
        if before or after:
            n = sizes(array)[axis]
            places = arange_of(n + (before + after)) - before
            if mode != "constant":
                none_of(array, f"can't extend empty axis {axis} using modes other than "
                         f"'constant' or 'empty'", axis=axis)  # fmt: skip
                array = _at(array, _PLACES[mode](places, n), axis)
                continue
            kind = array.dtype.type
            inside = _at(array, np.clip(places, 0, np.maximum(n - 1, 0)), axis)
            low, high = (kind(f) if isinstance(f, (int, float)) else f for f in fills[axis])
            line = lambda t, at=axis, of=array.ndim: _along(t, at, of)
            array = np.where(line(places < 0), low, np.where(line(places >= n), high, inside))
    return array


def _reflected(places: Any, n: Any) -> Any:
    period = np.maximum(2 * n - 2, 1)
    place = places % period
    return np.minimum(place, np.maximum(2 * n - 2, 0) - place)


def _mirrored(places: Any, n: Any) -> Any:
    place = places % (2 * n)
    return np.minimum(place, 2 * n - 1 - place)


_PLACES: dict[str, Callable[[Any, Any], Any]] = {
    "edge": lambda places, n: np.clip(places, 0, n - 1),
    "wrap": lambda places, n: places % n,
    "reflect": _reflected,
    "symmetric": _mirrored,
}


@_for_each(np.nanmedian, np.nanquantile, np.nanpercentile)
def _middle_of_numbers(function: Any) -> Callable[..., Any]:
    from .open_lengths import _left

    def middle(a: Any, *args: Any, **options: Any) -> Any:
        if not has_open_size(a):
            return NotImplemented
        wide = a if a.dtype.kind == "f" else a.astype(np.float64)
        found = function(closed(wide, fill=np.nan), *args, **options)
        left = _left(a, args if function is np.nanmedian else args[1:], options)
        more = found.shape[: found.ndim - len(left)]
        return opened(found, (*more, *left))

    return middle


@_for_each(np.nancumsum, np.nancumprod)
def _running(function: Any) -> Callable[..., Any]:
    plain = np.cumsum if function is np.nancumsum else np.cumprod
    fill = float(function is np.nancumprod)
    return lambda a, *args, **options: plain(
        np.where(np.isnan(a), a.dtype.type(fill), a) if a.dtype.kind == "f" else a, *args, **options
    )


@_for_each(np.partition, np.argpartition)
def _parted(function: Any) -> Callable[..., Any]:
    whole = np.sort if function is np.partition else np.argsort

    def part(a: Any, kth: Any, axis: Any = -1, **_: Any) -> Any:
        where = only_axis(a, axis)
        if where is None:
            return NotImplemented
        n = sizes(a)[where]
        for place in kth if isinstance(kth, (list, tuple)) else [kth]:
            outside = np.logical_or(np.less(place, -n), np.greater_equal(place, n))
            note_error(outside, ValueError(f"kth(={place!r}) out of bounds"))
        return whole(a, axis=where)

    return part


@form(np.trim_zeros)
def _trimmed(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    if filt.ndim != 1 or axis is not None:
        return NotImplemented
    n, nonzero = sizes(filt)[0], closed(filt, fill=0) != 0
    left, room = np.any(nonzero), nonzero.shape[0]
    first = np.where(left, np.argmax(nonzero), n)[()] if "f" in trim.lower() else 0
    last = np.where(left, room - np.argmax(nonzero[::-1]), 0)[()] if "b" in trim.lower() else n
    return filt[first:last]


@form(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    made = np.zeros_like(a, dtype=dtype)
    made[...] = fill_value
    return made


@form(np.diag, np.diagflat)
def _diagonal(v: Any, k: int = 0) -> Any:
    if v.ndim != 1 or k:
        return NotImplemented
    n = sizes(v)[0]
    return np.where(np.equal.outer(arange_of(n), arange_of(n)), v, v.dtype.type(0))


@form(np.lexsort)
def _ordered_by(keys: Any, axis: int = -1) -> Any:
    keys = list(keys) if isinstance(keys, (tuple, list)) else [*keys]
    if any(key.ndim != 1 for key in keys):
        return NotImplemented
    shape = next(key._seen[1].shape for key in keys if has_open_size(key))
    whole = tuple(closed(key, fill=_greatest(key.dtype)) for key in keys)
    return opened(np.lexsort(whole), shape)


@form(np.compress)
def _compressed(condition: Any, a: Any, axis: Any = None) -> Any:
    where = only_axis(a, axis)
    if where is None:
        return NotImplemented
    return _at(a, np.asarray(condition, bool) if isinstance(condition, list) else condition, where)


@form(np.extract)
def _extracted(condition: Any, arr: Any) -> Any:
    return arr[condition] if arr.ndim == 1 else NotImplemented


@form(np.resize)
def _resized(a: Any, new_shape: Any) -> Any:
    wanted = tuple(new_shape) if isinstance(new_shape, (tuple, list)) else (new_shape,)
    if a.ndim != 1 or not all(isinstance(size, (int, np.integer)) for size in wanted):
        return NotImplemented
    places = np.arange(int(np.prod(wanted))).reshape(wanted)
    n = sizes(a)[0]
    return np.where(np.greater(n, 0), a[places % np.maximum(n, 1)], a.dtype.type(0))


@form(np.polyval)
def _polynomial(p: Any, x: Any) -> Any:
    if not has_open_size(p):
        return NotImplemented
    value = np.polyval(closed(p[::-1], fill=0)[::-1], closed(x, fill=0))
    return opened(value, x._seen[1].shape) if has_open_size(x) else value
