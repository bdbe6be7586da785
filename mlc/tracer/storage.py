"""What a traced array holds at present, shared by all its views; how a view reads and writes."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import ReadOnlyError as ReadOnlyError
from ..errors import UnsupportedError
from ..ops.assemble import are_apart, inside, is_covered
from ..ops.index import Items
from ..ops.op import Op
from ..records import dataclass
from ..te.tensor import Placeholder, Tensor
from .memory_order import DOUBT, is_same_memory, layout

if TYPE_CHECKING:
    from .trace import FunctionTrace
    from .tracer import Tracer

Array = np.ndarray[Any, Any]
_MANY, _LARGE = 8, 32  # parts, and elements of each, from which one pass over all of them pays
_PARTS = 256  # that an array keeps before they are joined
READ_ONLY = "assignment destination is read-only; write to a .copy() of it"


def is_read_only(value: Any) -> bool:
    """Whether NumPy's array would be read-only, of what is traced; False of all else."""
    if not hasattr(type(value), "__mlc_lift__"):
        return False
    parts = [part for part in getattr(value, "_parts", (value,)) if hasattr(part, "_cell")]
    return any(
        part._cell.frozen == READ_ONLY
        or part._is_read_only()
        and not (part._view is not None and part._view.op.view.warns)
        for part in parts
    )


def frozen_as(made: Any, value: Any) -> Any:
    """``made``, a new traced array, read-only where ``value`` is."""
    if is_read_only(value):
        made._cell.frozen = READ_ONLY
    return made


def blank(array: Array) -> Tensor:
    """A tensor that stands for the shape and dtype of ``array`` alone."""
    return Tensor("known", array.shape, as_dtype(array.dtype), Placeholder())


WATCH: ContextVar[dict[Cell, tuple[Any, Any, Any]] | None] = ContextVar("watch", default=None)
KNOWN: WeakSet[Cell] = WeakSet()  # cells whose elements were known at first
# The number that cells and lists exceed which the native loop or branch around has made.
REGION: ContextVar[int] = ContextVar("region", default=-1)
_SERIALS = count()


def next_cell() -> int:
    """A number that all cells made from now on exceed."""
    return next(_SERIALS)


class Cell:
    """The value of an array, of its views, and of nothing else.

    ``place`` is the number of the argument that the array is, None if it was made on the way.
    ``array`` holds the elements while they are known; ``fill`` is what all of them are, if that is
    known too. ``is_array`` tells an array of shape () from a scalar, which never changes.
    ``frozen`` says why it must not be written to, if so: a sentence. ``is_joined``: it lies
    as complex numbers do in NumPy: between its elements, or those of its parts, are others.
    """

    __slots__ = (
        "__weakref__", "_base", "_parts", "_trace", "array", "fill", "frozen", "is_array",
        "is_joined", "is_ordered", "place", "serial", "strides", "version",
    )  # fmt: skip

    def __init__(
        self, tensor: Tensor, place: int | None = None, array: Array | None = None, fill: Any = None
    ) -> None:
        self._base = tensor if array is None else None
        self._parts: list[tuple[Items, Tensor]] = []  # written since then, the oldest first
        self._trace: Any = None
        self.array, self.fill = array, fill
        self.version = 0
        self.is_joined = False
        self.frozen = ""
        self.serial = next_cell()
        if array is not None:
            KNOWN.add(self)
        self.place = place
        self.is_array = bool(tensor.shape) or array is not None
        # Those of a new array are C's; an argument's are known, in elements. Where NumPy's answer
        # is not known, it is not `is_ordered`.
        self.is_ordered = True
        self.strides = tensor.op.strides if isinstance(tensor.op, Placeholder) else None
        if array is not None and not array.flags.c_contiguous:
            self.strides = tuple(step // array.itemsize for step in array.strides)

    @property
    def tensor(self) -> Tensor | None:
        """The elements at present; None for known ones that nobody has asked for as a tensor."""
        if self._parts and self._base is not None:
            self._base, self._parts = _joined(self._trace, self._base, self._parts), []
        return self._base

    @tensor.setter
    def tensor(self, tensor: Tensor | None) -> None:
        self._base, self._parts = tensor, []

    @property
    def has_parts(self) -> bool:
        """Whether parts were written that are not joined yet."""
        return bool(self._parts)

    def write_part(self, items: Items, tensor: Tensor, trace: FunctionTrace) -> None:
        """From now on the part that ``items`` name is ``tensor``."""
        if self.array is not None or len(self._parts) == _PARTS:
            self.write(self.current(trace))
        self._note()
        self._trace = trace
        self._parts = [part for part in self._parts if part[0] != items]
        self._parts.append((items, tensor))
        self.version += 1

    def read_part(self, items: Items) -> tuple[Tensor, Items] | None:
        """(a tensor, items of it) that hold the part ``items`` at present; None if it was written
        in several pieces."""
        for place, tensor in reversed(self._parts):
            within = inside(items, place)
            if within is not None:
                return tensor, within
            if not are_apart(items, place):
                return None
        return None if self._base is None else (self._base, items)

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
        if self.frozen:
            raise UnsupportedError(self.frozen)
        watched = WATCH.get()
        if watched is not None and self not in watched:
            watched[self] = self.tensor, self.array, self.fill

    def forget_elements(self, trace: FunctionTrace) -> None:
        """From now on the elements are not known while tracing; they stay what they are."""
        self.tensor = self.current(trace)
        self.array = self.fill = None

    def current(self, trace: FunctionTrace) -> Tensor:
        """The elements at present."""
        if self.tensor is None:
            self.tensor = _constant(trace, self.array, self.fill)
        found = self.tensor
        assert found is not None
        return found


def _joined(trace: FunctionTrace, base: Tensor, parts: list[tuple[Items, Tensor]]) -> Tensor:
    """``base`` with ``parts`` written: in one pass where they are many and large, else as an
    expression that chooses for each element, which fuses with what is around it."""
    from ..ops.assemble import assemble
    from ..ops.update import slice_update

    made: Any = base
    if len(parts) < _MANY or sum(tensor.size for _, tensor in parts) < _LARGE * len(parts):
        for items, tensor in parts:
            made = slice_update.tensors(trace, (made, [], tensor), {"items": items})
    else:
        places = tuple(items for items, _ in parts)
        old = None if is_covered(base.shape, places) else base
        made = assemble.tensors(
            trace, (old, [tensor for _, tensor in parts]), {"places": places, "shape": base.shape}
        )
    assert isinstance(made, Tensor)
    return made


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
    """A view: what operator ``op`` makes of ``owner`` at any time. One that is not ``sure`` may be
    a copy in NumPy: it can be read for as long as nobody writes to either. ``shape`` is what the
    owner's was: that may be set to another one."""

    owner: Tracer
    op: Op
    others: tuple[Any, ...]
    static: dict[str, Any]
    sure: bool = True
    shape: tuple[int, ...] | None = None

    def source(self) -> Tracer:
        """The owner, of the shape that it had."""
        owner, shape = self.owner, self.shape
        if shape is None or owner._seen[1].shape == shape:
            return owner
        seen: Any = np.reshape(owner, shape)  # type: ignore[call-overload]
        return seen  # type: ignore[no-any-return]

    def read(self, trace: FunctionTrace) -> Tensor:
        """The elements at present."""
        self._check_sure()
        if self.is_part():
            found = self.owner._cell.read_part(self.static["items"])
            if found is not None:
                source, items = found
                part: Tensor = self.op.tensors(trace, (source,), {"items": items})
                return part
        made = self.op.tensors(trace, (self.source()._tensor, *self.others), self.static)
        assert isinstance(made, Tensor)
        return made

    def write(self, value: Tensor) -> None:
        """Put ``value``, of the shape and dtype of the view, into the owner."""
        self._check_sure()
        owner = self.source()
        if self.is_part():
            owner._cell.write_part(self.static["items"], value, owner._trace)
            return
        owner._write(self.op.view.write(owner._tensor, value, self.others, self.static))

    def is_part(self) -> bool:
        """Whether this is a slice of a whole array, at numbers known while tracing."""
        return self.op.name == "slice_view" and self.owner._view is None and not self.others

    def is_moved(self) -> bool:
        """Whether data say which elements, or how many of them, the view has."""
        items = self.static.get("items", ())
        moves = any(type(item) is tuple and item[0] == "from" for item in items)
        return moves or any(self.others)

    def _check_sure(self) -> None:
        if not self.sure:
            raise UnsupportedError(DOUBT.format(f"what {self.op.name.removesuffix('_to')} gives"))

    def doubted(self) -> Window:
        """The same, if it is a view at all."""
        return replace(self, sure=False)

    def fits(self) -> bool | None:
        """Whether NumPy gives a view here: a reshaped array that is not contiguous is a copy,
        unless axes of it are only split. None if that is not known."""
        owner = self.source()
        cell = owner._cell
        if self.op.name != "reshape_to":
            return True
        if owner._view is None and cell.strides is None and cell.is_ordered and owner._step == 1:
            return True
        found, wanted = layout(owner), tuple(map(int, self.static["shape"]))
        if found is None:  # steps that no two axes can be joined with
            shape = tuple(map(int, owner.shape))
            return is_same_memory(shape, (1,) * len(shape), wanted) or None
        return is_same_memory(found.shape, found.strides, wanted)

    def same_as(self, other: Window | None) -> bool:
        """Whether both name the same elements in the same order, for certain."""
        return (
            other is not None
            and self.owner is other.owner
            and self.shape == other.shape
            and self.op is other.op
            and self.others == other.others
            and self.static == other.static
        )
