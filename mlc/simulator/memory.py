"""Memory that remembers who wrote and read each element last.

Memory of a scope that is private to a block of the grid, a warp or a thread has one copy for each,
wherever it is allocated: nobody sees what another one wrote. What is written to memory of threads
outside of the loops over them is written by all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.program import Buffer, Scope
from .event import Event
from .task import Task

PRIVATE = {Scope.SHARED: "block", Scope.WARP: "warp", Scope.LOCAL: "thread"}
OWNERS = {"block": "a block of the grid", "warp": "a warp", "thread": "a thread"}

At = tuple[int, ...]
Place = tuple[Any, ...]


class Memory:
    """The elements of a buffer, one copy of them. ``array`` is indexed by tuples."""

    __slots__ = (
        "around", "array", "buffer", "others", "read_only", "readers", "ready", "stamps", "whole",
        "writers",
    )  # fmt: skip

    def __init__(
        self,
        buffer: Buffer,
        array: Any,
        ready: bool = False,
        read_only: bool = False,
        whole: PrivateMemory | None = None,
    ) -> None:
        self.buffer = buffer
        self.array = array
        self.ready = ready  # holds values from the start
        self.read_only = read_only
        self.whole = whole  # what this is a copy of
        self.writers: dict[At, Event] = {}
        self.readers: dict[At, Event] = {}
        self.others: dict[At, Event] = {}  # readers concurrent with `readers`
        self.stamps: dict[At, int] = {}  # when elements of private memory were written
        self.around: list[Memory] = []  # copies of those that this thread is one of

    def touched(self) -> set[At]:
        """The elements that were read or written."""
        return self.writers.keys() | self.readers.keys()

    def at_task(self, task: Task) -> Memory:
        """What ``task`` sees: this."""
        return self

    def wrote(self, at: At, event: Event) -> None:
        """Notes that ``event`` wrote an element."""
        self.writers[at] = event
        if self.whole is not None:
            self.whole.clock += 1
            self.stamps[at] = self.whole.clock
            self.whole.last[at] = event

    def take_over(self, at: At) -> None:
        """The element as it was written last outside of a loop over threads, which each did."""
        for other in self.around:
            stamp = other.stamps.get(at, 0)
            if stamp > self.stamps.get(at, 0):
                self.stamps[at], self.writers[at] = stamp, other.writers[at]
                self.array[at] = other.array[at]

    def writer_elsewhere(self, at: At) -> Event | None:
        """Who wrote an element in another copy of this memory."""
        copies = () if self.whole is None else self.whole.copies.values()
        return next((copy.writers[at] for copy in copies if at in copy.writers), None)


class PrivateMemory:
    """A buffer with one copy for each of its owners: "block", "warp" or "thread"."""

    __slots__ = ("buffer", "clock", "copies", "last", "owner")

    def __init__(self, buffer: Buffer, owner: str) -> None:
        self.buffer = buffer
        self.owner = owner
        self.copies: dict[Place, Memory] = {}
        self.last: dict[At, Event] = {}  # who wrote an element last, in whichever copy
        self.clock = 0

    def at_task(self, task: Task) -> Memory:
        """The copy that ``task`` sees."""
        place = task.place(self.owner)
        found = self.copies.get(place)
        if found is None:
            found = Memory(self.buffer, _Elements(self.buffer), whole=self)
            if self.owner == "thread":
                mine = set(place)
                for other, copy in self.copies.items():
                    if mine > set(other):
                        found.around.append(copy)
                    elif mine < set(other):
                        copy.around.append(found)
            self.copies[place] = found
        return found

    def touched(self) -> set[At]:
        """The elements that were read or written in any copy."""
        return set().union(*(copy.touched() for copy in self.copies.values()))


class _Elements(dict[At, Any]):
    """The elements of a copy; a big buffer costs no more than what is used of it."""

    def __init__(self, buffer: Buffer) -> None:
        super().__init__()
        self.kind = buffer.dtype.numpy.type

    def __setitem__(self, at: At, value: Any) -> None:
        super().__setitem__(at, self.kind(value))

    def __missing__(self, at: At) -> Any:
        return poison(self.kind)


def poison(kind: Any) -> Any:
    """A scalar that shows when it is used: NaN, or the lowest bits set."""
    value = kind(0)
    return kind(np.nan) if value.dtype.kind not in "biu" else kind(1)
