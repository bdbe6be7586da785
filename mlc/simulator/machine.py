"""The state of one simulation: memories, the order of iterations, counters, conflicts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import SourceLocation
from ..ir.program import Buffer, Scope
from .report import Findings
from .task import Concurrent, Coordinates, Entry, Task, parting

_PRIVATE = {Scope.SHARED: "block", Scope.WARP: "warp", Scope.LOCAL: "thread"}
_OWNER = {"block": "a block of the grid", "warp": "a warp", "thread": "a thread"}
_PLURAL = {"reads": "read", "writes": "write", "combines into": "combine into"}


@dataclass(eq=False)
class Site:
    """A place in the program that accesses memory. ``values`` takes the loops' values from a
    frame; ``count`` says how often it ran."""

    buffer: Buffer
    action: str  # "reads", "writes" or "combines into"
    block: str
    location: SourceLocation | None
    names: tuple[str, ...]
    values: Callable[[list[Any]], tuple[int, ...]]
    count: int = 0

    def iteration(self, values: tuple[int, ...]) -> str:
        """``i=7, j=3``, and the block."""
        where = ", ".join(f"{n}={v}" for n, v in zip(self.names, values, strict=True))
        parts = [where] if where else []
        if self.block:
            parts.append(f"block {self.block!r}")
        return " of ".join(parts) or "the only iteration"


class Event(NamedTuple):
    """One access: who, where, and the values of the loops around it."""

    task: Task
    site: Site
    values: tuple[int, ...]


class Memory:
    """The elements of a buffer while it is allocated, with who wrote and read each one last."""

    __slots__ = (
        "array", "buffer", "number", "others", "private",
        "read_only", "readers", "ready", "writers",
    )  # fmt: skip

    def __init__(
        self,
        buffer: Buffer,
        array: np.ndarray[Any, Any],
        number: int,
        ready: bool = False,
        read_only: bool = False,
    ) -> None:
        self.buffer = buffer
        self.array = array
        self.number = number
        self.ready = ready  # holds values from the start
        self.read_only = read_only
        self.private = _PRIVATE.get(buffer.scope, "")
        self.writers: dict[tuple[int, ...], Event] = {}
        self.readers: dict[tuple[int, ...], Event] = {}
        self.others: dict[tuple[int, ...], Event] = {}  # readers concurrent with `readers`

    def touched(self) -> int:
        """How many elements were read or written."""
        return len(self.writers.keys() | self.readers.keys())


class Machine:
    """One simulation. ``order`` is "forward", "reverse" or "shuffle" and a seed."""

    def __init__(self, implicit_barriers: bool) -> None:
        self.implicit = implicit_barriers
        self.findings = Findings()
        self.order = "forward"
        self.random = random.Random(0)
        self.barriers = 0
        self.folds_lanes = False  # lanes were folded into one element, in an order of their own
        self.touched: dict[Buffer, int] = {}
        self._runs = 0
        self._memories = 0

    def begin(self, order: str) -> Task:
        """Starts over in another order; returns the task of the program itself."""
        self.order = order
        if order.startswith("shuffle"):
            self.random.seed(int(order.removeprefix("shuffle ")))
        self.barriers = self._runs = 0
        return Task(self._context())

    def iterations(self, extent: int) -> Sequence[int]:
        """The iterations of a concurrent loop, in the order of this run."""
        if self.order == "forward":
            return range(extent)
        if self.order == "reverse":
            return range(extent - 1, -1, -1)
        return self.random.sample(range(extent), extent)

    def new_run(self) -> int:
        """A number for the run of a loop."""
        self._runs += 1
        return self._runs

    def enter(self, task: Task, loop: Concurrent, run: int, index: int, extent: int) -> Task:
        """The task of one iteration of ``loop``, started by ``task``."""
        coordinates: Coordinates = task.coordinates
        if loop.tag:
            coordinates = (*coordinates, (loop.tag, index, extent))
        kernel = task.kernel or (run if loop.is_block else 0)
        path = task.path
        if self.implicit:
            path = (*path, Entry(run, 0, index, loop))
        elif loop.is_thread:
            last = path[-1]
            path = (*path[:-1], last._replace(place=(*last.place, (loop.tag, index)), loop=loop))
        elif task.in_threads:
            path = (*path, Entry(run, 0, index, loop))
        else:
            path = (*path[:-1], Entry(run, 0, index, loop), *self._context())
        return Task(path, coordinates, kernel)

    def _context(self) -> tuple[Entry, ...]:
        """The entry that the thread loops of a block share when barriers are not implied."""
        return () if self.implicit else (Entry(self.new_run(), 0, (), None),)

    def memory(
        self,
        buffer: Buffer,
        array: np.ndarray[Any, Any],
        ready: bool = False,
        read_only: bool = False,
    ) -> Memory:
        """A new memory for ``buffer``."""
        self._memories += 1
        return Memory(buffer, array, self._memories, ready, read_only)

    def release(self, memory: Memory) -> None:
        """``memory`` is no longer needed: its elements are counted."""
        count = max(memory.touched(), self.touched.get(memory.buffer, 0))
        self.touched[memory.buffer] = count

    def compare(self, memory: Memory, first: Event, second: Event, at: tuple[int, ...]) -> bool:
        """Notes a conflict of two accesses of different tasks, one of which writes; says whether
        the tasks are concurrent."""
        private = memory.private
        if private:
            mine, other = first.task.place(private), second.task.place(private)
            if mine != other:
                self._leaves_scope(memory, first, second, at)
                return False
        if not second.task.is_concurrent(first.task):
            return False
        entries = parting(first.task, second.task)
        assert entries is not None
        loop = entries[0].loop or entries[1].loop
        assert loop is not None
        advice = "; put T.barrier() there" if loop.is_thread else ""
        if first.site.action == second.site.action == "combines into":
            advice = "; use rfactor, or leave the loop serial"
        self.note("race", f"race between {loop}: ", first, second, at, advice)
        return True

    def _leaves_scope(
        self, memory: Memory, first: Event, second: Event, at: tuple[int, ...]
    ) -> None:
        owner = _OWNER[memory.private]
        text = f"{memory.buffer.name} is {memory.buffer.scope.value}, private to {owner}: "
        advice = f"; allocate it in {owner}, or give it another scope"
        if first.task.kernel != second.task.kernel:
            advice = ", in another launch of the grid: it does not live that long"
        self.note("scope", text, first, second, at, advice)

    def note(
        self,
        kind: str,
        rule: str,
        first: Event,
        second: Event,
        at: tuple[int, ...],
        advice: str = "",
    ) -> None:
        """A finding about two accesses of one element."""
        text = f"{rule}{meeting(first, second, at)}{advice}"
        key = frozenset((id(first.site), id(second.site)))
        self.findings.add(key, kind, text, second.site.location or first.site.location)


def element_text(buffer: Buffer, at: tuple[int, ...]) -> str:
    return f"{buffer.name}[{', '.join(str(int(i)) for i in at) or '()'}]"


def meeting(first: Event, second: Event, at: tuple[int, ...]) -> str:
    """``i=0 and i=1 both write C[0]``, with what both have in common left out."""
    a, b = first.site, second.site
    place = element_text(b.buffer, at)
    left = dict(zip(a.names, first.values, strict=True))
    right = dict(zip(b.names, second.values, strict=True))
    if a.action == b.action and a.block == b.block and a.names == b.names:
        names = [n for n in a.names if left[n] != right[n]]
        one = ", ".join(f"{n}={left[n]}" for n in names)
        two = ", ".join(f"{n}={right[n]}" for n in names)
        return f"{one} and {two} both {_PLURAL[a.action]} {place}"
    one, two = a.iteration(first.values), b.iteration(second.values)
    return f"{one} {a.action} {place}, {two} {b.action} it"
