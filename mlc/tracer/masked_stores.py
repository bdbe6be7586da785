"""``x[mask] = value`` with a traced mask: a choice between old and new elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BoundsError, ShapeError, UnsupportedError
from ..ops.broadcast import broadcast_shape
from ..ops.closing import closed
from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT
from ..te.extent import Extent
from .masked import Masked, places_of, same_mask, split_key, spread_over, wide
from .noting import note_error

if TYPE_CHECKING:
    from .tracer import Tracer


def store(target: Tracer, key: Any, value: Any) -> None:
    """``target[key] = value`` for a key with a traced mask."""
    from ..ops.elementwise import astype, select_where
    from .writing import lifted

    view, mask, at = split_key(target, key)
    trace: Any = CURRENT.get()
    if isinstance(value, Masked):
        if value._made is not None or not same_mask(value, Masked(view, mask, at)):
            if is_inside_loop() or places_of(mask, ask=False) is not None:
                value = value.solid()
    if isinstance(value, Masked):
        if not same_mask(value, Masked(view, mask, at)):
            raise UnsupportedError(
                "elements selected by one traced mask are stored through another: how many there "
                "are is not known while tracing; use the same mask, or np.where"
            )
        value = value._values
    else:
        if mask.ndim == view.ndim and np.ndim(value) > 1 and type(key) is not tuple:
            raise TypeError(
                f"NumPy boolean array indexing assignment requires a 0 or 1-dimensional input, "
                f"input has {np.ndim(value)} dimensions"
            )
        found = _spread(value, mask, view.ndim - at)
        value = spread_over(value, mask.ndim, view.ndim - at) if found is value else found
    old = view._tensor
    new = trace.lift(astype(lifted(value), dtype=old.dtype))
    try:
        fits = broadcast_shape("x[mask]", new.shape, old.shape) == old.shape
    except ShapeError:
        fits = False
    if not fits:
        raise BoundsError(f"a value of shape {new.shape} does not fit what the mask selects")
    holds = trace.lift(wide(mask, view.ndim - at))
    view._write(select_where(holds, new, old))


def _spread(value: Any, mask: Any, ndim: int) -> Any:
    """``value``, if it has an element for each place where the mask holds, with these there."""
    shape = np.shape(value)
    place = len(shape) - (ndim - mask.ndim) - 1
    if place >= 0 and isinstance(shape[place], Extent):
        return _spread_open(value, mask, place)
    if place < 0 or shape[place] == 1 or places_of(mask, ask=False) is None:
        return value
    count = places_of(mask).shape[0]
    if count != shape[place]:
        raise ValueError(
            f"NumPy boolean array indexing assignment cannot assign {shape[place]} input values to "
            f"the {count} output values where the mask is true"
        )
    if not count:
        return np.zeros((1,) * mask.ndim, bool)  # nothing is stored
    return _ranked(value, mask, place)


def _spread_open(value: Any, mask: Any, place: int) -> Any:
    """The same in a native loop, of as many elements as the data choose there."""
    length, (count,) = np.shape(value)[place], np.shape(np.flatnonzero(mask))
    if count != length:
        trace: Any = CURRENT.get()
        differs = np.not_equal(*(trace.wrap(size.length) for size in (count, length)))
        text = "NumPy boolean array indexing assignment cannot assign so many input values"
        note_error(differs, ValueError(text))
    return _ranked(closed(value, fill=0), mask, place)


def _ranked(value: Any, mask: Any, place: int) -> Any:
    """The elements of ``value`` along the axis ``place``, one for each place where the mask holds,
    at these places."""
    from .not_handed_over import take

    shape = np.shape(value)
    number = np.clip(np.cumsum(np.ravel(mask)) - 1, 0, shape[place] - 1)
    found = take(value, number, axis=place)
    return np.reshape(found, (*shape[:place], *mask.shape, *shape[place + 1 :]))
