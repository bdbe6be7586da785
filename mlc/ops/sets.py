"""Distinct values and sets, found by sorting; `mlc.ops.choosing` says what ``size=`` is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..dtypes import boolean, int64
from ..ir.expr import Expr, apply, const, select
from ..te.extent import Extent
from . import logic
from .arithmetic import maximum
from .broadcast import as_tensor, shape_of, size_of
from .choosing import chosen_by_data, compress, no_room, places_held, room_found
from .closing import closed, opened_like
from .elementwise import astype, select_where
from .index import getitem, take
from .join import concatenate
from .membership import isin
from .moving import greatest, is_inside_loop, length_of
from .op import op
from .programs import Writer
from .promotion import common_dtype, dtype_of
from .reduce import count_nonzero
from .scan import cumsum
from .search import searchsorted
from .shape import ravel, reshape
from .sort import order_along, sorted_along


@op
def distinct(
    values: Any, order: Any, keep: Any, *, size: int, equal_nan: bool, fill: Any, name: str
) -> Any:
    """Of the sorted ``values``, which stood at ``order``: (the distinct ones that ``keep`` (or
    None) marks, where each stood first, which one each place has, how often each is there)."""
    values, order = as_tensor(values), as_tensor(order)
    n = values.shape[0]
    w = Writer("unique")
    source = w.input("values", (n,), values.dtype)
    at = w.input("order", (n,), int64)
    kept = None if keep is None else w.input("keep", (n,), boolean)
    out = w.output("out", (size,), values.dtype)
    first = w.output("first", (size,), int64)
    inverse = w.output("inverse", (n,), int64)
    counts = w.output("counts", (size,), int64)
    full = w.guard("BoundsError", no_room(name, size), size)
    count = w.variable("count", const(0))
    last = w.variable("last", const(-1))  # place of the value that was entered last
    with w.loop(size, "i") as i:
        w.store(counts, (i,), 0)
        w.store(first, (i,), 0)
    with w.loop(n, "i") as i, w.when(const(True) if kept is None else kept[i]):
        value, before = source[i], source[te.max(last[()], 0)]
        same = apply("eq", value, before)
        if values.dtype.is_float and equal_nan:
            same = same | (apply("isnan", value) & apply("isnan", before))
        with w.when((last[()] < 0) | ~same):
            w.store(full, (count[()],), 0)
            w.store(out, (count[()],), value)
            w.store(first, (count[()],), at[i])
            w.set(count, count[()] + 1)
            w.set(last, i)
        here = count[()] - 1
        w.store(inverse, (at[i],), here)
        w.store(counts, (here,), counts[here] + 1)
    if fill is None:
        rest = out[te.min(const(0), count[()])] if size else const(0, values.dtype)
    else:
        rest = const(fill, values.dtype)
    with w.loop(size, "i") as i, w.when(i >= count[()]):
        w.store(out, (i,), rest)
    return w.call(values, order, *([] if keep is None else [as_tensor(keep)]))


def _distinct(name: str, values: Any, keep: Any, size: Any, equal_nan: bool, fill: Any) -> Any:
    """`distinct` of the 1-d ``values``; ``keep`` marks those that count, where they stand."""
    given = values
    values, keep = _closed(values, keep)
    order = order_along(values, axis=0)
    kept = None if keep is None else take(keep, order)
    n = shape_of(values)[0]
    whole: list[Any] = []

    def count() -> Any:
        whole.extend(_of_sorted(name, values, order, kept, n, equal_nan, fill))
        return count_nonzero(whole[3])

    if size is None and is_inside_loop():
        length = count()
        part = slice(None, length)
        inverse = opened_like(whole[2], given)
        return getitem(whole[0], part), getitem(whole[1], part), inverse, getitem(whole[3], part)
    room, found = room_found(name, size, count)
    if room is not None:
        return _of_sorted(name, values, order, kept, room, equal_nan, fill)
    part = slice(0, found)
    return getitem(whole[0], part), getitem(whole[1], part), whole[2], getitem(whole[3], part)


def _of_sorted(
    name: str, values: Any, order: Any, kept: Any, size: int, equal_nan: bool, fill: Any
) -> Any:
    return distinct(
        take(values, order), order, kept, size=size, equal_nan=equal_nan, fill=fill, name=name
    )


def _closed(values: Any, keep: Any) -> tuple[Any, Any]:
    """All elements that there may be in ``values`` of open length, those beyond it the greatest,
    and which of them count: those of ``values`` that ``keep`` (None for all) marks."""
    extent = shape_of(values)[0]
    if not isinstance(extent, Extent):
        return values, keep
    found = closed(values, fill=greatest(dtype_of(values)))
    inside = logic.less(np.arange(int(extent)), length_of(extent))
    return found, inside if keep is None else logic.logical_and(inside, closed(keep, fill=0))


@op
def begins(values: Any, *, equal_nan: bool) -> Any:
    """Whether each of the sorted ``values`` is another one than that before it."""
    values = as_tensor(values)
    is_float = values.dtype.is_float

    def body(i: Expr) -> Expr:
        value, before = values[i], values[te.max(i - 1, 0)]
        same = apply("eq", value, before)
        if is_float and equal_nan:
            same = same | (apply("isnan", value) & apply("isnan", before))
        return apply("eq", i, const(0)) | ~same

    return te.compute(values.shape, body, name="begins")


@op
def run_lengths(places: Any, length: Any, *, n: int) -> Any:
    """How far each of ``places`` is from the next one, or from ``length``, or without one from
    ``n``; 0 for those that are -1."""
    places = as_tensor(places)
    count = places.shape[0]
    end_of_all = const(n) if length is None else as_tensor(length)[()]

    def body(i: Expr) -> Expr:
        last = count.length[()] - 1 if isinstance(count, Extent) else const(count - 1)
        following = places[te.max(te.min(i + 1, last), 0)]
        end = select((i >= last) | (following < 0), end_of_all, following)
        return select(places[i] < 0, const(0), end - places[i])

    return te.compute(places.shape, body, name="counts")


def _distinct_sorted(
    name: str, values: Any, keep: Callable[[Any], Any] | None, size: Any, equal_nan: bool, fill: Any
) -> tuple[Any, Any]:
    """The distinct elements of the 1-d ``values``, and how often each is there, where it does not
    matter where they stood; ``keep`` marks those of a sorted array that count."""
    given: Any = shape_of(values)[0]
    values, held = _closed(values, None)
    known = sorted_along(values, axis=0, stable=False)
    marks = begins(known, equal_nan=equal_nan)
    if keep is not None:
        marks = logic.logical_and(marks, keep(known))
    if held is not None:
        marks = logic.logical_and(marks, held)
    places = places_held(name, marks, size, -1)
    n = shape_of(values)[0]
    if size is None:
        length = None if held is None else length_of(given)
        return take(known, places), run_lengths(places, length, n=n)
    if not shape_of(places)[0]:
        return known[:0], places
    found = take(known, maximum(places, 0))
    rest = getitem(found, 0) if fill is None else fill
    found = astype(select_where(logic.less(places, 0), rest, found), dtype=dtype_of(values))
    return found, run_lengths(places, None, n=n)


@chosen_by_data(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: Any = None, *, equal_nan: bool = True, sorted: bool = True,
    size: Any = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """np.unique; in the room that is left come ``fill_value`` or the least value, and counts 0."""
    if axis is not None:
        from .distinct_rows import unique_along

        values, first, inverse, counts = unique_along(ar, axis, size, fill_value)
        asked = (return_index, return_inverse, return_counts)
        more = [part for part, is_asked in zip((first, inverse, counts), asked) if is_asked]
        return (values, *more) if more else values
    if not return_index and not return_inverse and size_of(shape_of(ar)):
        values, counts = _distinct_sorted(
            "unique", ravel(ar), None, size, bool(equal_nan), fill_value
        )
        return (values, counts) if return_counts else values
    values, first, inverse, counts = _distinct(
        "unique", ravel(ar), None, size, bool(equal_nan), fill_value
    )
    found = [values]
    found += [first] if return_index else []
    found += [reshape(inverse, shape_of(ar))] if return_inverse else []
    found += [counts] if return_counts else []
    return tuple(found) if len(found) > 1 else values


def _of_array_api(name: str, *, index: bool, inverse: bool, counts: bool) -> None:
    """np.unique_all and its kin: named tuples of what np.unique finds, every NaN for itself."""
    function = getattr(np, name, None)
    if function is None:  # NumPy 1
        return

    @chosen_by_data(function)
    def named(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
        if not index and not inverse and size_of(shape_of(x)):
            values, many = _distinct_sorted(name, ravel(x), None, size, False, fill_value)
            return type(function(np.zeros(1)))(values, many) if counts else values
        values, first, places, many = _distinct(name, ravel(x), None, size, False, fill_value)
        found = [values]
        found += [first] if index else []
        found += [reshape(places, shape_of(x))] if inverse else []
        found += [many] if counts else []
        # The type of NumPy's result; to ask for it takes time, since NumPy imports masked arrays.
        return type(function(np.zeros(1)))(*found) if len(found) > 1 else values

    named.__name__ = named.__qualname__ = name


_of_array_api("unique_values", index=False, inverse=False, counts=False)
_of_array_api("unique_counts", index=False, inverse=False, counts=True)
_of_array_api("unique_inverse", index=False, inverse=True, counts=False)
_of_array_api("unique_all", index=True, inverse=True, counts=True)


def _common(ar1: Any, ar2: Any, said: Any = None) -> tuple[Any, Any]:
    """Both arrays 1-d and of one dtype; ``said`` gives what speaks for a number, else an array."""
    said = said or (lambda value: dtype_of(value).numpy.type(0))
    dtype = common_dtype(*(said(t) for t in (ar1, ar2)))
    return astype(ravel(ar1), dtype=dtype), astype(ravel(ar2), dtype=dtype)


def _said(value: Any) -> Any:
    """What speaks for ``value`` about the dtype: numbers, which have little to say, themselves."""
    kind = dtype_of(value).numpy.type
    is_weak = getattr(value, "_is_weak", False) or type(value) in (bool, int, float)
    return kind(0).item() if is_weak else kind(0)


def _all_distinct(
    name: str, values: Any, keep: Callable[[Any], Any] | None, size: Any, fill: Any
) -> Any:
    """The distinct elements that ``keep`` marks."""
    if size_of(shape_of(values)):
        return _distinct_sorted(name, values, keep, size, True, fill)[0]
    kept = None if keep is None else keep(values)
    return _distinct(name, values, kept, size, True, fill)[0]


@chosen_by_data(np.union1d)
def union1d(ar1: Any, ar2: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    """np.union1d."""
    both = concatenate(list(_common(ar1, ar2, _said)))
    return _all_distinct("union1d", both, None, size, fill_value)


@chosen_by_data(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False, *,
    size: Any = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """np.intersect1d; in the room that is left come indices 0."""
    left, right = _common(ar1, ar2)
    if return_indices:
        found = _distinct("intersect1d", left, isin(left, right), size, False, fill_value)
        values, first, _, counts = found
        return values, first, _first_in(right, values, counts)
    return _all_distinct("intersect1d", left, lambda x: isin(x, right), size, fill_value)


def _first_in(array: Any, values: Any, counts: Any) -> Any:
    """Where each of ``values``, which ``array`` has, stands there first; 0 for those without
    ``counts``."""
    if not size_of(shape_of(array)):
        return counts
    array, _ = _closed(array, None)
    order = order_along(array, axis=0)
    places = searchsorted(array, values, sorter=order)
    inside = logic.greater(counts, 0)
    return select_where(inside, take(order, select_where(inside, places, 0)), 0)


@chosen_by_data(np.setdiff1d)
def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None
) -> Any:
    """np.setdiff1d."""
    keep = lambda x: isin(x, ar2, invert=True)
    if assume_unique and size is None:  # nothing is sorted
        return compress(keep(ravel(ar1)), ravel(ar1), 0)
    return _all_distinct("setdiff1d", ravel(ar1), keep, size, fill_value)


@chosen_by_data(np.setxor1d)
def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None
) -> Any:
    """np.setxor1d."""
    left, right = _common(ar1, ar2)
    kept = []
    for side, other in ((left, right), (right, left)):
        keep = isin(side, other, invert=True)
        if dtype_of(side).is_float:  # each side has but one NaN, and that is no member of the other
            missing = logic.isnan(side)
            first = logic.equal(cumsum(missing), 1)
            keep = logic.logical_and(keep, logic.logical_or(logic.logical_not(missing), first))
        kept.append(keep)
    values = concatenate([left, right])
    return _distinct("setxor1d", values, concatenate(kept), size, False, fill_value)[0]
