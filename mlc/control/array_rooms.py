"""How much room arrays have that loops and branches make longer.

::

    for v in x:                                  out = room for len(x) rows, of which none count
        if v > 0.5:                       ->     for v in x:
            out = np.append(out, v)                  if v > 0.5: out[count] = v; count = count + 1

That is as much as all iterations add, where their number is known and each adds as much as the
others may; else it is what a list gets, and the call begins again with more where that is too
little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.bounds import interval
from ..ir.expr import Const, Expr, Load, Var, const
from ..ir.rewrite import substitute_loads
from ..ir.simplify import simplify
from ..ops.moving import KNOWN
from ..te.tensor import Tensor
from ..tracer.complex.value import Complex
from ..tracer.grown import LEVEL, ListsFullError, room_now
from ..tracer.open_lengths import number_of
from ..tracer.tracer import Tracer
from .open_arrays import Opened, _combined, _parts, extent_of
from .plan import NotNative, Room, State, current

_MOST_BYTES = 1 << 30
_MOST_STEPS = 4096  # iterations whose lengths are worked out one by one


def _rows(value: Any) -> tuple[int, tuple[int, ...]] | None:
    """How many rows an array has at most, and the shape of each."""
    extent = extent_of(value)
    if extent is not None:
        return int(extent), _parts(value)[0]._seen[1].shape[1:]
    shape = np.shape(value) if isinstance(value, (Tracer, Complex, np.ndarray)) else ()
    return (shape[0], shape[1:]) if shape and all(type(n) is int for n in shape) else None


def room_wanted(state: State, held: Room | None, before: Opened, end: Any) -> Room | None:
    """What room a variable needs that was as ``before`` and ends as ``end``; None if that which it
    has, if any ``held``, is enough. NotNative where there is no such room."""
    found, (has, *rest) = _rows(end), before.whole.shape
    if found is None or found[1] != tuple(rest):
        return None
    rows, is_most = found[0], False
    if held is None or state.is_branch:
        if rows <= has:
            return None
        growth = rows - has
        rows = has + growth * (state.trips or 1)
        is_most = not state.is_branch and state.trips is None
    else:
        if rows <= held.limit or _is_sure(held, before, end):
            return None
        growth, rows, is_most = max(rows - held.limit, held.growth), max(rows, has), True
    if is_most:
        rows, growth = max(room_now(), 2 * rows), min(growth, room_now() // 2)
    if rows * math.prod(rest) * before.whole.dtype.itemsize > _MOST_BYTES:
        raise NotNative(
            f"{state.what} makes an array longer, and nobody knows of a bound that leaves room "
            f"for it: make it as long as it gets, and write to its parts"
        )
    return Room(rows, growth, is_most)


def _is_sure(held: Room, before: Opened, end: Any) -> bool:
    """Whether an iteration that begins with ``before`` leaves no more than there is room for, or
    the call may begin again."""
    first, last = extent_of(before.shown), extent_of(end)
    if last is None or first is None or held.is_most:
        return last is not None
    return _away(first.key, last.key)[1] <= held.growth


def widened(held: Any, rows: int) -> Any:
    """``held`` with room for as many ``rows``, if it is an array of open length."""
    from ..ops.create import filled
    from ..ops.moving import moving_update

    if not isinstance(held, Opened) or held.whole.shape[0] >= rows:
        return held
    wholes = []
    for part in _parts(held.whole):
        whole = filled(0, shape=(rows, *part.shape[1:]), dtype=part.dtype)
        if part.size:
            items = tuple((0, 1, size) for size in part.shape)
            whole = moving_update(whole, [], part, items=items)
        wholes.append(whole)
    return Opened(_combined(wholes), held.count, held.shown)


def within(value: Any, room: Room | None) -> Any:
    """``value``, of open length, as far as there is room for the next iteration; the call begins
    again where it is longer."""
    extent = extent_of(value)
    if extent is None or room is None or not room.is_most or int(extent) <= room.limit:
        return value
    from .failing import note

    is_more = np.greater(number_of(extent, _parts(value)[0]._trace), room.limit)
    note((ListsFullError,), ListsFullError(LEVEL.get()), is_more)
    return _combined([part[: room.limit] for part in _parts(value)])


def length_after(first: Expr | None, last: Expr | None, count: Any, trips: int) -> int | None:
    """How long an array of ``count`` rows is after ``trips`` iterations, which each begin with the
    length ``first`` and end with ``last``; None where the data decide that."""
    if first is None or last is None or type(count) is not int:
        return None
    away = simplify(last - first, {})
    if isinstance(away, Const):
        return count + int(away.value) * trips
    if not isinstance(first, Load) or trips > _MOST_STEPS:
        return None
    for _ in range(trips):
        given = const(count, first.dtype)
        found = simplify(substitute_loads(last, lambda node: given if node is first else None), {})
        if not isinstance(found, Const):
            return None
        count = int(found.value)
    return count


def note_length(
    count: Any, before: Expr, first: Expr, ends: Sequence[Expr | None], times: int
) -> None:
    """Remember between what the length ``count`` lies that was ``before``: each of ``times``
    iterations finds ``first``, and leaves any of ``ends``."""
    aways = [_away(first, end) for end in ends if end is not None]
    if len(aways) < len(ends) or not isinstance(count, Tracer):
        return
    least, most = min(a for a, _ in aways), max(b for _, b in aways)
    if math.isfinite(least) and math.isfinite(most):
        added = min(int(least) * times, int(least)), max(int(most) * times, int(most))
        current().lengths[count._tensor] = before, *added


def _away(first: Expr, last: Expr) -> tuple[float, float]:
    """The least and the most that the length ``last`` is greater than ``first``."""
    known = KNOWN.get()
    ranges: dict[Var, int] = {} if known is None else dict(known[1])
    made: dict[Tensor, Expr] = {}

    def resolved(expr: Expr) -> Expr:
        return substitute_loads(expr, before)

    def before(node: Load) -> Expr | None:
        source = node.source
        found = current().lengths.get(source) if isinstance(source, Tensor) else None
        if found is None:
            return None
        if source not in made:
            start, least, most = found
            added = Var("added")
            ranges[added] = most - least + 1
            made[source] = resolved(start) + (added + least)
        return made[source]

    away = simplify(resolved(last) - resolved(first), ranges)
    return interval(away, ranges)
