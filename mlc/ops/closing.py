"""Arrays of open length as whole ones, and parts of whole ones as arrays of open length."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

from ..ir.expr import Load
from ..ir.simplify import simplify
from ..te.extent import Extent, is_open
from ..te.tensor import Compute, Tensor
from ..te.unset import unset
from .broadcast import shape_of
from .index import Items
from .moving import moving_update, moving_view
from .op import CURRENT
from .promotion import dtype_of


def closed(x: Any, *, fill: Any) -> Any:
    """All elements that ``x`` may have: ``fill`` in place of those that it has not, or, if that is
    None, anything at all."""
    from .create import filled

    shape = shape_of(x)
    if not is_open(shape):
        return x
    most = tuple(map(int, shape))
    if fill is not None:
        whole = filled(fill, shape=most, dtype=dtype_of(x))
    else:
        held = first_of(x)
        if held is not None and held.shape == most:
            return held
        whole = unset(most, dtype_of(x))
        trace = CURRENT.get()
        if trace is not None and not isinstance(x, Tensor):
            whole = trace.wrap(whole)
    return moving_update(whole, [], x, items=places_of(shape))


def first_of(x: Any) -> Tensor | None:
    """What the tensor ``x`` is the first elements of, as they are."""
    op = x.op if isinstance(x, Tensor) else None
    if not isinstance(op, Compute) or op.reduction is not None:
        return None
    value = simplify(op.body[x.index])
    if not isinstance(value, Load) or not isinstance(value.source, Tensor):
        return None
    is_same = len(value.indices) == len(op.axes) and all(map(is_, value.indices, op.axes))
    return value.source if is_same else None


def places_of(shape: Sequence[Any]) -> Items:
    """The items that name all places of an array of ``shape``, sizes of which may be open."""
    return tuple(("from", 0, 1, n) if isinstance(n, Extent) else (0, 1, n) for n in shape)


def opened_like(x: Any, like: Any) -> Any:
    """As much of ``x``, 1-d, as ``like`` has, whose length may be open."""
    extent: Any = shape_of(like)[0]
    return moving_view(x, [], items=places_of([extent])) if isinstance(extent, Extent) else x
