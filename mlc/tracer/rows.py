"""Values that are rows of one array, and are read from it when they are asked for.

A list to which a native loop has appended holds thousands of them. As an array the list is the
array that they came from; a caller gets them from that array, too, so that nobody has to compute
each on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import te
from ..ops.op import CURRENT, is_held, leaves_of
from ..te.tensor import Placeholder, Tensor
from .storage import Cell
from .trace import FunctionTrace
from .tracer import Tracer

_LEAST = 8  # rows from which the array is taken in their place


class Row(Cell):
    """What ``source[number]`` is, until something else is written to it."""

    __slots__ = ("number", "source", "weak")

    def __init__(
        self, source: Tensor, number: int, weak: bool, is_array: bool, blank: Tensor
    ) -> None:
        super().__init__(blank)
        self._base = None
        self.source, self.number, self.weak = source, number, weak
        self.is_array = is_array

    @property
    def is_unread(self) -> bool:
        """Whether nobody has asked for it."""
        return self._base is None

    @property
    def tensor(self) -> Tensor | None:
        """The elements; read from the array when they are asked for first."""
        if self._base is None:
            source, number = self.source, self.number
            made = te.compute(
                source.shape[1:], lambda *index: source[(number,) + index], name="row", op="row"
            )
            assert isinstance(made, Tensor)
            self._base = made
            if self.weak:
                trace: Any = CURRENT.get()
                trace.weak.add(made)
        return Cell.tensor.fget(self)  # type: ignore[attr-defined, no-any-return]

    @tensor.setter
    def tensor(self, tensor: Tensor | None) -> None:
        self._base, self._parts = tensor, []


def row(trace: FunctionTrace, source: Tensor, number: int, weak: bool, is_array: bool) -> Tracer:
    """The traced value ``source[number]``: an array of its own, a scalar, or, ``weak``, a Python
    number."""
    blank = Tensor("row", source.shape[1:], source.dtype, Placeholder())
    made = Tracer(blank, trace)
    made._cell = Row(source, number, weak, is_array, blank)
    return made


def rows_of(trace: Any, source: Tensor, count: int, weak: bool) -> list[Tracer]:
    """The first ``count`` rows of ``source``, all of its numbers; ``weak`` ones are Python's."""
    blank = Tensor("row", source.shape[1:], source.dtype, Placeholder())
    made = []
    for number in range(count):
        each = Tracer(blank, trace)
        each._cell = Row(source, number, weak, False, blank)
        made.append(each)
    return made


def column(items: Sequence[Any]) -> Any:
    """``items`` as an array, where they are rows of one array in equal steps; else None."""
    first = _place(items[0]) if items else None
    if first is None:
        return None
    source, start = first
    second = _place(items[1]) if len(items) > 1 else (source, start + 1)
    step = 0 if second is None else second[1] - start
    for n, item in enumerate(items):
        place = _place(item)
        if place is None or place[0] is not source or place[1] != start + n * step:
            return None
    return _part(source, start, step, len(items), items[0]._trace)


def _part(source: Tensor, start: int, step: int, count: int, trace: Any) -> Tracer:
    if (start, step, count) == (0, 1, source.shape[0]):
        return Tracer(source, trace)
    made = te.compute(
        (count, *source.shape[1:]),
        lambda *index: source[(index[0] * step + start,) + index[1:]], name="rows", op="rows",
    )  # fmt: skip
    assert isinstance(made, Tensor)
    return Tracer(made, trace)


def _as_block(items: Sequence[Any]) -> Any:
    """Lists in lists, of one shape, as an array, where their numbers are rows of one array in equal
    steps; else None."""
    shape, level = [len(items)], list(items)
    while level and _is_known_list(level[0]):
        if not all(_is_known_list(v) and len(v) == len(level[0]) for v in level):
            return None
        shape.append(len(level[0]))
        level = [part for v in level for part in v]
    found = column(level)
    return None if found is None else np.reshape(found, shape)


def _is_known_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and not is_held(value)


def joined(items: Sequence[Any]) -> Any:
    """A list as an array, where rows of one array are among its items; else None."""
    whole = _as_block(items)
    if whole is not None or len(items) < _LEAST:
        return whole
    if isinstance(items[-1], (tuple, list)):
        widths = {len(item) if isinstance(item, (tuple, list)) else -1 for item in items}
        found = any(_place(leaf) for leaf in leaves_of(items[-1]))
        if not found or len(widths) > 1:
            return None
        columns = [_whole(list(column)) for column in zip(*items)]
        return np.stack(columns, axis=1)
    runs = list(_runs(items))
    if len(runs) > len(items) // 2:
        return None
    return np.concatenate([_run(run) for run in runs]) if len(runs) > 1 else _run(runs[0])


def _whole(items: list[Any]) -> Any:
    found = joined(items)
    return np.stack(items) if found is None else found


def _run(items: list[Any]) -> Any:
    found = column(items)
    return np.stack(items) if found is None else found


def _runs(items: Sequence[Any]) -> Iterator[list[Any]]:
    """``items`` cut where one is not the row after the one before."""
    run: list[Any] = []
    before: tuple[Tensor, int] | None = None
    for item in items:
        place = _place(item)
        follows = (
            place is None
            if before is None
            else place is not None and place[0] is before[0] and place[1] == before[1] + 1
        )
        if run and not follows:
            yield run
            run = []
        run.append(item)
        before = place
    if run:
        yield run


def is_row(item: Any) -> bool:
    """Whether ``item`` is a row of an array still."""
    return _place(item) is not None


def _place(item: Any) -> tuple[Tensor, int] | None:
    """The array that ``item`` is an unread row of, and which one."""
    cell = item._cell if isinstance(item, Tracer) and item._view is None else None
    return (cell.source, cell.number) if isinstance(cell, Row) and not cell.version else None
