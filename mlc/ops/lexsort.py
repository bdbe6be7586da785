"""Orders by several keys: `np.lexsort`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError, ShapeError
from ..ir.expr import Expr, apply, cast, const
from .broadcast import as_axis, as_tensor, shape_of
from .create import zeros
from .index import getitem, take_along_axis
from .op import implements, op
from .promotion import dtype_of
from .sort import order_along
from .sort_keys import key_dtype, sort_key

MOST_BITS = 64  # of keys that are sorted as one


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """np.lexsort: the order by the last key, equal ones by the key before it, and so on."""
    if not isinstance(keys, (list, tuple)) and not shape_of(keys):
        raise DTypeError(
            "np.lexsort: needs keys, in a tuple or as the rows of an array; got one of no axes"
        )
    parts = list(keys) if isinstance(keys, (list, tuple)) else rows_of(keys)
    if not parts:
        raise ArgumentError("np.lexsort: needs at least one key")
    shape = shape_of(parts[0])
    if any(shape_of(part) != shape for part in parts):
        shapes = ", ".join(str(shape_of(part)) for part in parts)
        raise ShapeError(f"np.lexsort: all keys need one shape, got {shapes}")
    if not shape:
        return zeros((), dtype="int64")
    axis = as_axis("np.lexsort", axis, len(shape))
    parts = _joined_keys(parts)
    order = order_along(parts[0], axis=axis)
    for part in parts[1:]:
        moved = take_along_axis(part, order, axis)
        order = take_along_axis(order, order_along(moved, axis=axis), axis)
    return order


def _joined_keys(parts: Sequence[Any]) -> list[Any]:
    """``parts`` with neighbours that fit into 64 bits as one key: it is sorted once."""
    groups: list[list[Any]] = []
    room = 0
    for part in parts:
        bits = key_dtype(dtype_of(part)).bits
        if bits > room:
            groups.append([])
            room = MOST_BITS
        groups[-1].append(part)
        room -= bits
    return [group[0] if len(group) == 1 else packed_keys(group) for group in groups]


@op
def packed_keys(parts: Any) -> Any:
    """Numbers that are ordered as the last of ``parts``, equal ones as the part before it, and so
    on."""
    parts = [as_tensor(part) for part in parts]
    bits = [key_dtype(part.dtype).bits for part in parts]
    kind = as_dtype(f"uint{max(8, 1 << (sum(bits) - 1).bit_length())}")

    def body(*index: Expr) -> Expr:
        total: Expr = const(0, kind)
        for n, part in enumerate(parts):
            key = cast(sort_key(part[index]), kind)
            total = total | apply("shl", key, const(sum(bits[:n]), kind))
        return total

    return te.compute(parts[0].shape, body, name="keys")


def rows_of(a: Any) -> list[Any]:
    """The parts of an array along its first axis."""
    return [getitem(a, n) for n in range(shape_of(a)[0])]
