"""Arrays that change while something is traced only to see what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import UnsupportedError, user_frame
from ..ops.op import CURRENT
from ..tracer.concrete import known
from ..tracer.storage import KNOWN, WATCH, Cell, next_cell
from ..tracer.tracer import Tracer
from .host_changes import HostState
from .iterators import is_iterator, within

Held = tuple[Any, Any, Any]
_END: Any = object()


@contextmanager
def watching() -> Iterator[dict[Cell, Held]]:
    """Collect the cells that are written to, with what they held; they hold it again afterwards."""
    copies = {cell: cell.array.copy() for cell in list(KNOWN) if cell.array is not None}
    watched: dict[Cell, Held] = {}
    token = WATCH.set(watched)
    try:
        yield watched
    finally:
        WATCH.reset(token)
        _put_back(watched, copies)


@contextmanager
def changes_undone() -> Iterator[list[Cell]]:
    """Collect the cells from before that are written to; they hold what they held again."""
    mark = next_cell()
    changed: list[Cell] = []
    copies = {cell: cell.array.copy() for cell in list(KNOWN) if cell.array is not None}
    watched: dict[Cell, Held] = {}
    token = WATCH.set(watched)
    try:
        yield changed
    finally:
        WATCH.reset(token)
        old = {cell: held for cell, held in watched.items() if cell.serial < mark}
        changed += old
        _put_back(old, copies)


def items_while(values: Iterable[Any], goes: Callable[[], Any]) -> Iterator[Any]:
    """The items of ``values``, which Python asks for as long as ``goes()`` holds.

    Where that is traced all of them are made: what making one writes to arrays from before, or
    notes as an error, then counts only where it is asked for.
    """
    source = iter(values)
    while True:
        test = known(goes())
        if not isinstance(test, Tracer):
            if not test:
                return
            found = next(source, _END)
        elif isinstance(values, (list, tuple, range, Tracer)):
            found = next(source, _END)
        elif is_held(source):
            if not _chosen(test, "an iterator"):
                return
            found = next(source, _END)
        else:
            hosts = HostState(source)
            with _written_where(test):
                found = next(source, _END)
            changes = hosts.changes()
            if changes and not _chosen(test, changes[0][0]):
                hosts.undo()
                return
        if found is _END:
            return
        yield found


def is_held(source: Any) -> bool:
    """Whether the code around a loop over the iterator ``source`` has other ways to its items."""
    frame = user_frame()
    if frame is None or not is_iterator(source):
        return False
    known = set(map(id, HostState(*frame.f_locals.values()).iterators))
    parts = [source]
    while parts:
        part = parts.pop()
        if id(part) in known:
            return True
        parts += within(part)
    return False


def _chosen(test: Tracer, what: str) -> bool:
    """What the data choose for ``test``, without which ``what`` would change."""
    trace: Any = CURRENT.get()
    found: int | None = trace.room(lambda: test.reshape(()))
    if found is None:
        raise UnsupportedError(
            f"making the next item changes {what} in a function that it calls, and whether Python "
            f"asks for that item is not known while tracing; make a list of all items first, or "
            f"hold the state in an array"
        )
    return bool(found)


@contextmanager
def _written_where(test: Tracer) -> Iterator[None]:
    """Cells from before that are written to within keep what they hold unless ``test`` holds."""
    trace: Any = CURRENT.get()
    mark = next_cell()
    copies = {cell: cell.array.copy() for cell in list(KNOWN) if cell.array is not None}
    watched: dict[Cell, Held] = {}
    made: dict[Cell, Any] = {}
    token = WATCH.set(watched)
    try:
        yield
        made = {cell: cell.current(trace) for cell in watched if cell.serial < mark}
    finally:
        WATCH.reset(token)
        _put_back({cell: held for cell, held in watched.items() if cell.serial < mark}, copies)
    for cell, tensor in made.items():
        old = cell.current(trace)
        chosen: Any = np.where(test, Tracer(tensor, trace), Tracer(old, trace))  # type: ignore[call-overload]
        cell.write(trace.lift(chosen))


def _put_back(watched: dict[Cell, Held], copies: dict[Cell, Any]) -> None:
    for cell, (tensor, array, fill) in watched.items():
        if array is not None and cell in copies:
            array[...] = copies[cell]
        cell.tensor, cell.array, cell.fill = tensor, array, fill
        cell.version += 1
