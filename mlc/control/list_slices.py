"""Slices of lists that are arrays: copied, and replaced by other items.

::

    a[i:j] = b      ->      rest = a[j:]; a ends at i; b and the rest are appended
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tracer.concrete import known
from .list_rows import hold, put, value_of
from .list_steps import copy_row, each, run, whole_number
from .plan import NotNative

if TYPE_CHECKING:
    from .lists import Growing


def _step(key: slice) -> int:
    step = 1 if key.step is None else known(key.step)
    if not isinstance(step, int):
        raise NotNative("a slice of a list has a step that data decide about")
    if step == 0:
        raise ValueError("slice step cannot be zero")
    return step


def _bounds(key: slice, step: int, count: Any) -> tuple[Any, Any]:
    """Where the slice of ``count`` items starts and stops."""
    low, high = (0, count) if step > 0 else (-1, count - 1)

    def bound(value: Any, otherwise: Any) -> Any:
        if value is None:
            return otherwise
        value = whole_number(value)
        return np.clip(np.where(value < 0, value + count, value), low, high)

    start = bound(key.start, low if step > 0 else high)
    return start, bound(key.stop, high if step > 0 else low)


def part_of(owner: Growing, key: slice, made: Growing) -> None:
    """Let ``made``, which is empty, hold the items that a slice names."""
    step = _step(key)
    start, stop = _bounds(key, step, owner.length())
    away = stop - start if step > 0 else start - stop
    many = np.maximum((away + (abs(step) - 1)) // abs(step), 0)
    hold(made, owner.kind)
    if owner.kind is not None:
        first = value_of(owner.head) + start
        begin = value_of(made.head)
        run(0, many, lambda n: copy_row(owner, first + n * step, made, begin + n))
        put(made.tail, begin + many)


def replaced(
    owner: Growing, key: slice, values: Iterable[Any], made: Growing, what: str
) -> None:  # fmt: skip
    """Let ``values`` be in the place of the items that a slice names; ``made`` is an empty list,
    which gets them first, since they may be some of ``owner``. NotNative, with ``what`` is done to
    the slice, where it has a step."""
    if _step(key) != 1:
        raise NotNative(f"a slice with a step of a list that data decide about is {what}")
    hold(made, owner.kind)
    each(values, made.append)
    start, stop = _bounds(key, 1, owner.length())
    rest = owner._part(slice(np.maximum(start, stop), None))
    put(owner.tail, value_of(owner.head) + start)
    owner.extend(made)
    owner.extend(rest)
