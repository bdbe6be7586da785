"""Loops over lists of traced values that are alike, whose iterations turn out to be long.

::

    for w, u, v in sorted(edges):         the first ones are Python's, as all are of short loops;
        ...                       ->      for i in range(2, len(edges)):
                                              w, u, v = weights[i], starts[i], ends[i]
                                              ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..tracer.grown import Following, Kind, is_arrays
from ..tracer.tracer import Tracer, mark_weak
from .forms import is_traced
from .item_kinds import column_of, kind_of
from .patience import FAILURES, LARGE
from .plan import NotNative, current

_FEWEST = 6  # items of a list that is looked at
_OUTSIDE = (
    "an item of a list of arrays is written to in a native loop over the list, which would not be "
    "seen by those who hold the array; loop over its places, for i in range(len(...))"
)


def items_alike(source: Any) -> list[Any] | None:
    """The items that a list, a tuple or what goes through a list has left, if they look as if a
    native loop could take them by place; else None. Nothing is taken."""
    items = _left(source)
    if len(items) < _FEWEST:
        return None
    first, last = _leaves(items[0]), _leaves(items[-1])
    is_plain = all(map(_is_plain, (*first, *last)))
    return items if is_plain and any(map(is_traced, first)) else None


def owner_of(source: Any) -> Any:
    """The list that ``source`` goes through, or itself."""
    return source.owner if type(source) is Following else source


def _left(source: Any) -> list[Any]:
    owner = owner_of(source)
    if not isinstance(owner, (list, tuple)) or is_arrays(owner):
        return []
    items = [*(list.__iter__(owner) if isinstance(owner, list) else owner)]
    if type(source) is not Following:
        return items
    return items[source.place :: source.step] if 0 <= source.place < len(items) else []


def finish(
    source: Any, items: Sequence[Any], done: int, body: Callable[[Any], None],
    natively: Callable[[int, Callable[[Any], None]], bool],
) -> bool:  # fmt: skip
    """Whether ``body`` was done of ``items`` of ``source``, of which Python has ``done`` so many:
    by ``natively``, which gets the number of the others and what to do at a place."""
    rest = items[done:]
    now = _left(source) if type(source) is Following else _left(source)[done:]
    if not _are_same(now, rest):
        return False
    try:
        at = _by_place(rest)
    except FAILURES:
        return False
    arrays = [_cell_of(leaf) for item in rest for leaf in _leaves(item) if _has_cell(leaf)]
    versions = [cell.version for cell in arrays]
    held = _left(source)

    def check() -> None:
        if versions != [cell.version for cell in arrays]:
            raise NotNative("a loop over a list writes to what is in the list")
        if not _are_same(_left(source), held):
            raise NotNative("a loop over a list changes the list")

    def step(place: Any) -> None:
        check()
        body(at(place))
        check()

    if not natively(len(rest), step):
        return False
    if type(source) is Following:
        source.owner = None  # it is at its end
    return True


def _are_same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others))


def _by_place(items: Sequence[Any]) -> Callable[[Any], Any]:
    """What gives the item at a place; NotNative where they are not alike."""
    rows = [_leaves(item) for item in items]
    if not all(_is_plain(leaf) for row in rows for leaf in row):
        raise NotNative("a list holds what is no number or array")
    kind: Kind = kind_of(items[0])
    if any(len(leaf.forms) > 1 for leaf in kind.leaves) or any(kind_of(v) != kind for v in items):
        raise NotNative("the items of a list are not alike")
    trace = current()
    columns = [column_of(parts, leaf) for parts, leaf in zip(zip(*rows), kind.leaves)]
    held: list[Any] = [Tracer(trace.lift(column), trace) for column in columns]
    for column in held:
        column._cell.frozen = _OUTSIDE
    weak = [leaf.forms[0][1] for leaf in kind.leaves]

    def leaf_at(n: int, place: Any) -> Any:
        found = held[n][place]
        return mark_weak(found) if weak[n] else found

    def at(place: Any) -> Any:
        return _like(items[0], iter([leaf_at(n, place) for n in range(len(held))]))

    return at


def _like(item: Any, leaves: Any) -> Any:
    return tuple(_like(part, leaves) for part in item) if type(item) is tuple else next(leaves)


def _leaves(item: Any) -> list[Any]:
    """What tuples in tuples hold."""
    return [leaf for part in item for leaf in _leaves(part)] if type(item) is tuple else [item]


def _is_plain(leaf: Any) -> bool:
    """Whether ``leaf`` is a traced number or array, or a number of Python's that is no large one:
    those may go beyond 64 bits."""
    if isinstance(leaf, Tracer):
        return bool(leaf.shape) == leaf._cell.is_array
    return type(leaf) in (bool, float) or type(leaf) is int and abs(leaf) <= LARGE


def _has_cell(leaf: Any) -> bool:
    return isinstance(leaf, Tracer) and bool(leaf.shape)


def _cell_of(leaf: Tracer) -> Any:
    while leaf._view is not None:
        leaf = leaf._view.owner
    return leaf._cell
