"""``range`` in jitted functions, where data may decide its bounds."""

from __future__ import annotations

import builtins
import operator
from typing import Any

from ..errors import UnsupportedError
from ..ops.op import CURRENT
from ..tracer.concrete import known
from .forms import is_traced, want


class Range:
    """``range`` with a traced bound."""

    def __init__(self, *bounds: Any) -> None:
        start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        if is_traced(step):
            raise UnsupportedError("the step of a range must be known while tracing")
        self.start, self.stop, self.step = start, stop, operator.index(known(step))
        if self.step == 0:
            raise ValueError("range() arg 3 must not be zero")

    def __reversed__(self) -> Range:
        if abs(self.step) != 1:
            raise UnsupportedError(
                "reversed() of a range with traced bounds needs the step 1 or -1"
            )
        return Range(self.stop - self.step, self.start - self.step, -self.step)

    def __iter__(self) -> Any:
        want(self.start, self.stop)
        raise UnsupportedError(
            "a range with a traced bound can only stand in a for statement of a jitted function "
            "whose source is at hand; use mlc.fori_loop"
        )


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
