"""Whether a loop may be one whose lists the data decide about."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from ..ops.op import CURRENT
from ..tracer.grown import Grown
from ..tracer.tracer import Tracer
from .forms import is_traced
from .host_changes import attributes_of

_DEEP = 6  # levels of what holds what


def may_grow(lists: Sequence[Callable[[], Any]], *bodies: Callable[..., Any]) -> bool:
    """Whether a loop that changes one of ``lists`` should be native before an iteration is done:
    what ``bodies`` read is traced, too, so that they may not decide as Python would."""
    if CURRENT.get() is None:
        return False
    seen: set[int] = set()
    return any(_holds_lists(_read(read), 0) for read in lists) and any(
        _reads_traced(body, seen, 0) for body in bodies
    )


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except NameError:
        return None


def _holds_lists(value: Any, depth: int) -> bool:
    if isinstance(value, Grown):
        return not value.rigid
    if isinstance(value, (Tracer, types.ModuleType, type)) or depth > 1:
        return False
    held = attributes_of(value) if hasattr(value, "__dict__") else {}
    return any(_holds_lists(held[key], depth + 1) for key in held)


def _reads_traced(value: Any, seen: set[int], depth: int) -> bool:
    """Whether ``value`` is, or reaches, something traced."""
    if isinstance(value, Tracer):
        return is_traced(value)
    if id(value) in seen or depth > _DEEP:
        return False
    seen.add(id(value))
    match value:
        case types.FunctionType():
            parts = [_content(cell) for cell in value.__closure__ or ()]
        case types.MethodType():
            parts = [value.__func__, value.__self__]
        case Grown() if value.is_native:
            return True
        case list() | tuple() | set():
            parts = list(value)
        case dict():
            parts = list(value.values())
        case types.ModuleType() | type():
            return False
        case _ if hasattr(value, "__dict__"):
            held = attributes_of(value)
            parts = [held[key] for key in held]
        case _:
            return hasattr(type(value), "__mlc_lift__")
    return any(_reads_traced(part, seen, depth + 1) for part in parts)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
