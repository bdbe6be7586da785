"""Native while loops whose condition reads an item at a place that goes on, ``while x[i] < 3: i +=
1``, or asks for what the body has read there, ``while v < 3: v = x[i]; i += 1``: past the end the
call raises an IndexError, as NumPy does.

An index outside counts as the nearest one inside elsewhere; such a loop might never end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import user_location
from ..ir.expr import Expr, Load
from ..te.tensor import Compute, Tensor
from .condition_reads import Read, reading
from .failing import note
from .plan import Carried, NotNative
from .tries import caught, is_tried


def runs_on(reads: Sequence[Read], carried: Carried) -> bool:
    """Whether one of ``reads`` is at a place that the body computes from the one before."""
    steps = [p for p, end in zip(carried.params, carried.ends[0]) if end is not p]
    ends = dict(zip(carried.params, carried.ends[0]))
    return any(
        _leads(read.place._tensor, p) and _leads(ends[p], p)
        for read in reads
        for p in steps
        if not p.shape and p.dtype.kind in "iu"
    )


def follows(reads: Sequence[Read], carried: Carried, test: Tensor) -> bool:
    """Whether the loop ends by what ``reads`` of its body find at places that go on, and by no
    number that goes on itself. ``test`` is its condition."""
    if not runs_on(reads, carried):
        return False
    asked = [(p, end) for p, end in zip(carried.params, carried.ends[0]) if _leads(test, p)]
    if any(not p.shape and p.dtype.kind in "iu" and end is not p and _leads(end, p)
           for p, end in asked):  # fmt: skip
        return False
    return any(_leads(end, read.place._tensor, True) for _, end in asked for read in reads)


def _leads(end: Tensor, start: Tensor, by_place: bool = False) -> bool:
    """Whether ``end`` is computed from ``start``, but for items that are read there; those, too, if
    ``by_place``."""
    stack, seen = [end], {end}
    while stack:
        tensor = stack.pop()
        if tensor is start:
            return True
        op = tensor.op
        reads: list[Any] = [tensor.inputs]
        if isinstance(op, Compute) and not by_place:
            reads = list(map(_read, op.body))
        for read in reads:
            stack += [t for t in read if t.serial >= start.serial and t not in seen]
            seen.update(read)
    return False


def _read(expr: Expr) -> list[Tensor]:
    """The tensors that ``expr`` reads, without those that say where."""
    found: list[Tensor] = []
    stack = [expr]
    while stack:
        node = stack.pop()
        if not isinstance(node, Load):
            stack += node.children
        elif isinstance(node.source, Tensor):
            found.append(node.source)
    return found


def within(test: Callable[[], Any]) -> Callable[[], Any]:
    """``test`` where it reads nothing beyond the end, else False."""

    def run() -> Any:
        found: list[Read] = []
        with reading(found):
            holds = test()
        for read in found:
            holds = np.logical_and(holds, np.logical_not(_is_outside(read)))
        return holds

    return run


def raise_beyond(test: Callable[[], Any]) -> None:
    """Let the call raise NumPy's error where ``test``, asked after the loop, reads beyond the
    end."""
    found: list[Read] = []
    with reading(found):
        test()
    where = str(user_location() or "")
    _raise_outside([replace(read, where=where) for read in found], "the condition of a while loop")


def raising_beyond(body: Callable[[], None]) -> Callable[[], None]:
    """``body`` of a loop, after which the call raises NumPy's error where it has read beyond the
    end."""

    def run() -> None:
        found: list[Read] = []
        with reading(found):
            body()
        _raise_outside(found, "a while loop")

    return run


def _raise_outside(reads: Sequence[Read], who: str) -> None:
    for read in reads:
        error = IndexError(
            f"{who} reads an item whose index is out of bounds for axis {read.axis} with size "
            f"{read.size}" + (f"\n  at {read.where}" if read.where else "")
        )
        if is_tried():
            raise NotNative(caught(error))
        note((type(error), str(error)), error, _is_outside(read))


def _is_outside(read: Read) -> Any:
    place = read.place.astype(np.int64) + np.int64(read.size)  # less than 0 is much, unsigned
    found = np.greater_equal(place.astype(np.uint64), np.uint64(2 * read.size))
    return found if read.when is True else np.logical_and(found, read.when)
