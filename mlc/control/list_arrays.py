"""``np.array`` of a list that is held in arrays: as many rows as the data have chosen, or, in a
native loop, as many as only that knows when it runs.

::

    near = []
    for j in range(n):                     ->     x[rows[:tail]].mean()
        if d[i, j] < r: near.append(j)
    x[near].mean()
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ops.closing import places_of
from ..ops.moving import length_from, moving_view
from ..tracer import tree
from ..tracer.grown import Grown
from ..tracer.tracer import Tracer
from .list_rows import value_of
from .list_steps import raise_where, rows_of
from .perhaps import Perhaps
from .plan import current

_OBJECTS = (
    "an array is made of a list that holds None at times, which gives an array of objects in NumPy "
    "and is none in compiled code; put a number in the place of None, -1 or nan"
)


def array_of(owner: Grown, size: int | None, length: Tracer) -> Any:
    """The items of ``owner``, ``size`` of them if that is known, else ``length``; None of items
    that no array holds."""
    kind = owner.kind
    if kind is None or size == 0:
        return np.zeros((0,))
    first, structure = value_of(owner.head), kind.structure
    columns: list[Any] = []
    for column in owner.columns:
        if size is None:
            columns.append(_open_rows(column, first, length))
        else:
            columns.append(Tracer(rows_of(column, first, size), current()))
    if structure.type is Perhaps:
        structure = structure.children()[1]
        is_some = columns.pop(0)
        raise_where(np.logical_not(np.all(is_some)), TypeError(_OBJECTS))
    return _stacked(structure, iter(columns)) if _is_regular(structure) else None


def _is_regular(structure: Any) -> bool:
    """Whether ``structure`` is that of a leaf, or of a tuple or list of parts that are alike."""
    if tree.is_single(structure):
        return True
    parts = structure.children() if structure.type in (tuple, list) else []
    return bool(parts) and all(p == parts[0] for p in parts) and _is_regular(parts[0])


def _stacked(structure: Any, columns: Iterator[Any]) -> Any:
    """What ``columns``, those of its leaves, are together, one row for each item."""
    if tree.is_single(structure):
        return next(columns)
    return np.stack([_stacked(part, columns) for part in structure.children()], axis=1)


def _open_rows(column: Tracer, first: Any, count: Tracer) -> Any:
    """The ``count`` rows from ``first`` on, a number that only the running loop knows."""
    room, *rest = column.shape
    items = (("from", (0,), 1, length_from(count._tensor, room)), *places_of(rest))
    part: Any = moving_view(column, [first], items=items)
    found = Tracer(part._seen[1], current())  # the list may change later on, and this does not
    found._cell.is_array = True
    return found
