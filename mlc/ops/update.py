"""``a[key] = value`` as a function: the array with some elements replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..config import config
from ..dtypes import DType
from ..errors import ShapeError
from ..ir.expr import Expr, apply, const, select
from .broadcast import Shape, as_tensor, broadcast_shape, element, shape_of
from .elementwise import astype
from .index import Items, has_moving, parse_key, result_layout, within
from .op import op
from .promotion import dtype_of
from .shape import reshape


def setitem(x: Any, key: Any, value: Any) -> Any:
    """What ``x`` is after ``x[key] = value``; the dtype stays that of ``x``.

    Keys are as in NumPy, without traced masks.
    """
    from .placing import put

    items, arrays = parse_key(shape_of(x), key)
    if has_moving(items):
        from .moving import moving_update, sizes_of

        return moving_update(x, arrays, fitted(value, sizes_of(items), dtype_of(x)), items=items)
    if not any(shape_of(a) for a in arrays):
        part = tuple(1 if i is None else i[2] for i in items if i is None or _is_slice(i))
        return written_part(x, arrays, fitted(value, part, dtype_of(x)), items)
    _, _, part = result_layout(items, [shape_of(a) for a in arrays])
    return put(x, arrays, fitted(value, part, dtype_of(x)), items)


def written_part(x: Any, indices: list[Any], value: Any, items: Items) -> Any:
    """`slice_update`, whose comparisons find no element for an index outside: debug mode looks at
    such indices. In a native loop they are places to store to, which are looked at there."""
    from .moving import is_inside_loop

    if not (indices and config.debug) or is_inside_loop():
        return slice_update(x, indices, value, items=items)
    from .placing import put_at

    return put_at(x, indices, value, items=items, ufunc=None)


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
                places.append(offset(i, item, extent, inside))
            else:
                inside.append(apply("eq", i, within(tensors[item[1]][()], extent)))
        fresh = element(value, places, part, x.dtype)
        return guarded(inside, fresh, x[index])

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


def offset(i: Expr, item: tuple[int, int, int], extent: int, inside: list[Expr]) -> Expr:
    """Which element of a slice the place ``i`` is; the tests that it is one go into ``inside``."""
    start, step, size = item
    if (start, step) == (0, 1) and size == extent:  # which may be open
        return i
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


def guarded(tests: list[Expr], fresh: Expr, old: Expr) -> Expr:
    """``fresh`` where all ``tests`` hold, else ``old``."""
    if not tests:
        return fresh
    condition = tests[0]
    for test in tests[1:]:
        condition = condition & test
    return select(condition, fresh, old)
