"""Indexing: integers, slices, ellipsis and new axes are views; integer arrays read where data say.

A key becomes a tuple of items, one for each axis of the source or new axis of the result::

    None                       a new axis of size 1
    int                        one place, counted from 0
    (start, step, size)        a slice, its negative parts worked out
    ("array", n)               the places that index array number n holds
    ("sure", n)                the same, known while tracing to lie within the axis

Traced indices count from the end where negative, as in NumPy. One that lies outside raises
nothing in compiled code: it is moved to the nearest end of the axis, so nothing outside is ever
read. With ``mlc.config.debug`` it raises :class:`mlc.BoundsError`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..config import config
from ..errors import ArgumentError, BoundsError, DomainError, ShapeError, UnsupportedError
from ..ir.expr import Expr, cast, const, select
from ..te.extent import Extent, is_open
from ..te.tensor import Compute
from .aliasing import SLICED
from .broadcast import Shape, as_axis, as_tensor, broadcast_shape, element, is_only_axis, shape_of
from .elementwise import astype
from .op import implements, is_held, leaves_of, op
from .promotion import dtype_of
from .shape import moved, ravel, reshape

Items = tuple[Any, ...]


def getitem(x: Any, key: Any) -> Any:
    """``x[key]`` with NumPy's meaning; ``key`` may hold traced integers and integer arrays."""
    items, arrays = parse_key(shape_of(x), key)
    if has_moving(items):
        from .moving import moving_view

        return moving_view(x, arrays, items=items)
    if not arrays:
        return slice_view(x, items=items)
    if any(shape_of(array) for array in arrays):
        return take_at(x, arrays, items=items)
    return window(x, arrays, items=items)


def slice_axis(x: Any, part: slice, axis: int) -> Any:
    """``x`` cut by ``part`` along one axis."""
    return getitem(x, (slice(None),) * axis + (part,))


@op(view=SLICED)
def slice_view(x: Any, *, items: Items) -> Any:
    """The part of ``x`` that ``items`` (None, int or (start, step, size)) name."""
    x = as_tensor(x)
    shape = tuple(1 if item is None else item[2] for item in items if not isinstance(item, int))
    if shape == x.shape and all(item == (0, 1, s) for item, s in zip(items, shape)):
        return x

    def source(index: Sequence[Expr]) -> list[Expr]:
        given = iter(index)
        return [p for p in (_place(item, given) for item in items) if p is not None]

    return _read(x, items, shape, source, "slice")


def _read(x: te.Tensor, items: Items, shape: Shape, source: Any, name: str) -> te.Tensor:
    tests = place_tests(x, items)
    if not tests:
        return moved(x, shape, source, name)
    return te.compute(  # type: ignore[no-any-return]
        shape, lambda *index: read_where(x, source(index), tests), name=name
    )


def place_tests(x: te.Tensor, items: Items) -> list[Expr]:
    """What must hold that the places which ``items`` name along axes of open length lie in memory:
    there may be no element at all."""
    from .moving import is_longer

    if config.debug or not is_open(x.shape):  # debug mode reports what is read
        return []
    tests: list[Expr] = []
    for item, extent in zip((item for item in items if item is not None), x.shape, strict=True):
        least = item if isinstance(item, int) else 0 if item[0] == "array" else None
        if least is not None and isinstance(extent, Extent) and not is_longer(extent, least):
            tests.append(extent.length[()] > least)
    return tests


def read_where(x: te.Tensor, places: Sequence[Expr], tests: Sequence[Expr]) -> Expr:
    """The element of ``x`` at ``places`` if all ``tests`` hold, else 0."""
    value = x[tuple(places)]
    for test in tests:
        value = select(test, value, const(0, x.dtype))
    return value


def _place(item: Any, given: Any) -> Expr | None:
    """Where in the source axis an item looks; it uses up its index of the result."""
    if isinstance(item, int):
        return const(item)
    i = next(given)
    if item is None:
        return None
    start, step, _ = item
    scaled = i if step == 1 else i * step
    return scaled + start if start else scaled


@op
def take_at(x: Any, indices: Any, *, items: Items) -> Any:
    """``x`` at the places that ``indices``, a list of integer arrays broadcast together, hold.

    Axes of the index arrays stand where the arrays do, or first if other axes come between them.
    """
    x, tensors = as_tensor(x), [as_tensor(t) for t in indices]
    tensors = looked_at(x, tensors, items)
    spread, at, shape = result_layout(items, [t.shape for t in tensors])

    def source(index: Sequence[Expr]) -> list[Expr]:
        chosen = index[at : at + len(spread)]
        rest = iter([*index[:at], *index[at + len(spread) :]])
        places: list[Expr] = []
        for item in items:
            if isinstance(item, tuple) and isinstance(item[0], str):
                value = element(tensors[item[1]], chosen, spread)
                extent = x.shape[len(places)]
                sure = item[0] == "sure"
                places.append(cast(value, "int64") if sure else within(value, extent))
            else:
                place = _place(item, rest)
                if place is not None:
                    places.append(place)
        return places

    return _read(x, items, shape, source, "take")


@op(view=SLICED)
def window(x: Any, indices: Any, *, items: Items) -> Any:
    """``x`` with some axes fixed at the places that ``indices``, 0-d integers, hold: a view."""
    return take_at(x, indices, items=items)


def looked_at(x: te.Tensor, indices: list[te.Tensor], items: Items) -> list[te.Tensor]:
    """In debug mode, ``indices`` of what is computed, such as a view, which end the call where they
    lie outside: checks of memory are of the arrays that it is computed from."""
    if not config.debug or not isinstance(x.op, Compute):
        return indices
    from .insisting import seen_inside

    made = list(indices)
    taken = [item for item in items if item is not None]
    for axis, (item, extent) in enumerate(zip(taken, x.shape, strict=True)):
        if isinstance(item, tuple) and item[0] == "array" and not isinstance(extent, Extent):
            if indices[item[1]].dtype.kind in "iu":
                outside = f"index {{index}} is out of bounds for axis {axis} of {x.name}"
                made[item[1]] = seen_inside(
                    made[item[1]], low=-extent, high=extent, error="BoundsError",
                    sentence=f"{outside} with size {extent}",
                )  # fmt: skip
    return made


def within(index: Expr, extent: int) -> Expr:
    """A data-dependent index as a place in ``range(extent)``: negative ones count from the end, and
    others outside move to the nearest end (or are left for the checks of debug mode)."""
    place = cast(index, "int64")
    if isinstance(extent, Extent):
        extent = extent.length[()]
    if index.dtype.kind == "i":
        counted = place < 0
        if config.debug:  # what is outside keeps its number for the error
            counted = counted & (place >= -extent)
        place = select(counted, place + extent, place)
    if config.debug:
        return place
    return te.min(te.max(place, 0), extent - 1)


def result_layout(items: Items, shapes: Sequence[Shape]) -> tuple[Shape, int, Shape]:
    """(broadcast shape of index arrays of ``shapes``, the axis where it starts, shape of the
    result)."""
    try:
        spread = broadcast_shape("indexing", *shapes)
    except ShapeError as error:
        raise BoundsError(str(error)) from None
    is_array = [isinstance(i, int) or isinstance(i, tuple) and isinstance(i[0], str) for i in items]
    places = [n for n, advanced in enumerate(is_array) if advanced]
    adjacent = places[-1] - places[0] + 1 == len(places)
    basic = [1 if i is None else i[2] for i, advanced in zip(items, is_array) if not advanced]
    at = places[0] if adjacent else 0
    return spread, at, (*basic[:at], *spread, *basic[at:])


def parse_key(shape: Shape, key: Any) -> tuple[Items, list[Any]]:
    """A NumPy key for an array of ``shape`` as items, and the index arrays they refer to."""
    parts = [_known(part) for part in (key if isinstance(key, tuple) else (key,))]
    _check_masks(shape, parts)
    parts = [axis for part in parts for axis in _without_masks(part)]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    dots = [n for n, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise BoundsError("an index can have only one ellipsis (...)")
    if used > len(shape):
        raise BoundsError(f"too many indices: {used} for an array of shape {shape}")
    fill: list[Any] = [slice(None)] * (len(shape) - used)
    at = dots[0] if dots else len(parts)
    parts = parts[:at] + fill + parts[at + 1 :]
    items: list[Any] = []
    arrays: list[Any] = []
    axis = 0
    for part in parts:
        if part is None:
            items.append(None)
            continue
        extent = shape[axis]
        if isinstance(part, slice) and is_moving(part):
            from .moving import moving_item

            items.append(moving_item(part, extent, arrays))
        elif isinstance(part, slice) and type(extent) is Extent and part != slice(None):
            from .moving import open_item

            items.append(open_item(part, extent, arrays))
        elif isinstance(part, slice):
            items.append(_slice(part, extent))
        elif isinstance(part, int) and part < 0 and type(extent) is Extent:
            from .moving import from_end

            items.append(("array", len(arrays)))
            arrays.append(from_end(extent, part))
        elif isinstance(part, int):
            items.append(_number(part, axis, shape))
        else:
            if isinstance(part, np.ndarray) and type(extent) is not Extent:
                part = _checked(part, axis, shape)
                items.append(("sure", len(arrays)))
            else:
                if extent == 0 and 0 not in shape_of(part):
                    raise BoundsError(
                        f"axis {axis} of shape {shape} is empty; no index is within it"
                    )
                from .caught import check_index

                check_index(part, extent, axis)
                items.append(("array", len(arrays)))
            arrays.append(part)
        axis += 1
    return tuple(items), arrays


def _known(part: Any) -> Any:
    """A part of a key: None, Ellipsis, a slice, an int, a NumPy array or a traced value."""
    if hasattr(type(part), "__mlc_known__"):
        array = part.__mlc_known__()
        part = part if array is None else array
    if is_held(part):
        part = part.array()
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (bool, np.bool_)):
        return np.asarray(part)
    if isinstance(part, (int, np.integer)):
        return int(part)
    if isinstance(part, (list, np.ndarray)) or not hasattr(part, "dtype"):
        try:
            part = np.asarray(part)
        except (TypeError, ValueError):
            part = np.asarray(None)
        if part.size == 0 and part.dtype.kind == "f":
            part = part.astype(np.int64)
    kind = part.dtype.kind
    if kind == "b" and not isinstance(part, np.ndarray):
        raise UnsupportedError(
            f"a traced mask of shape {shape_of(part)} as an index gives as many elements as the "
            "data "
            f"decide, and shapes must be known while tracing; use np.where(mask, x, fill), or a "
            f"reduction with where=mask"
        )
    if kind not in "biu":
        raise BoundsError(
            f"an index must be an integer, a slice, ..., None or an array of integers, got "
            f"{part!r} of dtype {part.dtype}; use .astype(int)"
        )
    return part


def _check_masks(shape: Shape, parts: Sequence[Any]) -> None:
    """BoundsError for a mask known while tracing that has not the sizes of the axes it stands
    for."""
    taken = [part.ndim if _is_mask(part) else int(part is not None and part is not Ellipsis)
             for part in parts]  # fmt: skip
    axis = 0
    for place, (part, count) in enumerate(zip(parts, taken, strict=True)):
        if part is Ellipsis:
            axis = len(shape) - sum(taken[place:])
        if _is_mask(part):
            for d, (size, given) in enumerate(zip(shape[axis:], part.shape)):
                if size != given:
                    raise BoundsError(
                        f"boolean index did not match indexed array along axis {axis + d}; size of "
                        f"axis is {size} but size of corresponding boolean axis is {given}"
                    )
        axis += count


def _is_mask(part: Any) -> bool:
    """Whether a part of a key is a mask that is known while tracing."""
    return isinstance(part, np.ndarray) and part.dtype.kind == "b"


def _without_masks(part: Any) -> Sequence[Any]:
    """A mask known while tracing as the index arrays that it stands for."""
    if not _is_mask(part):
        return (part,)
    if part.ndim == 0:
        raise UnsupportedError("a single bool as an index is not supported; use np.where or None")
    return np.nonzero(part)


def is_moving(part: slice) -> bool:
    """Whether a bound of a slice is traced."""
    for bound in (part.start, part.stop, part.step):
        if bound is None or type(bound) is int:
            continue
        if (
            isinstance(bound, te.Tensor)
            or hasattr(type(bound), "__mlc_lift__")
            and getattr(type(bound), "__mlc_known__", lambda value: None)(bound) is None
        ):
            return True
    return False


def has_moving(items: Items) -> bool:
    """Whether a slice with traced bounds is among ``items``; index arrays then cannot be."""
    return any(isinstance(item, tuple) and item[0] == "from" for item in items)


def _slice(part: slice, extent: Any) -> tuple[int, int, Any]:
    if isinstance(extent, Extent):
        return 0, 1, extent

    def static(value: Any) -> Any:
        try:
            return None if value is None else operator.index(value)
        except TypeError:
            raise ArgumentError(
                f"a slice bound must be known while tracing, got {value!r}: shapes are static; "
                "for a window that moves use x[start + np.arange(size)]"
            ) from None

    step = static(part.step)
    if step == 0:
        raise DomainError("a slice step cannot be zero")
    start, stop, step = slice(static(part.start), static(part.stop), step).indices(extent)
    return start, step, len(range(start, stop, step))


def _number(value: int, axis: int, shape: Shape) -> int:
    extent: Any = shape[axis]
    if isinstance(extent, Extent) and 0 <= value < int(extent):
        return value
    if not -shape[axis] <= value < shape[axis]:
        raise BoundsError(f"index {value} is out of bounds for axis {axis} of shape {shape}")
    return value % shape[axis]


def _checked(part: np.ndarray[Any, Any], axis: int, shape: Shape) -> np.ndarray[Any, Any]:
    """Constant indices within the axis, negative ones wrapped."""
    extent = shape[axis]
    if part.size and not (part.min() >= -extent and part.max() < extent):
        worst = part.max() if part.max() >= extent else part.min()
        raise BoundsError(f"index {worst} is out of bounds for axis {axis} of shape {shape}")
    places = part.astype(np.int64)
    return np.where(places < 0, places + extent, places)


def _numbers(indices: Any) -> Any:
    """Bools, in lists too, as the numbers 0 and 1, which np.take reads them as."""
    if is_held(indices):
        return indices.array()
    if isinstance(indices, bool | list | tuple):
        if any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of([indices])):
            return indices
        found = np.asarray(indices)
        return found.astype(np.int64) if found.dtype == bool else indices
    is_bool = hasattr(indices, "dtype") and dtype_of(indices).kind == "b"
    if isinstance(indices, np.ndarray | np.generic):
        return indices.astype(np.int64) if is_bool else indices
    return astype(indices, dtype="int64") if is_bool else indices


def as_places(indices: Any) -> Any:
    """Integers that extents can be compared with and added to: narrow ones are widened."""
    is_narrow = hasattr(indices, "dtype") and dtype_of(indices).bits < 64
    if not is_narrow or dtype_of(indices).kind not in "iu":
        return indices
    is_plain = isinstance(indices, np.ndarray | np.generic)
    return indices.astype(np.int64) if is_plain else astype(indices, dtype="int64")


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: None = None, mode: str = "raise") -> Any:
    """np.take; ``mode="wrap"`` and ``"clip"`` as in NumPy, "raise" as indexing does."""
    if axis is None or is_only_axis(shape_of(a), axis):
        a, axis = ravel(a), 0
    axis = as_axis("take", axis, len(shape_of(a)))
    extent = shape_of(a)[axis]
    indices = _known(_numbers(indices))
    if mode in ("wrap", "clip"):
        from . import arithmetic

        indices = as_places(indices)
        if mode == "wrap":
            indices = arithmetic.remainder(indices, extent)
        else:
            indices = arithmetic.minimum(arithmetic.maximum(indices, 0), extent - 1)
    elif mode != "raise":
        raise ArgumentError(f"take: mode must be raise, wrap or clip, got {mode!r}")
    return getitem(a, (slice(None),) * axis + (indices,))


@op
def gather_along(x: Any, indices: Any, *, axis: int) -> Any:
    """``result[i, j, ...] = x[i, indices[i, j, ...], ...]`` with the index in place ``axis``."""
    x, indices = as_tensor(x), as_tensor(indices)
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_axis: shapes {x.shape} and {indices.shape} must have equally many "
            "dimensions"
        )
    others = tuple(1 if d == axis else s for d, s in enumerate(x.shape))
    whole = broadcast_shape("take_along_axis", others, indices.shape)
    items = tuple(("array", 0) if d == axis else (0, 1, n) for d, n in enumerate(x.shape))
    (indices,) = looked_at(x, [indices], items)

    def source(index: Sequence[Expr]) -> list[Expr]:
        place = within(element(indices, index, whole), x.shape[axis])
        return [
            place if d == axis else i if x.shape[d] == whole[d] else const(0)
            for d, i in enumerate(index)
        ]

    return _read(x, items, whole, source, "take_along_axis")


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """np.take_along_axis."""
    if dtype_of(indices).kind not in "iu":
        raise ArgumentError(f"take_along_axis: indices must be integers, got {dtype_of(indices)}")
    if axis is None:
        arr, axis = reshape(arr, (-1,)), 0
    axis = as_axis("take_along_axis", axis, len(shape_of(arr)))
    places = _known(indices)
    if isinstance(places, np.ndarray) and places.size:
        extent = shape_of(arr)[axis]
        outside = places[(places < -extent) | (places >= extent)]
        if outside.size:
            raise BoundsError(
                f"index {outside[0]} is out of bounds for axis {axis} with size {extent}"
            )
    axis = as_axis("take_along_axis", axis, len(shape_of(arr)))
    if shape_of(arr)[axis] == 0 and 0 not in shape_of(indices):
        raise BoundsError(f"take_along_axis: axis {axis} of shape {shape_of(arr)} is empty")
    return gather_along(arr, indices, axis=axis)
