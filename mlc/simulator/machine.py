"""The state of one simulation: memories, the order of iterations, counters, conflicts."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..ir.interpret import poisoned
from ..ir.program import Buffer
from .event import Event, element_text, meeting
from .memory import OWNERS, PRIVATE, Memory, Place, PrivateMemory
from .report import Findings
from .task import Concurrent, Coordinates, Entry, Task, are_siblings, parting


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
        self._common: dict[tuple[Buffer, Place], PrivateMemory] = {}

    def begin(self, order: str) -> Task:
        """Starts over in another order; returns the task of the program itself."""
        self.order = order
        if order.startswith("shuffle"):
            self.random.seed(int(order.removeprefix("shuffle ")))
        self.barriers = self._runs = 0
        self._common = {}
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
        elif task.is_thread:
            path = (*path, Entry(run, 0, index, loop))
        else:
            path = (*path[:-1], Entry(run, 0, index, loop), *self._context())
        return Task(path, coordinates, kernel)

    def _context(self) -> tuple[Entry, ...]:
        """The entry that the thread loops of a block share when barriers are not implied."""
        return () if self.implicit else (Entry(self.new_run(), 0, (), None),)

    def allocate(self, buffer: Buffer, task: Task) -> Memory | PrivateMemory:
        """New memory for ``buffer``, poisoned. Threads that allocate what they have in common get
        the same."""
        private = PRIVATE.get(buffer.scope)
        if private is None:
            return Memory(buffer, poisoned(buffer.shape, buffer.dtype))
        made = PrivateMemory(buffer, private)
        if private == "thread" or not task.is_thread:
            return made
        return self._common.setdefault((buffer, task.place(private)), made)

    def release(self, memory: Memory | PrivateMemory) -> None:
        """``memory`` is no longer needed: its elements are counted."""
        count = max(len(memory.touched()), self.touched.get(memory.buffer, 0))
        self.touched[memory.buffer] = count

    def compare(self, memory: Memory, first: Event, second: Event, at: tuple[int, ...]) -> bool:
        """Notes a conflict of two accesses of different tasks, one of which writes; says whether
        the tasks are concurrent."""
        if not second.task.is_concurrent(first.task):
            return False
        entries = parting(first.task, second.task)
        assert entries is not None
        loop = entries[0].loop or entries[1].loop
        assert loop is not None
        combine = first.site.action == second.site.action == "combines into"
        if combine and loop.is_atomic:
            return True
        advice = "; put T.barrier() there" if loop.is_thread else ""
        if first.site is second.site and loop.is_thread:
            advice = "; let one thread alone write it"
        if combine:
            advice = "; use rfactor, or leave the loop serial"
        self.note("race", f"race between {loop}: ", first, second, at, advice)
        return True

    def missing(self, memory: Memory, event: Event, at: tuple[int, ...]) -> None:
        """Notes a read of an element that is not written, or not here."""
        writer = memory.writer_elsewhere(at)
        site, buffer = event.site, memory.buffer
        if writer is None:
            text = f"{site.iteration(event.values)} {site.action} {element_text(buffer, at)}, "
            text += "which nothing has written yet"
            self.findings.add(id(site), "uninitialised", text, site.location)
            return
        self._elsewhere(memory, writer, event, at)

    def check_latest(self, memory: Memory, own: Event, event: Event, at: tuple[int, ...]) -> None:
        """Notes a read of an old value: ``own`` is in this copy of private memory, but in the
        serial program somebody else wrote the element since."""
        assert memory.whole is not None
        latest = memory.whole.last[at]
        if latest is not own and self.order == "forward":
            if memory.whole.at_task(latest.task) is not memory:
                if not are_siblings(latest.task, event.task):
                    self._elsewhere(memory, latest, event, at)

    def _elsewhere(self, memory: Memory, writer: Event, event: Event, at: tuple[int, ...]) -> None:
        buffer = memory.buffer
        owner = OWNERS[PRIVATE[buffer.scope]]
        advice = f"; {owner} sees only what it wrote itself"
        if writer.task.kernel and event.task.kernel not in (0, writer.task.kernel):
            advice = " in another launch of the grid: it does not live that long"
        rule = f"{buffer.name} is {buffer.scope.value}, private to {owner}: "
        self.note("scope", rule, writer, event, at, advice)

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
