"""What stands for lists that traced code makes: such as may become arrays."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.op import CURRENT
from ..tracer.grown import ROWED, ROWS
from ..tracer.tracer import Tracer
from .guarding import INSIDE
from .item_kinds import joined, kind_added
from .list_rows import REGION, Wanted
from .lists import Growing
from .plan import NotNative


def list_(value: Any) -> Any:
    """What stands for ``value``, a list or deque that traced code has just made."""
    if CURRENT.get() is None:
        return value
    if type(value) is list:
        return _nested(value) if any(isinstance(v, list) for v in value) else Growing(value)
    if type(value) is deque and value.maxlen is None:
        return Growing(value, is_deque=True)
    return value


def argument(value: Any) -> Any:
    """What stands for the lists in ``value``, an argument, or the lists of an array."""
    if CURRENT.get() is None:
        return value
    kind = type(value)
    if kind is list:
        made = list_([argument(item) for item in value])
        made.is_given = True
        return made
    if kind is tuple:
        return tuple(map(argument, value)) if any(type(v) in _BOXES for v in value) else value
    return {key: argument(item) for key, item in value.items()} if kind is dict else value


def kept(value: Any) -> Any:
    """``value``, which is put into a list and changed after that, see `kept_lists`. NotNative for a
    list in arrays that is no row: the other list would hold a copy."""
    if isinstance(value, Growing) and value.is_native and value.pool is None:
        raise NotNative(INSIDE)
    return value


def handed(value: Any) -> Any:
    """``value``, a copy if it is a list: what a function that became a loop is handed, or hands
    on, see `machines`."""
    if isinstance(value, Growing):
        return value.copy() if value.is_native else Growing(value.items())
    return list_(list(value)) if type(value) is list else value


def pushing(*pairs: tuple[Any, Any]) -> None:
    """Wanted where lists that values are put on next, see `machines`, are no arrays for them yet:
    for all of them at once. ``pairs`` are the lists and the values."""
    wanted = []
    for stack, value in pairs:
        if isinstance(stack, Growing) and not stack.rigid and stack.serial < REGION.get():
            kind = kind_added(value)
            if kind is not None and (not stack.is_native or joined(stack.kind, kind) != stack.kind):
                wanted.append((stack, kind))
    if wanted:
        raise Wanted(*wanted[0], wanted[1:])


def in_order(value: Any) -> None:
    """Refuse what has no items by number: loops of such functions count them."""
    if not isinstance(value, (list, tuple, range, np.ndarray, Tracer)):
        raise UnsupportedError(
            f"a loop in a function that calls itself goes through a {type(value).__name__}, which "
            f"compiled code does in lists, ranges and arrays alone; go through a list of its items"
        )


def nested_(value: Any) -> Any:
    """The same for one of whose items the items are set, or methods are called."""
    return list_(value) if ROWS.get() else _noted(value)


def returned_(value: Any) -> Any:
    """The same for what a call gave: a list of lists, if nothing else holds it, nor one of them."""
    if type(value) is not list or sys.getrefcount(value) > _FRESH:
        return value
    is_ours = {*map(type, value)} == {list} and max(_counts(value)) <= _ALONE
    return nested_(value) if is_ours else value


def _noted(value: Any) -> Any:
    ROWED.set(True)
    return value


def _nested(value: list[Any]) -> Growing:
    if not ROWS.get():
        return Growing(_noted(value))
    from .row_lists import adopted
    from .shared_arrays import names_of

    for item, count in zip(value, _counts(value)):
        if type(item) is list and count > _ALONE and names_of(item):
            return Growing(value)  # the list has another name, which knows of no row
    return adopted(Growing(value))


def _counts(value: list[Any]) -> list[int]:
    """How many references there are to each item."""
    return [sys.getrefcount(item) for item in value]


_BOXES = (list, tuple, dict)
_ALONE = _counts([[]])[0]  # those to an item that nothing else holds


def _references(value: Any) -> int:
    return sys.getrefcount(value)


_FRESH = _references([])  # those to what nothing else holds, in a function that it is passed to
