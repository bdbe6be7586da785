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
from ..ops.op import CURRENT, leaves_of
from ..te.tensor import Placeholder, Tensor
from .storage import Cell
from .trace import FunctionTrace
from .tracer import Tracer

_LEAST = 8  # rows from which the array is taken in their place


class Row(Cell):
    """What ``source[number]`` is, until something else is written to it."""

    __slots__ = ("number", "source", "weak")

    def __init__(self, source: Tensor, number: int, weak: bool, is_array: bool) -> None:
        shape = source.shape[1:]
        blank = Tensor("row", shape, source.dtype, Placeholder())
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
    cell = Row(source, number, weak, is_array)
    made = Tracer(Tensor("row", source.shape[1:], source.dtype, Placeholder()), trace)
    made._cell = cell
    return made


def joined(items: Sequence[Any]) -> Any:
    """A list as an array, where rows of one array are among its items; else None."""
    if len(items) < _LEAST:
        return None
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
    first = _place(items[0])
    if first is None:
        return np.stack(items)
    source, start = first
    if len(items) == source.shape[0]:
        return Tracer(source, items[0]._trace)
    made = te.compute(
        (len(items), *source.shape[1:]),
        lambda *index: source[(index[0] + start,) + index[1:]], name="rows", op="rows",
    )  # fmt: skip
    assert isinstance(made, Tensor)
    return Tracer(made, items[0]._trace)


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


def _place(item: Any) -> tuple[Tensor, int] | None:
    """The array that ``item`` is an unread row of, and which one."""
    cell = item._cell if isinstance(item, Tracer) and item._view is None else None
    return (cell.source, cell.number) if isinstance(cell, Row) and not cell.version else None
