"""Whether a loop may be one whose lists the data decide about."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..ops.op import CURRENT
from ..tracer import tree
from ..tracer.grown import Grown, Tabled, is_arrays
from ..tracer.tracer import Tracer
from .forms import is_traced
from .host_changes import attributes_of

_DEEP = 6  # levels of what holds what
_WITHIN = 2  # levels of what holds lists
_PLAIN = (bool, int, float, complex, str, bytes)
_MOST = 1000  # items of a list or dict that are looked at


def may_grow(lists: Sequence[Callable[[], Any]], *bodies: Callable[..., Any]) -> bool:
    """Whether a loop that changes one of ``lists`` should be native before an iteration is done:
    what ``bodies`` read is traced, too, so that they may not decide as Python would."""
    if CURRENT.get() is None:
        return False
    seen: set[int] = set()
    return reach_lists(lists) and any(_reads_traced(body, seen, 0) for body in bodies)


def reach_lists(lists: Sequence[Callable[[], Any]]) -> bool:
    """Whether one of ``lists`` is a list that may become arrays, or holds one."""
    return any(True for read in lists for _ in _lists(_read(read), 0))


def reach_arrayed(lists: Sequence[Callable[[], Any]]) -> bool:
    """Whether one of ``lists`` is a list that is arrays, or a dict or set that may become some."""
    values = [_read(read) for read in lists]
    return any(is_arrays(v) or isinstance(v, Tabled) and not v.rigid for v in values)


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except NameError:
        return None


def reach_arrays(lists: Sequence[Callable[[], Any]]) -> bool:
    """Whether such a list has an array in it."""
    leaves = (leaf for read in lists for held in _lists(_read(read), 0) for leaf in _leaves(held))
    return any(isinstance(leaf, np.ndarray) or _is_array(leaf) for leaf in leaves)


def _leaves(held: Grown | Tabled) -> list[Any]:
    is_list = isinstance(held, Grown) and not held.is_native
    return tree.flatten(held.items())[0] if is_list else []  # type: ignore[union-attr]


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Tracer) and bool(leaf.shape or leaf._cell.is_array)


def _lists(value: Any, depth: int) -> Iterator[Grown | Tabled]:
    """The lists, dicts and sets that may become arrays which ``value`` is, or holds."""
    if isinstance(value, (Grown, Tabled)):
        if not value.rigid:
            yield value
        return
    if isinstance(value, (Tracer, types.ModuleType, type)) or depth > _WITHIN:
        return
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, (list, tuple)):
        parts = value
    elif hasattr(value, "__dict__"):
        held = attributes_of(value)
        parts = [held[key] for key in held]
    if len(parts) <= _MOST:
        for part in parts:
            yield from _lists(part, depth + 1)


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
        case _ if is_arrays(value):
            return True
        case list():
            parts = [item for item in list.__iter__(value) if type(item) not in _PLAIN]
        case tuple() | set():
            parts = [item for item in value if type(item) not in _PLAIN]
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
