"""Where a variable is read that may have no value: Python's error, at run time where the data
decide."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import user_location
from ..ops.moving import is_inside_loop
from .around import AROUND, cell_of
from .carry import NotNative, current
from .failing import note
from .perhaps import Perhaps
from .tries import caught, is_tried

_IS_NEW = sys.version_info >= (3, 11)


def bound(read: Callable[[], Any], name: str, is_free: bool) -> Any:
    """The value of the variable ``name``, as ``read()`` gives it; ``is_free`` says that it belongs
    to a function around the one that reads it."""
    try:
        found = read()
    except NameError as error:
        around = AROUND.get()
        made = _error(name, is_free)
        cell = cell_of(read, name)
        if cell is not None and cell not in around.cells:
            made.name = ""  # a variable of another function, which has that name, too
        elif name in around.names:
            around.asked.add(name)
        theirs = error.__traceback__.tb_next if error.__traceback__ is not None else None
        raise made.with_traceback(theirs) from None
    return _certain(found, name, is_free) if type(found) is Perhaps else found


def _certain(held: Perhaps, name: str, is_free: bool) -> Any:
    """The value, where the run raises an error if there is none."""
    trace, error = current(), _error(name, is_free)
    if is_tried():
        chosen = None if is_inside_loop() else trace.room(lambda: held.is_bound)
        if chosen is None:
            raise NotNative(caught(error))
        if not chosen:
            raise error
        return held.value
    where = user_location()
    note((type(error), str(error), where), error, np.logical_not(held.is_bound))
    return held.value


def _error(name: str, is_free: bool) -> NameError:
    """What Python raises, in its own words."""
    if is_free:
        text = f"cannot access free variable '{name}' where it is not associated with a value in "
        old = f"free variable '{name}' referenced before assignment in enclosing scope"
        return NameError(f"{text}enclosing scope" if _IS_NEW else old, name=name)
    text = f"cannot access local variable '{name}' where it is not associated with a value"
    old = f"local variable '{name}' referenced before assignment"
    return UnboundLocalError(text if _IS_NEW else old, name=name)
