"""Lists in arrays put in order, as Python does it: equal items stay as they are.

::

    items.sort(key=f)             the numbers of the items, merged in runs of 1, 2, 4, ... of them;
                                  then the items themselves, once
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import int64
from ..te.unset import unset
from ..tracer.grown import Leaf
from ..tracer.tracer import Tracer
from .forms import native_for, native_while
from .list_loops import gathered, less, listed
from .list_rows import (
    _load,
    _store,
    columns_of,
    copy_element,
    hold,
    number,
    put,
    read_row,
    value_of,
)
from .list_steps import nothing_held, run
from .lists import Growing
from .plan import NotNative, current

_NUMBER = Leaf((), int64, ((int64, False),), False)


def sorted_list(source: Any, key: Callable[[Any], Any] | None, is_reverse: bool) -> Growing:
    """``sorted(source, key=key, reverse=is_reverse)`` of a list that is arrays, or of what goes
    through one."""
    made = listed(source)
    sort(made, key, is_reverse)
    return made


def sort(items: Growing, key: Callable[[Any], Any] | None, is_reverse: bool) -> None:
    """``items.sort(key=key, reverse=is_reverse)``."""
    if items.kind is None:
        return
    keys = items
    if key is not None:
        keys = Growing()
        hold(keys, None)
        gathered(items, lambda item: keys.append(key(item)))
    if keys.kind is None:
        return
    for leaf in keys.kind.leaves:
        if leaf.shape:
            raise NotNative("a list that data decide about is sorted by arrays; sort by numbers")
    first, count = value_of(keys.head), items.length()

    def is_before(a: Any, b: Any) -> Any:
        """Whether item ``b`` comes before ``a``, which stands before it."""
        p, q = read_row(keys, first + a), read_row(keys, first + b)
        return less(p, q) if is_reverse else less(q, p)

    order = _merged(count, items.room, is_before)
    _put_in_order(items, order, count)


def _merged(count: Any, room: int, is_before: Callable[[Any, Any], Any]) -> Tracer:
    """The numbers of ``count`` items, in order."""
    trace = current()
    here = Tracer(unset((room,), int64), trace)
    there = Tracer(unset((room,), int64), trace)
    native_for(0, count, 1, lambda n: _put(here, n, n), nothing_held())
    width = number(1)

    def merge(n: Any) -> None:
        size = value_of(width)
        low = n * (size * 2)
        middle = np.minimum(low + size, count)
        high = np.minimum(low + size * 2, count)
        left, right = number(low), number(middle)

        def step(place: Any) -> None:
            i, j = value_of(left), value_of(right)
            p = _at(here, np.minimum(i, room - 1))
            q = _at(here, np.minimum(j, room - 1))
            is_there = (i < middle) & (j < high)
            p, q = np.where(is_there, p, 0), np.where(is_there, q, 0)
            takes = np.where(is_there, is_before(p, q), i >= middle)
            chosen = np.where(takes, j, i)
            _put(there, place, _at(here, chosen))
            put(left, np.where(takes, i, i + 1))
            put(right, np.where(takes, j + 1, j))

        native_for(low, high, 1, step, nothing_held())

    def level() -> None:
        size = value_of(width)
        native_for(0, (count + size * 2 - 1) // (size * 2), 1, merge, nothing_held())
        native_for(0, count, 1, lambda n: _put(here, n, _at(there, n)), nothing_held())
        put(width, size * 2)

    native_while(lambda: value_of(width) < count, level, nothing_held())
    return here


def _put_in_order(items: Growing, order: Tracer, count: Any) -> None:
    """Let item n be what item ``order[n]`` was."""
    trace, head = current(), value_of(items.head)
    for column in columns_of(items):
        old = column._cell.current(trace)
        spare = Tracer(unset(old.shape, old.dtype), trace)

        def move(n: Any, column: Tracer = column, spare: Tracer = spare) -> None:
            copy_element(column, head + _at(order, n), spare, n)

        def back(n: Any, column: Tracer = column, spare: Tracer = spare) -> None:
            copy_element(spare, n, column, head + n)

        run(0, count, move)
        run(0, count, back)


def _at(numbers: Tracer, place: Any) -> Any:
    return _load(numbers, place, _NUMBER)


def _put(numbers: Tracer, place: Any, value: Any) -> None:
    _store(numbers, place, _tensor(value))


def _tensor(value: Any) -> Any:
    from .spec import Spec
    from .values import tensor_of

    return tensor_of(current(), value, Spec((), int64))
