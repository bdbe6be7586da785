"""What stands for lists that traced code makes: such as may become arrays."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from ..ops.op import CURRENT
from ..tracer.grown import ROWED, ROWS
from .lists import Growing


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
    """What stands for the lists in ``value``, an argument."""
    kind = type(value)
    if kind is list:
        made = list_([argument(item) for item in value])
        made.is_given = True
        return made
    if kind is tuple:
        return tuple(map(argument, value)) if any(type(v) in _BOXES for v in value) else value
    return {key: argument(item) for key, item in value.items()} if kind is dict else value


def nested_(value: Any) -> Any:
    """The same for one of whose items the items are set, or methods are called."""
    return list_(value) if ROWS.get() else _noted(value)


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
