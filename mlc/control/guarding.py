"""What nobody may change: arrays, lists and dicts that are in a list which is held in arrays."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NoReturn

from ..tracer.grown import Grown, is_arrays
from ..tracer.storage import Cell
from .perhaps import Perhaps
from .plan import NotNative

INSIDE = (
    "a list or dict that is an item of a list is changed, where that one is held in arrays by "
    "compiled code; use an array of two axes, or put another item in its place"
)

LISTED = (
    "an array that is in a list is written to, where the list is held in arrays by compiled code; "
    "write to it before it is appended, or append a copy, x.copy()"
)
# What was frozen, with what was said of it before.
FROZEN: ContextVar[list[tuple[Cell | Grown, str]] | None] = ContextVar("frozen", default=None)


def freeze(cell: Cell | Grown, why: str = LISTED) -> None:
    """Let nobody write to the array in ``cell``, or change that list: a list holds it."""
    log = FROZEN.get()
    if log is not None:
        log.append((cell, cell.frozen))
    cell.frozen = cell.frozen or why


class _Guarded(dict[Any, Any]):
    """A dict that nobody may change."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotNative(INSIDE)

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    update = setdefault = pop = popitem = clear = _refuse  # type: ignore[assignment]


def guarded(item: Any, owner: Grown) -> Any:
    """``item``, a copy of what is in ``owner``, with lists and dicts that nobody may change."""
    if type(item) is tuple:
        return tuple(guarded(part, owner) for part in item)
    if type(item) is Perhaps:
        return Perhaps(guarded(item._mlc_value, owner), item._mlc_bound, item._mlc_or_none)
    if isinstance(item, dict) and not is_arrays(
        item
    ):  # a plain one, or one that may become a table
        return _Guarded({key: guarded(part, owner) for key, part in item.items()})
    if type(item) is not list:
        return item
    made = type(owner)([guarded(part, owner) for part in item])
    made.frozen = INSIDE
    return made
