"""Tasks: who runs a statement, and which tasks run at the same time.

A task is a path of entries, one for each concurrent loop around it. Two tasks are *concurrent* if
their paths part at different iterations of one run of a loop, in the same phase: barriers of a
thread block begin new phases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

WARP = 32  # threads of a warp

Coordinates = tuple[tuple[str, int, int], ...]  # (tag such as "threadIdx.x", index, extent)


@dataclass(frozen=True, eq=False)
class Concurrent:
    """A loop whose iterations run at once. ``tag`` is "" for one on the pool's threads;
    ``is_atomic`` says that they combine by atomic operations."""

    name: str
    tag: str = ""
    is_atomic: bool = False
    is_block: bool = field(init=False)
    is_thread: bool = field(init=False)  # of one block of the grid: barriers join its iterations

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_block", self.tag.startswith("blockIdx"))
        object.__setattr__(self, "is_thread", bool(self.tag) and not self.is_block)

    def __str__(self) -> str:
        if not self.tag:
            return f"iterations of the parallel loop {self.name}"
        if self.is_block:
            return f"blocks of the grid (loop {self.name}, {self.tag})"
        return f"threads (loop {self.name}, {self.tag}) without a barrier in between"


class Entry(NamedTuple):
    """One step of a path: the run of a loop, its phase, and where in it a task stands.

    ``place`` is the iteration; where all thread loops of a block share an entry (without implicit
    barriers) it is a tuple of (tag, index), and ``loop`` is None outside of them.
    """

    run: int
    phase: int
    place: Any
    loop: Concurrent | None


class Task:
    """One sequential piece of work. Equal to itself alone."""

    __slots__ = ("coordinates", "kernel", "known", "path", "places")

    def __init__(
        self, path: tuple[Entry, ...], coordinates: Coordinates = (), kernel: int = 0
    ) -> None:
        self.path = path
        self.coordinates = coordinates
        self.kernel = kernel  # the run of the outermost blockIdx loop, 0 outside
        self.places: dict[str, tuple[Any, ...]] = {}
        self.known: dict[Task, bool] = {}  # of the tasks met: which are concurrent

    @property
    def is_thread(self) -> bool:
        """Whether it is one of the threads of a block."""
        return any(not tag.startswith("blockIdx") for tag, _, _ in self.coordinates)

    def place(self, private: str) -> tuple[Any, ...]:
        """What identifies the "block", "warp" or "thread" of hardware that this task runs on."""
        if private not in self.places:
            of_block = [c[:2] for c in self.coordinates if c[0].startswith("blockIdx")]
            place: tuple[Any, ...] = (self.kernel, *sorted(of_block))
            threads = sorted(c for c in self.coordinates if not c[0].startswith("blockIdx"))
            if private == "thread":
                place = (*place, *(c[:2] for c in threads))
            elif private == "warp":
                number, stride = 0, 1
                for _, index, extent in threads:
                    number, stride = number + index * stride, stride * extent
                place = (*place, number // WARP)
            self.places[private] = place
        return self.places[private]

    def is_concurrent(self, other: Task) -> bool:
        """Whether ``other`` may run at the same time."""
        answer = self.known.get(other)
        if answer is None:
            answer = self.known[other] = parting(self, other) is not None
        return answer

    def after_barrier(self) -> Task:
        """The same thread in the next phase of its block."""
        path = tuple(
            [
                Entry(run, phase + 1, place, loop)
                if loop is None or loop.is_thread
                else Entry(run, phase, place, loop)
                for run, phase, place, loop in self.path
            ]
        )
        return Task(path, self.coordinates, self.kernel)


def parting(a: Task, b: Task) -> tuple[Entry, Entry] | None:
    """The entries at which two concurrent tasks part; None if one runs after the other."""
    for x, y in zip(a.path, b.path, strict=False):
        if x is y or x == y:
            continue
        if x.run != y.run or x.phase != y.phase:
            return None
        if not isinstance(x.place, tuple):
            return x, y
        left, right = dict(x.place), dict(y.place)
        both = left.keys() & right.keys()
        if any(left[tag] != right[tag] for tag in both) or both not in (left.keys(), right.keys()):
            return x, y
    return None


def are_siblings(a: Task, b: Task) -> bool:
    """Whether the tasks are iterations of one run of a loop, in whichever phases."""
    for x, y in zip(a.path, b.path, strict=False):
        if x.run != y.run or x.place != y.place:
            return x.run == y.run
    return False
