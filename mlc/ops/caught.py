"""Errors that Python raises because of a value, where a ``try`` of the user's may catch them.

::

    try:                           Compiled code computes infinity, as NumPy does. Here that would
        return a / b        ->     be the wrong answer: a handler is there for the error. So it is
    except ZeroDivisionError:      noted for `mlc.control.attempts`, or the data choose, while the
        return 0.0                 function is traced, whether it is raised.

Where nothing would catch them they are not looked for, but in debug mode.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..te.extent import Extent
from .attempts import open_failures
from .moving import is_within
from .op import CURRENT

# What the handlers of the ``try`` statements around catch.
KINDS: ContextVar[tuple[type[BaseException], ...]] = ContextVar("kinds", default=())


class CaughtError(UnsupportedError):
    """Whether an error is raised, which may be caught, is known in a native loop or branch only."""


def is_caught(kind: type[BaseException]) -> bool:
    """Whether a handler takes errors of ``kind``."""
    return any(issubclass(kind, caught) for caught in KINDS.get())


def raise_where(condition: Any, error: Exception) -> None:
    """Raises ``error`` if ``condition`` holds, a bool or traced ones, and a handler would take it.

    Raises :class:`CaughtError` where nobody can tell.
    """
    if not is_caught(type(error)):
        return
    if not hasattr(type(condition), "__mlc_lift__"):
        if np.any(condition):
            raise error
        return
    failures = open_failures(type(error))
    if failures is not None:
        failures.append((error, np.any(condition)))
        return
    trace: Any = CURRENT.get()
    chosen = trace.room(lambda: np.any(condition))
    if chosen is None:
        raise CaughtError(
            f"{type(error).__name__} may be raised here, depending on the data, and a try "
            f"statement that is around may catch it, which compiled code cannot do at this place; "
            f"ask before, if b != 0 or if 0 <= i < len(x), or leave the try statement out"
        )
    if chosen:
        raise error


DIVIDING = {
    np.true_divide: "division by zero", np.floor_divide: "integer division or modulo by zero",
    np.remainder: "integer modulo by zero",
    np.power: "0.0 cannot be raised to a negative power",
}  # fmt: skip
_OF_FLOATS = {
    np.true_divide: "float division by zero", np.floor_divide: "float floor division by zero",
    np.remainder: "float modulo",
}  # fmt: skip


def check_division(ufunc: Any, a: Any, b: Any) -> None:
    """The errors of Python's division of numbers, where a handler would take them."""
    if not is_caught(ZeroDivisionError) and not is_caught(OverflowError):
        return
    if ufunc is not np.power:
        kinds = {(v.dtype if hasattr(v, "dtype") else np.result_type(v)).kind for v in (a, b)}
        text = DIVIDING[ufunc] if kinds <= {*"bi"} else _OF_FLOATS[ufunc]
        raise_where(np.equal(b, 0), ZeroDivisionError(text))
        return
    raise_where(np.equal(a, 0) & np.less(b, 0), ZeroDivisionError(DIVIDING[ufunc]))
    if is_caught(OverflowError):
        found = np.power(*(np.float64(v) if isinstance(v, (int, float)) else v.astype(np.float64)
                           for v in (a, b)))  # fmt: skip
        is_large = np.isinf(found) & np.isfinite(a) & np.isfinite(b) & np.not_equal(a, 0)
        raise_where(is_large, OverflowError(34, "Numerical result out of range"))


def check_whole(x: Any) -> None:
    """The errors of ``int(x)``, where a handler would take them."""
    raise_where(np.isnan(x), ValueError("cannot convert float NaN to integer"))
    raise_where(np.isinf(x), OverflowError("cannot convert float infinity to integer"))


def check_index(part: Any, extent: Any, axis: int) -> None:
    """The error of a traced index that lies outside of an axis, where a handler would take it."""
    if not is_caught(IndexError):
        return
    trace: Any = CURRENT.get()
    given = trace.lift(part)
    if is_within(given, extent):
        return
    place = trace.wrap(given)
    size = trace.wrap(extent.length) if isinstance(extent, Extent) else extent
    is_outside = np.greater_equal(place, size)
    if given.dtype.kind == "i":
        is_outside = is_outside | np.less(place, -size)
    sentence = f"index is out of bounds for axis {axis} with size {extent}"
    raise_where(is_outside, IndexError(sentence))
