"""``x.shape = (3, 2)``: the same array from now on, seen with other sizes.

::

    x = y * 2            x stands for a view of the array that it stood for before. Views that
    x.shape = 3, 2  ->   were taken of x see that one, reshaped back (`Window.source`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MlcError, UnsupportedError
from .storage import WATCH

if TYPE_CHECKING:
    from .tracer import Tracer


class NewShapeError(MlcError, AttributeError):
    """A shape that an array cannot take on without a copy, as NumPy's AttributeError."""


def set_shape(array: Tracer, shape: Any) -> None:
    """Let ``array`` have ``shape``; refused where NumPy would change the array of a caller."""
    instead = f"write x = x.reshape({shape!r}), a view of the same elements"
    if array._is_scalar():
        raise NewShapeError(f"the shape of {array!r}, a scalar, cannot be set; {instead}")
    if array._view is None and array._cell.place is not None:
        raise UnsupportedError(
            f"x.shape = {shape!r} of an argument would give the array of the caller another shape, "
            f"which compiled code cannot do; {instead}"
        )
    if WATCH.get() is not None:
        raise UnsupportedError(
            f"x.shape = {shape!r} in a native loop or branch would hold for some of the passes "
            f"alone; {instead}"
        )
    before = object.__new__(type(array))
    for name in ("_cell", "_seen", "_trace", "_view"):
        setattr(before, name, getattr(array, name))
    made: Any = np.reshape(before, shape)
    view = made._view
    if made._cell is not array._cell or view is None:
        raise NewShapeError(
            f"incompatible shape for in-place modification: {shape!r} of an array that is not "
            f"contiguous would be a copy; write x = x.reshape({shape!r})"
        )
    array._view, array._seen = view, made._seen
