"""``range`` in jitted functions, where data may decide its bounds."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.moving import number_range
from ..ops.op import CURRENT
from ..tracer.concrete import known
from ..tracer.noting import note_error
from ..tracer.number import python_number
from ..tracer.tracer import Tracer
from .forms import is_traced, want
from .plan import NotNative, current
from .tries import caught, is_tried

_ZERO_STEP = "range() arg 3 must not be zero"


class Range:
    """``range`` with a traced bound. Where the step is traced, too, it runs over the numbers of
    the items, and ``at`` says which item has a number."""

    def __init__(self, *bounds: Any) -> None:
        start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        self.at: Callable[[Any], Any] | None = None
        if is_traced(step):
            first, last, by = map(_whole, (start, stop, step))
            self.at = lambda i: first + i * by
            start, stop, step = 0, _count(last - first, by), 1
        self.start, self.stop, self.step = start, stop, operator.index(known(step))
        if self.step == 0:
            raise ValueError(_ZERO_STEP)

    def __reversed__(self) -> Range:
        if abs(self.step) != 1:
            raise UnsupportedError(
                "reversed() of a range with traced bounds needs the step 1 or -1"
            )
        made = Range(self.stop - self.step, self.start - self.step, -self.step)
        made.at = self.at
        return made

    def items_by_number(self) -> tuple[Any, Callable[[Any], Any]]:
        """How many items there are, and what says which one has a number."""
        away, step = self.stop - self.start, self.step
        count = np.maximum((away + step - (1 if step > 0 else -1)) // step, 0)
        place = self.at or (lambda i: i)
        return count, lambda n: place(self.start + n * step)

    def __iter__(self) -> Any:
        """Where no numbers among the arguments say how often, the data choose, if they can."""
        want(self.start, self.stop)
        trace: Any = CURRENT.get()
        if trace is not None and not trace.wanted and trace.has_room and self.at is None:
            first, last = (operator.index(bound) for bound in (self.start, self.stop))
            return iter(builtins.range(first, last, self.step))
        raise UnsupportedError(
            "a range with a traced bound can only stand in a for statement of a jitted function "
            "whose source is at hand; use mlc.fori_loop"
        )


def _whole(value: Any) -> Any:
    """What a range is made of as a Python int, which may be traced."""
    value = known(value)
    if not isinstance(value, Tracer):
        return operator.index(value)
    if value.shape or value.dtype.kind not in "iu":
        raise TypeError(
            f"what range() is made of must be integers, got {value.dtype}{list(value.shape)}"
        )
    return python_number(value, int)


def _count(away: Any, step: Tracer) -> Any:
    """How many steps it takes to get ``away``, or beyond. The call raises Python's error where
    ``step`` is 0, unless that is clear of the loops around."""
    least, most = number_range(current().lift(step))
    if least <= 0 <= most:
        error = ValueError(_ZERO_STEP)
        if is_tried():
            raise NotNative(caught(error))
        note_error(np.equal(step, 0), error)
    ahead = 1 if least > 0 else -1 if most < 0 else np.where(np.greater(step, 0), 1, -1)
    return np.maximum((away + step - ahead) // step, 0)


def native_range(*bounds: Any) -> Any:
    """``range(*bounds)`` for a ``for`` statement that is to be one native loop, however short.

    Takes traced bounds too. Outside of jitted functions it is Python's range. Raises
    :class:`UnsupportedError` where the loop cannot become native.
    """
    if not any(is_traced(b) for b in bounds):
        plain = builtins.range(*(operator.index(known(b)) for b in bounds))
        if CURRENT.get() is None or not plain:
            return plain
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"mlc.range expected 1 to 3 arguments, got {len(bounds)}")
    return Range(*bounds)


def range_(*bounds: Any) -> Any:
    """``range``, traced bounds included."""
    if any(is_traced(b) for b in bounds):
        return Range(*bounds)
    return builtins.range(*(operator.index(known(b)) for b in bounds))


def reversed_(value: Any) -> Any:
    """``reversed(value)``."""
    return value.__reversed__() if isinstance(value, Range) else builtins.reversed(value)
