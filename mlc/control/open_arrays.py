"""Arrays whose length the data choose, as loops and branches carry them: all elements that there
may be, and how many there are.

::

    while len(x) > 1:               whole, count = x, len(x)
        x = x[x % 3 > 0] + 1   ->   while count > 1:
                                        x = whole[:count]
                                        ...
                                        whole[:n], count = new, n
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..te.extent import Extent
from ..tracer import tree
from ..tracer.complex.value import Complex
from ..tracer.masked import Masked
from ..tracer.masked import solid as solid_part
from ..tracer.memory_order import order_of, set_order
from ..tracer.open_lengths import number_of
from ..tracer.tracer import Tracer
from .chosen_state import as_given
from .perhaps import Perhaps


class Opened:
    """``count`` rows of ``whole``, which may have more. ``shown`` is what the user's code has in
    its place, rows of ``held`` in a body, which may be ``written`` to."""

    __slots__ = ("count", "held", "shown", "whole", "written")

    def __init__(self, whole: Any, count: Any, shown: Any = None) -> None:
        self.whole, self.count, self.shown = whole, count, shown
        self.held = self.written = whole

    def begin(self, count: Any, limit: int | None) -> Any:
        """What a body finds, which does not see what others have written: the first ``count`` rows,
        at most ``limit``."""
        if is_written(self.held):
            self.written = self.held
        fresh = []
        for part in _parts(self.whole):
            made = Tracer(part._tensor, part._trace)
            made._cell.is_array, made._cell.frozen = True, part._cell.frozen
            set_order(made, order_of(part))
            fresh.append(made)
        self.held = _combined(fresh)
        self.shown = _first_rows(self.held, count, limit)
        return self.shown

    def first(self, count: Any) -> Any:
        """The first ``count`` rows as an array."""
        return _first_rows(self.whole, count, None)


tree.register(
    Opened, lambda held: ((held.whole, held.count), None), lambda _, parts: Opened(*parts)
)


def _parts(value: Any) -> tuple[Any, ...]:
    return value._parts if isinstance(value, Complex) else (value,)


def _combined(parts: Sequence[Any]) -> Any:
    return Complex(*parts) if len(parts) > 1 else parts[0]


def solid(value: Any) -> Any:
    """``value``, as an array if it is a selection."""
    if isinstance(value, Complex) and any(isinstance(part, Masked) for part in value._parts):
        return Complex(*map(solid_part, value._parts))
    return solid_part(value)


def extent_of(value: Any) -> Extent | None:
    """The length of an array whose first axis alone is as long as the data say; None of others."""
    parts = _parts(value)
    if not all(type(part) is Tracer for part in parts):
        return None
    shape = parts[0]._seen[1].shape
    is_one = shape and all(type(size) is int for size in shape[1:])
    return shape[0] if is_one and isinstance(shape[0], Extent) else None


def as_opened(value: Any, before: Any = None) -> Any:
    """``value`` as :class:`Opened` if its length is open, or if what was there ``before`` is one;
    else itself. What it takes the place of is there no more: its memory is used again, if it is
    enough."""
    extent, base = extent_of(value), before if isinstance(before, Opened) else None
    if extent is None:
        return value if base is None else _padded(value, base)
    parts, rooms = _parts(value), () if base is None else _parts(base.whole)
    wholes = [_in_room(part, rooms[n] if n < len(rooms) else None) for n, part in enumerate(parts)]
    return Opened(_combined(wholes), number_of(extent, parts[0]._trace), value)


def _in_room(part: Tracer, room: Any) -> Any:
    """All elements that ``part`` may have, in the memory of ``room`` if it is as large; those that
    it is the first of, if it is so still."""
    from ..ops.closing import closed, places_of
    from ..ops.moving import moving_update

    count, *rest = part._seen[1].shape
    whole = part._trace.wholes.get(part._tensor)
    if whole is not None and (room is None or whole.shape == room.shape):
        return Tracer(whole, part._trace)
    if room is None or room.shape[0] < int(count) or list(room.shape[1:]) != rest:
        return closed(part, fill=0)
    return moving_update(room.astype(part.dtype), [], part, items=places_of([count, *rest]))


def _padded(value: Any, base: Opened) -> Any:
    """An array of known length in the room of ``base``."""
    shape, room = np.shape(value), base.whole.shape
    if not isinstance(value, (Tracer, Complex, np.ndarray)) or not shape or shape[0] > room[0]:
        return value
    whole = np.concatenate([value, np.zeros((room[0] - shape[0], *shape[1:]), value.dtype)])
    return Opened(whole, shape[0], value)


def from_known(value: Any) -> Any:
    """An array of known length, which a loop shortens."""
    if extent_of(value) is not None:
        return as_opened(value)
    shape = np.shape(value)
    known = isinstance(value, (Tracer, Complex, np.ndarray))
    return Opened(value, shape[0], value) if known and shape else value


def opening(values: Sequence[Any]) -> list[Any]:
    """The state before a loop or branch, with arrays of open length as what is carried of them."""
    return [value if extent_of(value) is None else as_opened(value) for value in values]


def opened_before(value: Any) -> Any:
    """What a variable that gets a length which the data choose holds before."""
    if isinstance(value, Masked):
        return _of_selection(value)
    return value if isinstance(value, Opened) else from_known(value)


def _of_selection(value: Masked) -> Any:
    """``x[mask]`` from outside of loops."""
    if value._made is not None or value._values.ndim != 1:
        found = from_known(value.solid())
        return Opened(found.whole, found.count, value) if isinstance(found, Opened) else value
    from ..ops.choosing import flatnonzero

    places = flatnonzero(value._mask, size=value._mask.shape[0])
    return Opened(np.take(value._values, places), np.count_nonzero(value._mask), value)


def _mapped(held: Any, show: Callable[[Opened], Any]) -> Any:
    if type(held) is Perhaps and isinstance(held._mlc_value, Opened):
        return Perhaps(show(held._mlc_value), held._mlc_bound, held._mlc_or_none)
    return show(held) if isinstance(held, Opened) else held


def as_before(values: Sequence[Any]) -> list[Any]:
    """The values that variables had: those that `opening` was given, and constants as such."""
    return [_mapped(as_given(held), lambda opened: opened.shown) for held in values]


def show(
    values: Sequence[Any], lengths: Mapping[int, Any], ours: Collection[int],
    limits: Mapping[int, int],
) -> list[Any]:  # fmt: skip
    """What a body finds: arrays of open length, those of the same of ``lengths`` of one length. All
    but ``ours`` are what they were before; ``limits`` say how long some are at most."""
    counts: dict[Any, Any] = {}

    def inside(n: int, opened: Opened) -> Any:
        if n not in ours:
            return opened.shown
        length = lengths.get(n)
        count = counts.setdefault(length, opened.count)
        return opened.begin(count if type(length) is tuple else length, limits.get(n))

    return [_mapped(held, partial(inside, n)) for n, held in enumerate(values)]


def _first_rows(whole: Any, count: Any, limit: int | None) -> Any:
    from ..ops.closing import places_of
    from ..ops.moving import length_from, moving_view

    parts = []
    if isinstance(count, Tracer):
        bound = whole.shape[0] if limit is None else limit
        count = length_from(count._tensor, bound) if bound else 0
    for part in _parts(whole):
        if type(count) is int and count == part.shape[0]:
            fresh: Any = part
        elif type(count) is Extent:
            places = places_of([count, *part._seen[1].shape[1:]])
            fresh = moving_view(part, [], items=places)
            part._trace.wholes[fresh._tensor] = part._tensor
        else:
            fresh = Tracer(part[:count]._seen[1], part._trace)  # an array of its own
        fresh._cell.is_array = True
        parts.append(fresh)
    return _combined(parts)


def leave(held: Any, counts: dict[Any, Any], length: Any, known: int | None) -> Any:
    """What a variable holds after the loop or branch; ``counts`` are those of each ``length``, and
    ``known`` is how long it is where that is known."""
    from ..ops.moving import is_inside_loop

    def outside(opened: Opened) -> Any:
        if known is not None:
            return opened.first(known)
        count = counts.setdefault(length, opened.count)
        if is_inside_loop():
            return opened.first(length if type(length) is Extent else count)
        return opened.whole[np.less(np.arange(opened.whole.shape[0]), count)]

    return _mapped(held, outside)


def is_written(value: Any) -> bool:
    """Whether somebody has written to what a body found."""
    return any(part._cell.version for part in _parts(value))


def length_of(opened: Any) -> Any:
    """What tells the length of an array from others: two that have an equal one are as long."""
    if not isinstance(opened, Opened):
        return None
    extent = extent_of(opened.shown)
    return np.shape(opened.shown)[0] if extent is None else extent


def written_of(start: Opened, entry: Opened) -> tuple[list[Any], list[Any]]:
    """The arrays that bodies found, written to if one did, and those that were in their place
    before."""
    held = start.held if is_written(start.held) else start.written
    return list(_parts(held)), list(_parts(entry.shown))
