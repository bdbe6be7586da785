"""The attributes ``real`` and ``imag`` of complex arrays, as NumPy has them in memory."""

from __future__ import annotations

from typing import Any

from ..tracer import Tracer


class _Half(Tracer):
    """One part of a complex array that was computed: every other number in NumPy's memory, so that
    it is not contiguous, and ``ravel`` and ``np.ascontiguousarray`` make copies of it."""

    __slots__ = ()
    _step = 2


def half(part: Any) -> Any:
    """``part`` as the attribute of a complex array gives it."""
    if type(part) is not Tracer or part.size < 2 or _is_joined(part):
        return part
    made = _Half.__new__(_Half)
    made._trace, made._view, made._cell, made._seen = (
        part._trace, part._view, part._cell, part._seen
    )  # fmt: skip
    return made


def _is_joined(part: Tracer) -> bool:
    """Whether the strides of ``part`` are already those of one number of two."""
    return part._cell.is_joined
