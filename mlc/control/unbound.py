"""Where a variable is read that may have no value: Python's error, at run time where the data
decide."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import user_location
from ..ops.moving import is_inside_loop
from ..tracer.open_results import is_around_loops
from .around import AROUND, cell_of
from .carry import NotNative, current
from .comparing import compared
from .failing import note
from .logic import and_, not_, or_
from .perhaps import Perhaps, bare, is_bound, is_or_none
from .tries import caught, is_tried

_IS_NEW = sys.version_info >= (3, 11)


def bound(read: Callable[[], Any], name: str, is_free: bool) -> Any:
    """The value of the variable ``name``, as ``read()`` gives it; ``is_free`` says that it belongs
    to a function around the one that reads it."""
    found = held_by(read, name, is_free)
    return certain(found, name, is_free) if type(found) is Perhaps else found


def sure(read: Callable[[], Any], name: str, is_free: bool) -> Any:
    """The same for a variable that was asked whether it is None, and is not."""
    found = held_by(read, name, is_free)
    if type(found) is not Perhaps:
        return found
    return found._mlc_value if found._mlc_or_none else certain(found, name, is_free)


def trusted(read: Callable[[], Any], name: str, is_free: bool) -> Any:
    """The same for a variable that surely has a value where it is read, though no code shows it."""
    return bare(held_by(read, name, is_free))


def held_by(read: Callable[[], Any], name: str, is_free: bool) -> Any:
    try:
        return read()
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


def certain(held: Perhaps, name: str, is_free: bool) -> Any:
    """The value, where the run raises an error if there is none."""
    trace, error = current(), _error(name, is_free)
    if held._mlc_or_none:
        return _something(held, name)
    if is_tried():
        chosen = None if is_inside_loop() else trace.room(lambda: held._mlc_bound)
        if chosen is None:
            raise NotNative(caught(error))
        if not chosen:
            raise error
        return held._mlc_value
    where = user_location()
    note((type(error), str(error), where), error, np.logical_not(held._mlc_bound))
    return held._mlc_value


def _something(held: Perhaps, name: str) -> Any:
    """The value or None, as the data choose; inside native code the value, and the run raises an
    error if it is None."""
    chosen = None if is_inside_loop() else current().room(lambda: held._mlc_bound)
    if chosen is not None:
        return held._mlc_value if chosen else None
    if is_around_loops():
        raise NotNative(f"{name} is a value or None, as the data choose: code for each")
    where = user_location()
    error = TypeError(
        f"{name} is None where a compiled loop or branch reads it, which hands on numbers and "
        f"arrays alone; ask first whether it `is None`, or let it begin as a number"
        + (f"\n  at {where}" if where else "")
    )
    if is_tried():
        raise NotNative(str(error))
    note((type(error), str(error), where), error, np.logical_not(held._mlc_bound))
    return held._mlc_value


def is_none(read: Callable[[], Any]) -> Any:
    """``x is None`` of the variable that ``read()`` reads, a traced bool where data decide."""
    held = read()
    return not_(held._mlc_bound) if is_or_none(held) else held is None


def equal_or_none(left: Callable[[], Any], right: Callable[[], Any], name: str) -> Any:
    """``a == b`` or ``a != b``, the operator with that ``name``, of variables that may be None."""
    a, b = left(), right()
    if not (is_or_none(a) or is_or_none(b)):
        return compared(a, b, name)
    first, second = bare(a), bare(b)
    for side in (first, second):
        if not isinstance(side, (tuple, list, str)) and np.ndim(side):
            raise NotNative("an array that may be None is compared; ask first whether it `is None`")
    has_first, has_second = (is_bound(s) if type(s) is Perhaps else s is not None for s in (a, b))
    if first is None or second is None:
        same = not_(has_first) if second is None else not_(has_second)
    else:
        both = and_(has_first, lambda: has_second)
        neither = and_(not_(has_first), lambda: not_(has_second))
        same = or_(neither, lambda: and_(both, lambda: compared(first, second, "Eq")))
    return same if name == "Eq" else not_(same)


def _error(name: str, is_free: bool) -> NameError:
    """What Python raises, in its own words."""
    if is_free:
        text = f"cannot access free variable '{name}' where it is not associated with a value in "
        old = f"free variable '{name}' referenced before assignment in enclosing scope"
        return NameError(f"{text}enclosing scope" if _IS_NEW else old, name=name)
    text = f"cannot access local variable '{name}' where it is not associated with a value"
    old = f"local variable '{name}' referenced before assignment"
    return UnboundLocalError(text if _IS_NEW else old, name=name)
