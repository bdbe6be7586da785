"""Arrays that change while something is traced only to see what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..tracer.storage import _SERIALS, KNOWN, WATCH, Cell

Held = tuple[Any, Any, Any]


def next_cell() -> int:
    """A number that all cells made from now on exceed."""
    return next(_SERIALS)


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


def _put_back(watched: dict[Cell, Held], copies: dict[Cell, Any]) -> None:
    for cell, (tensor, array, fill) in watched.items():
        if array is not None and cell in copies:
            array[...] = copies[cell]
        cell.tensor, cell.array, cell.fill = tensor, array, fill
        cell.version += 1
