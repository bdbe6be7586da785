"""``a[key] = value`` as a function: the array with some elements replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType, int64
from ..errors import ShapeError, UnsupportedError
from ..ir.expr import Expr, apply, cast, const, select
from .broadcast import Shape, as_tensor, broadcast_shape, element, shape_of
from .elementwise import astype, select_where
from .index import Items, parse_key, within
from .op import op
from .promotion import dtype_of
from .shape import reshape


def setitem(x: Any, key: Any, value: Any) -> Any:
    """What ``x`` is after ``x[key] = value``; the dtype stays that of ``x``.

    Keys are as in NumPy, with at most one array of integers (of several equal ones the last
    wins), or one mask with a single value.
    """
    dtype = dtype_of(x)
    if is_mask(key):
        return _set_masked(x, key, value)
    items, arrays = parse_key(shape_of(x), key)
    if any(shape_of(a) for a in arrays) and len(arrays) > 1:
        raise UnsupportedError(
            "assignment through several index arrays is not supported; flatten the leading axes "
            "and use one array of places, or assign slice by slice"
        )
    part = [1 if i is None else i[2] for i in items if i is None or _is_slice(i)]
    if arrays and shape_of(arrays[0]):
        at = next(
            n for n, item in enumerate(items) if isinstance(item, tuple) and not _is_slice(item)
        )
        part.insert(sum(not isinstance(item, int) for item in items[:at]), shape_of(arrays[0])[0])
    value = fitted(value, tuple(part), dtype)
    if arrays and shape_of(arrays[0]):
        return scatter(x, arrays[0], value, items=items)
    return slice_update(x, arrays, value, items=items)


def is_mask(key: Any) -> bool:
    """Whether ``key`` is one traced mask."""
    kind = getattr(getattr(key, "dtype", None), "kind", "")
    return kind == "b" and not isinstance(key, (np.ndarray, np.generic))


def _set_masked(x: Any, mask: Any, value: Any) -> Any:
    shape, given = shape_of(x), shape_of(mask)
    if shape[: len(given)] != given:
        raise ShapeError(f"a mask of shape {given} does not fit an array of shape {shape}")
    if any(s != 1 for s in shape_of(value)):
        raise UnsupportedError(
            "assignment of several values through a mask depends on how many places hold; use "
            "np.where(mask, values, x) with values of the shape of x"
        )
    wide = reshape(mask, given + (1,) * (len(shape) - len(given)))
    single = reshape(value, ()) if shape_of(value) else value
    return astype(select_where(wide, single, x), dtype=dtype_of(x))


@op
def slice_update(x: Any, indices: Any, value: Any, *, items: Items) -> Any:
    """``x`` with the part that ``items`` name replaced by ``value``, broadcast.

    ``indices`` are 0-d integers for the items ``("array", n)``.
    """
    x, tensors = as_tensor(x), [as_tensor(t) for t in indices]
    part = tuple(1 if i is None else i[2] for i in items if i is None or _is_slice(i))
    if not x.size or 0 in part:
        return x

    def body(*index: Expr) -> Expr:
        inside: list[Expr] = []
        places: list[Expr] = []
        axes = iter(zip(index, x.shape, strict=True))
        for item in items:
            if item is None:
                places.append(const(0))
                continue
            i, extent = next(axes)
            if isinstance(item, int):
                inside.append(apply("eq", i, const(item)))
            elif _is_slice(item):
                places.append(_offset(i, item, extent, inside))
            else:
                inside.append(apply("eq", i, within(tensors[item[1]][()], extent)))
        fresh = element(value, places, part, x.dtype)
        return _guarded(inside, fresh, x[index])

    return te.compute(x.shape, body, name="setitem")


def _is_slice(item: Any) -> bool:
    return isinstance(item, tuple) and not isinstance(item[0], str)


def fitted(value: Any, part: Shape, dtype: DType) -> Any:
    """``value`` in ``dtype``, without the leading axes of size 1 that ``part`` does not have."""
    given = shape_of(value)
    extra = max(len(given) - len(part), 0)
    if given[:extra] != (1,) * extra or broadcast_shape("assignment", given[extra:], part) != part:
        raise ShapeError(f"a value of shape {given} does not fit the assigned part of shape {part}")
    if extra:
        value = reshape(value, given[extra:])
    is_number = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
    return value if is_number else astype(value, dtype=dtype)


def _offset(i: Expr, item: tuple[int, int, int], extent: int, inside: list[Expr]) -> Expr:
    """Which element of a slice the place ``i`` is; the tests that it is one go into ``inside``."""
    start, step, size = item
    low = start if step > 0 else start + (size - 1) * step
    distance, pace = (i - low if low else i), abs(step)
    if low > 0:
        inside.append(i >= low)
    if low + (size - 1) * pace < extent - 1:
        inside.append(i <= low + (size - 1) * pace)
    if pace > 1:
        inside.append(apply("eq", distance % pace, const(0)))
        distance = distance // pace
    return distance if step > 0 else const(size - 1) - distance


def _guarded(tests: list[Expr], fresh: Expr, old: Expr) -> Expr:
    if not tests:
        return fresh
    condition = tests[0]
    for test in tests[1:]:
        condition = condition & test
    return select(condition, fresh, old)


@op
def scatter(x: Any, places: Any, value: Any, *, items: Items) -> Any:
    """``x`` with ``x[..., places, ...] = value``; of equal places the last one wins.

    Each element looks for its place, which costs ``len(places)`` comparisons once for the axis.
    """
    x, places = as_tensor(x), as_tensor(places)
    axis = next(n for n, item in enumerate(items) if not _is_slice(item))
    if any(item != (0, 1, s) for n, (item, s) in enumerate(zip(items, x.shape)) if n != axis):
        raise UnsupportedError(
            "assignment through an index array takes whole slices (:) on the other axes; assign "
            "to a slice of the array first"
        )
    if places.ndim != 1:
        raise UnsupportedError("assignment through an index array takes 1-d indices; use .ravel()")
    extent, count = x.shape[axis], places.shape[0]
    part = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    if not count or not x.size:
        return x
    k = te.reduce_axis(count, "k")

    def find(i: Expr) -> Expr:
        hit = apply("eq", within(places[k], extent), i)
        return te.max(select(hit, cast(k, int64), const(-1)), axis=k)

    last = te.compute((extent,), find, name="last")

    def body(*index: Expr) -> Expr:
        source = last[index[axis]]
        at = [source if d == axis else i for d, i in enumerate(index)]
        return select(source >= 0, element(value, at, part, x.dtype), x[index])

    return te.compute(x.shape, body, name="scatter")
