"""Arrays put together and taken apart by rules known while tracing: block, insert, choose, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..dtypes import boolean
from ..errors import ArgumentError, BoundsError, DTypeError, ShapeError, UnsupportedError
from .arithmetic import add
from .broadcast import (
    as_axis,
    as_sizes,
    as_tensor,
    broadcast_shape,
    is_only_axis,
    shape_of,
    size_of,
)
from .calculus import as_array
from .choosing import compress, is_known
from .elementwise import astype, select_where
from .index import as_places, slice_axis, take
from .insisting import inside
from .join import concatenate, stack
from .logic import less, logical_not, logical_or
from .op import CURRENT, implements
from .promotion import common_dtype, dtype_of
from .sets import isin
from .shape import broadcast_to, moveaxis, ravel, reshape

MOST_SLICES = 4096  # that apply_along_axis writes out
MOST_RUNS = 8  # of neighbours that delete and insert join


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """np.apply_along_axis: the function is traced for every slice, of which there may be 4096."""
    axis = as_axis("np.apply_along_axis", axis, len(shape_of(arr)))
    rows = moveaxis(arr, axis, -1)
    outer = shape_of(rows)[:-1]
    if not 0 < size_of(outer) <= MOST_SLICES:
        raise UnsupportedError(
            f"np.apply_along_axis calls its function for each of {size_of(outer)} slices, and "
            f"traces 1 to {MOST_SLICES}; write the function over whole arrays with axis="
        )
    found = [as_array(func1d(rows[at], *args, **kwargs)) for at in np.ndindex(*outer)]
    inner = shape_of(found[0])
    whole = reshape(stack(found), (*outer, *inner))
    places = tuple(range(axis, axis + len(inner)))
    return moveaxis(whole, tuple(range(len(outer), len(outer) + len(inner))), places)


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """np.apply_over_axes."""
    for axis in axes if isinstance(axes, (tuple, list, np.ndarray)) else (axes,):
        if not is_only_axis(shape_of(a), axis):
            axis = as_axis("np.apply_over_axes", axis, len(shape_of(a)))
        found = func(a, axis)
        a = found if len(shape_of(found)) == len(shape_of(a)) else np.expand_dims(found, axis)
    return a


@implements(np.block)
def block(arrays: Any) -> Any:
    """np.block: nested lists, the innermost along the last axis."""
    depth = _depth(arrays)
    ndim = max(depth, _most_dimensions(arrays))

    def joined(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            part = as_array(part)
            return reshape(part, (1,) * (ndim - len(shape_of(part))) + shape_of(part))
        return concatenate([joined(p, level + 1) for p in part], axis=ndim - depth + level)

    return joined(arrays, 0)


def _depth(part: Any) -> int:
    if not isinstance(part, list):
        return 0
    depths = {_depth(p) for p in part}
    if len(depths) != 1:
        raise ShapeError("np.block: lists must be nested equally deep, and hold something")
    return 1 + depths.pop()


def _most_dimensions(part: Any) -> int:
    if isinstance(part, list):
        return max(map(_most_dimensions, part))
    return len(shape_of(part))


def _static(name: str, value: Any, what: str) -> Any:
    if hasattr(type(value), "__mlc_lift__"):
        raise UnsupportedError(
            f"np.{name}: {what} decides the shape of the result, so it must be known while tracing"
        )
    return value


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """np.delete; where places are traced, the data decide what is left."""
    if not is_known(obj):
        return _without(arr, obj, axis)
    obj = _static("delete", obj, "obj")
    arr, axis = (ravel(arr), 0) if axis is None else (arr, as_axis("delete", axis, arr.ndim))
    kept = np.delete(np.arange(shape_of(arr)[axis]), obj)
    return _in_runs(arr, None, kept, axis)


def _in_runs(arr: Any, values: Any, places: Any, axis: int) -> Any:
    """The elements of ``arr`` at ``places``, those beyond its end being of ``values``; a few runs
    of neighbours are joined as they lie."""
    n = shape_of(arr)[axis]
    ends = np.flatnonzero((np.diff(places) != 1) | (places[1:] == n)) + 1
    if len(ends) >= MOST_RUNS or not len(places):
        both = arr if values is None else concatenate([arr, values], axis=axis)
        return take(both, places, axis)
    runs = [(int(run[0]), int(run[-1]) + 1) for run in np.split(places, ends)]
    within = [(arr, a, b) if a < n else (values, a - n, b - n) for a, b in runs]
    parts = [slice_axis(source, slice(a, b), axis) for source, a, b in within]
    return concatenate(parts, axis=axis)


def _without(arr: Any, obj: Any, axis: Any) -> Any:
    arr, axis = (ravel(arr), 0) if axis is None else (arr, as_axis("delete", axis, arr.ndim))
    n = shape_of(arr)[axis]
    if dtype_of(obj) is boolean:
        if shape_of(obj) != (n,):
            raise ShapeError(
                f"np.delete: a mask of shape {shape_of(obj)} does not fit an axis of size {n}"
            )
        return compress(logical_not(obj), arr, axis)
    if dtype_of(obj).kind not in "iu":
        raise BoundsError(f"np.delete: places must be integers or a mask, got {dtype_of(obj)}")
    outside, obj = f"index {{index}} is out of bounds for axis {axis} with size {n}", as_places(obj)
    obj = inside(obj, -n, n, "BoundsError", outside)
    if not shape_of(obj):  # one place: what is left is one less, wherever it is
        place = select_where(less(obj, 0), add(obj, n), obj)
        kept = np.arange(n - 1)
        return take(arr, select_where(less(kept, place), kept, kept + 1), axis)
    wanted = ravel(obj)
    wanted = select_where(less(wanted, 0), add(wanted, n), wanted)
    return compress(isin(np.arange(n), wanted, invert=True), arr, axis)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """np.insert, at places known while tracing."""
    obj = _static("insert", obj, "obj")
    arr, axis = (ravel(arr), 0) if axis is None else (arr, as_axis("insert", axis, arr.ndim))
    if type(values) is int:
        values = np.asarray(values, dtype_of(arr).numpy)  # which says whether it fits
    shape, values = shape_of(arr), astype(as_array(values), dtype=dtype_of(arr))
    n = shape[axis]
    if not isinstance(obj, slice) and np.asarray(obj).dtype == bool and np.ndim(obj) == 1:
        obj = np.flatnonzero(obj)  # of any length
    given, whole = shape_of(values), np.arange(n)
    count = whole[obj].size if isinstance(obj, slice) else np.size(obj)
    if count == 1:  # one place takes as many as the values have along the axis
        values = reshape(values, (1,) * (len(shape) - len(given)) + given)
        if np.ndim(obj) == 0 and not isinstance(obj, slice):
            values = moveaxis(values, 0, axis)
        count = shape_of(values)[axis]
    extra, given = max(len(given) - len(shape), 0), shape_of(values)
    if extra and given[:extra] == (1,) * extra:  # leading axes, as an assignment takes them
        values = reshape(values, given[extra:])
    part = (*shape[:axis], count, *shape[axis + 1 :])
    # NumPy itself says where what goes, for numbers that stand for the elements
    order = np.insert(whole, obj, np.arange(n, n + count))
    return _in_runs(arr, broadcast_to(values, part), order, axis)


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """np.resize: repeated as often as it takes."""
    shape = as_sizes("resize", new_shape)
    if any(size < 0 for size in shape):
        raise ShapeError(f"np.resize: sizes must not be negative, got {shape}")
    flat, wanted = ravel(as_array(a)), size_of(shape)
    have = shape_of(flat)[0]
    if not have:
        return np.zeros(shape, dtype_of(flat).numpy)
    return reshape(np.tile(flat, -(-wanted // have))[:wanted], shape)


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """np.piecewise; each function gets the elements for which its condition holds."""
    if isinstance(condlist, (list, tuple)) and len(condlist) and shape_of(condlist[0]) == ():
        condlist = condlist if shape_of(x) == () else [as_array(condlist)]
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise ArgumentError(
            f"np.piecewise: {len(conditions)} conditions need as many functions, or one more; got "
            f"{len(funclist)}"
        )
    if len(funclist) > len(conditions):
        known: Any = reduce(logical_or, conditions)
        conditions.append(logical_not(known))
    trace: Any = CURRENT.get()
    x = trace.wrap(as_tensor(trace.lift(x)))
    if not x.shape:  # one element, which each function gets as it is
        value = lambda f: f(x, *args, **kw) if callable(f) else f
        y: Any = 0
        for condition, function in zip(conditions, funclist, strict=True):
            y = select_where(condition, value(function), y)
        return astype(y, dtype=dtype_of(x))
    y = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        here = trace.wrap(as_tensor(trace.lift(astype(condition, dtype=boolean))))
        y[here] = function(x[here], *args, **kw) if callable(function) else function
    return y


@implements(np.choose)
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """np.choose."""
    parts = list(choices)
    if not parts:
        raise ArgumentError("np.choose: needs at least one choice")
    a = as_array(a)
    if dtype_of(a).kind not in "biu":
        raise ArgumentError(f"np.choose: needs integers, got {dtype_of(a)}")
    if dtype_of(a).name == "uint64":
        raise DTypeError("np.choose: uint64 is not safely an int64; use .astype(int)")
    n, a = len(parts), as_places(a)
    if mode == "wrap":
        a = np.mod(a, n)
    elif mode not in ("raise", "clip"):
        raise ArgumentError(f"np.choose: mode must be raise, wrap or clip, got {mode!r}")
    elif mode == "raise" and dtype_of(a) is not boolean:
        outside = "invalid entry in choice array: {index} is none of the choices"
        a = inside(a, 0, n, "DomainError", f"np.choose: {outside}, of which there are {n}")
    shape = broadcast_shape("np.choose", shape_of(a), *map(shape_of, parts))
    dtype = common_dtype(*parts).numpy
    found = astype(broadcast_to(parts[-1], shape), dtype=dtype)
    for number in reversed(range(n - 1)):
        found = select_where(a <= number, astype(parts[number], dtype=dtype), found)
    return found


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """np.ix_."""
    made = []
    for place, part in enumerate(args):
        is_list = isinstance(part, list | tuple)
        part = np.zeros(0, np.int64) if is_list and not len(part) else as_array(part)
        if len(shape_of(part)) != 1:
            raise ShapeError(f"np.ix_: needs vectors, got shape {shape_of(part)}")
        if dtype_of(part).kind == "b":
            part = np.flatnonzero(part)
        made.append(reshape(part, tuple(-1 if d == place else 1 for d in range(len(args)))))
    return tuple(made)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """np.ravel_multi_index."""
    sizes = as_sizes("ravel_multi_index", dims)
    parts = list(multi_index)
    if len(parts) != len(sizes):
        raise ShapeError(f"np.ravel_multi_index: {len(parts)} indices for {len(sizes)} dimensions")
    modes = mode if isinstance(mode, tuple) else (mode,) * len(sizes)
    pairs = list(zip(parts, sizes, modes, strict=True))
    place: Any = 0
    for index, size, how in pairs if order == "C" else reversed(pairs):
        index = _whole("ravel_multi_index", index)
        if how == "wrap":
            index = np.mod(index, size)
        elif how == "clip":
            index = np.clip(index, 0, size - 1)
        else:
            outside = f"invalid entry in coordinates array: {{index}} is not in range({size})"
            index = inside(index, 0, size, "DomainError", outside)
        place = place * size + index
    return place


def _whole(name: str, indices: Any) -> Any:
    """``indices`` as an array of int64, if they are integers."""
    found = as_array(indices)
    if dtype_of(found).kind not in "iub" and size_of(np.shape(indices)):
        raise ArgumentError(f"np.{name}: indices must be integers, got {dtype_of(found)}")
    return astype(found, dtype="int64")


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """np.unravel_index."""
    sizes = as_sizes("unravel_index", shape)
    whole = size_of(sizes)
    outside = f"index {{index}} is out of bounds for array with size {whole}"
    rest, found = inside(_whole("unravel_index", indices), 0, whole, "DomainError", outside), []
    for size in reversed(sizes) if order == "C" else sizes:
        found.append(rest % size)
        rest = rest // size
    return tuple(reversed(found)) if order == "C" else tuple(found)


def _from(function: Any) -> Callable[..., Any]:
    """np.tril_indices_from and its kin: only the shape matters."""

    def from_shape(arr: Any, *args: Any, **options: Any) -> Any:
        return function(np.broadcast_to(np.zeros(()), shape_of(arr)), *args, **options)

    return from_shape


for _function in (np.tril_indices_from, np.triu_indices_from, np.diag_indices_from):
    implements(_function)(_from(_function))


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """np.cross, of vectors of two or three elements."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(as_array(a), axisa, -1), moveaxis(as_array(b), axisb, -1)
    sizes = shape_of(a)[-1], shape_of(b)[-1]
    if not set(sizes) <= {2, 3}:
        raise ShapeError(f"np.cross: vectors must have 2 or 3 elements, got {sizes[0]}, {sizes[1]}")
    x, y = ([t[..., n] for n in range(shape_of(t)[-1])] for t in (a, b))
    last = x[0] * y[1] - x[1] * y[0]
    if sizes == (2, 2):
        return last
    if sizes == (3, 3):
        parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], last]
    elif sizes == (2, 3):
        parts = [x[1] * y[2], -(x[0] * y[2]), last]
    else:
        parts = [-(x[2] * y[1]), x[2] * y[0], last]
    return moveaxis(stack(parts, axis=-1), -1, axisc)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """np.array_equiv: False at once for shapes that do not broadcast, else a traced bool."""
    try:
        broadcast_shape("np.array_equiv", shape_of(a1), shape_of(a2))
    except ShapeError:
        return False
    return np.all(np.equal(a1, a2))
