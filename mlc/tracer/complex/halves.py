"""The attributes ``real`` and ``imag`` of complex arrays, as NumPy has them in memory."""

from __future__ import annotations

from typing import Any

from ..tracer import Tracer


class _Half(Tracer):
    """One part of a complex array: every other number in NumPy's memory, of which ``ravel`` and
    ``reshape`` may make copies. What they give can be read as long as nobody writes to it."""

    __slots__ = ()

    def __mlc_view__(self, op: Any, others: tuple[Any, ...], static: dict[str, Any]) -> Any:
        made = super().__mlc_view__(op, others, static)
        view = getattr(made, "_view", None)
        if op.name == "reshape_to" and view is not None and view.owner is self:
            made._view = view.doubted()
        return made


def half(part: Any) -> Any:
    """``part`` as the attribute of a complex array gives it."""
    if type(part) is not Tracer or part.size < 2 or part._cell.array is not None:
        return part
    made = _Half.__new__(_Half)
    made._trace, made._view, made._cell, made._seen = (
        part._trace, part._view, part._cell, part._seen
    )  # fmt: skip
    return made
