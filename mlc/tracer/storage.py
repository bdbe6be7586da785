"""What a traced array holds at present, shared by all its views; how a view reads and writes."""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import MlcError
from ..ops.op import Op
from ..te.tensor import Placeholder, Tensor

if TYPE_CHECKING:
    from .trace import FunctionTrace
    from .tracer import Tracer

Array = np.ndarray[Any, Any]


class ReadOnlyError(MlcError, ValueError):
    """A write to an array that cannot be written to, as NumPy's ValueError."""


def blank(array: Array) -> Tensor:
    """A tensor that stands for the shape and dtype of ``array`` alone."""
    return Tensor("known", array.shape, as_dtype(array.dtype), Placeholder())


WATCH: ContextVar[dict[Cell, tuple[Any, Any, Any]] | None] = ContextVar("watch", default=None)
KNOWN: WeakSet[Cell] = WeakSet()  # cells whose elements were known at first
_SERIALS = count()


class Cell:
    """The value of an array, of its views, and of nothing else.

    ``place`` is the number of the argument that the array is, None if it was made on the way.
    ``array`` holds the elements while they are known; ``fill`` is what all of them are, if that is
    known too. ``is_array`` tells an array of shape () from a scalar, which never changes.
    """

    __slots__ = (
        "__weakref__", "array", "fill", "is_array", "place", "serial", "strides", "tensor",
        "version",
    )  # fmt: skip

    def __init__(
        self, tensor: Tensor, place: int | None = None, array: Array | None = None, fill: Any = None
    ) -> None:
        self.tensor: Tensor | None = tensor if array is None else None
        self.array, self.fill = array, fill
        self.version = 0
        self.serial = next(_SERIALS)
        if array is not None:
            KNOWN.add(self)
        self.place = place
        self.is_array = bool(tensor.shape) or array is not None
        # Those of a new array are C's; an argument's are known, in elements.
        self.strides = tensor.op.strides if isinstance(tensor.op, Placeholder) else None
        if array is not None and not array.flags.c_contiguous:
            self.strides = tuple(step // array.itemsize for step in array.strides)

    def write(self, tensor: Tensor) -> None:
        """From now on the array, and what views of it read, is ``tensor``."""
        self._note()
        self.tensor, self.array = tensor, None
        self.version += 1

    def touch(self) -> None:
        """Say that the known array was written to."""
        self._note()
        self.tensor = self.fill = None
        self.version += 1

    def _note(self) -> None:
        """Tell who watches that this cell changes."""
        watched = WATCH.get()
        if watched is not None and self not in watched:
            watched[self] = self.tensor, self.array, self.fill

    def current(self, trace: FunctionTrace) -> Tensor:
        """The elements at present."""
        if self.tensor is None:
            self.tensor = _constant(trace, self.array, self.fill)
        return self.tensor


def _constant(trace: FunctionTrace, array: Any, fill: Any) -> Tensor:
    from ..ops.create import filled

    dtype = as_dtype(array.dtype)
    if fill is None:
        # The array may be written to later, so the graph gets a copy.
        made: Any = te.constant(np.array(array, order="C"), f"const{len(trace.constants)}")
    else:
        made = filled.tensors(trace, (fill,), {"shape": array.shape, "dtype": dtype})
    assert isinstance(made, Tensor)
    return made


@dataclass(frozen=True, eq=False)
class Window:
    """A view: what operator ``op`` makes of ``owner`` at any time."""

    owner: Tracer
    op: Op
    others: tuple[Any, ...]
    static: dict[str, Any]

    def read(self, trace: FunctionTrace) -> Tensor:
        """The elements at present."""
        made = self.op.tensors(trace, (self.owner._tensor, *self.others), self.static)
        assert isinstance(made, Tensor)
        return made

    def write(self, value: Tensor) -> None:
        """Put ``value``, of the shape and dtype of the view, into the owner."""
        owner = self.owner
        owner._write(self.op.view.write(owner._tensor, value, self.others, self.static))

    def fits(self) -> bool:
        """Whether NumPy gives a view here: a reshaped array that is not contiguous is a copy."""
        owner = self.owner
        if self.op.name != "reshape_to" or owner._view is None and owner._cell.strides is None:
            return True
        try:
            self.op.view.array(layout(owner), self.others, self.static)
        except ValueError:
            return False
        return True

    def same_as(self, other: Window | None) -> bool:
        """Whether both name the same elements in the same order, for certain."""
        return (
            other is not None
            and self.owner is other.owner
            and self.op is other.op
            and self.others == other.others
            and self.static == other.static
        )


def layout(value: Tracer) -> Array:
    """An array with the shape and the strides that ``value`` has in NumPy, never to be read."""
    view = value._view
    if view is not None:
        return view.op.view.array(layout(view.owner), view.others, view.static)
    shape, dtype, steps = value.shape, value.dtype, value._cell.strides
    if steps is None:
        steps = tuple(math.prod(max(n, 1) for n in shape[d + 1 :]) for d in range(len(shape)))
    strides = [step * dtype.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, strides)
