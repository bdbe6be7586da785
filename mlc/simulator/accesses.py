"""Expressions as closures whose every access to memory is checked and noted."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from ..ir.closures import Closures, Frame, Value
from ..ir.combiner import Combiner
from ..ir.expr import Expr
from ..ir.program import Buffer, For
from .event import Event, Site, element_text
from .machine import Machine
from .memory import Memory, poison

TASK, LANE, LANES = range(3)  # slots of every frame: who runs it, and as which lane of which loop

Point = Callable[[Frame], tuple[int, ...] | None]
Commit = Callable[[Frame, tuple[int, ...], Any], None]


class WatchedClosures(Closures):
    """Closures over :class:`~mlc.simulator.machine.Memory` in place of arrays."""

    def __init__(self, machine: Machine, script: Callable[[], str]) -> None:
        super().__init__(False, script)
        self.machine = machine
        self.slots.update({"task": TASK, "lane": LANE, "lanes": LANES})
        self.loops: list[For] = []  # around the current statement
        self.block = ""
        self.in_lanes = False
        self.in_fill = False  # threads write the same values to memory that they share
        self.folding: int | None = None  # the slot of the task for which threads fold together
        self.sites: list[Site] = []

    def loop_values(self) -> tuple[tuple[str, ...], Callable[[Frame], tuple[int, ...]]]:
        """The names of the loops around, made unique, and a function that takes their values."""
        names: list[str] = []
        for loop in self.loops:
            name, count = loop.var.name, 1
            while name in names:
                name, count = f"{loop.var.name}_{count}", count + 1
            names.append(name)
        slots = [self.slot(loop.var) for loop in self.loops]
        if not slots:
            return (), lambda frame: ()
        if len(slots) == 1:
            only = slots[0]
            return tuple(names), lambda frame: (frame[only],)
        return tuple(names), itemgetter(*slots)

    def site(self, buffer: Buffer, action: str) -> Site:
        """A place in the program: what stands in the current block under the current loops."""
        site = Site(buffer, action, self.block, self.location, *self.loop_values())
        self.sites.append(site)
        return site

    def element(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Value:
        return self._reader(buffer, indices, self.site(buffer, "reads"))

    def _reader(self, buffer: Buffer, indices: tuple[Expr, ...], site: Site) -> Value:
        slot, machine, values = self.slot(buffer), self.machine, site.values
        point, in_lanes = self.place(buffer, indices, site), self.in_lanes
        outside = poison(buffer.dtype.numpy.type)
        compare = machine.compare

        def read(frame: Frame) -> Any:
            at = point(frame)
            if at is None:
                return outside
            task = frame[TASK]
            memory: Memory = frame[slot].at_task(task)
            site.count += 1
            event = None
            if memory.around:
                memory.take_over(at)
            last = memory.writers.get(at)
            if last is None:
                if not memory.ready:
                    event = Event(task, site, values(frame))
                    machine.missing(memory, event, at)
            elif last.task is not task:
                event = Event(task, site, values(frame))
                compare(memory, last, event, at)
            if memory.whole is not None and last is not None:
                event = event or Event(task, site, values(frame))
                machine.check_latest(memory, last, event, at)
            old = memory.readers.get(at)
            if old is None:
                event = event or Event(task, site, values(frame))
                memory.readers[at] = event
            elif old.task is not task:
                event = event or Event(task, site, values(frame))
                _note_reader(memory, old, event, at)
            if in_lanes:
                event = event or Event(task, site, values(frame))
                frame[LANES].read(memory, at, frame[LANE], event)
            return memory.array[at]

        return read

    def writer(
        self, buffer: Buffer, indices: tuple[Expr, ...], combiner: Combiner | None = None
    ) -> tuple[Point, Commit, Site]:
        """Where an element is, and how to store it. With a ``combiner`` the store is the second
        half of an update."""
        site = self.site(buffer, "writes" if combiner is None else "combines into")
        slot, machine, in_lanes = self.slot(buffer), self.machine, self.in_lanes
        in_fill = self.in_fill
        point = self.place(buffer, indices, site)
        folds = combiner if combiner is not None and combiner.commutative else None

        def commit(frame: Frame, at: tuple[int, ...], value: Any) -> None:
            task = frame[TASK]
            memory: Memory = frame[slot].at_task(task)
            site.count += 1
            event = Event(task, site, site.values(frame))
            if memory.read_only:
                text = f"{site.iteration(event.values)} {site.action} {element_text(buffer, at)}"
                advice = f"{buffer.name} is an input; declare it an output or scratch"
                machine.findings.add(id(site), "input", f"{text}: {advice}", site.location)
                return
            for table in (memory.writers, memory.readers, memory.others):
                last = table.get(at)
                if last is not None and last.task is not task:
                    if in_fill and last.site is site:
                        continue
                    if machine.compare(memory, last, event, at):
                        break
            if in_lanes:
                frame[LANES].write(memory, at, frame[LANE], event, folds)
            memory.wrote(at, event)
            memory.array[at] = value

        return point, commit, site

    def fetcher(self, buffer: Buffer, site: Site) -> Callable[[Frame, tuple[int, ...]], Any]:
        """The first half of an update: the old value."""
        slot, machine = self.slot(buffer), self.machine

        def fetch(frame: Frame, at: tuple[int, ...]) -> Any:
            memory: Memory = frame[slot].at_task(frame[TASK])
            if memory.around:
                memory.take_over(at)
            last = memory.writers.get(at)
            if last is None and not memory.ready:
                machine.missing(memory, Event(frame[TASK], site, site.values(frame)), at)
            elif last is not None and memory.whole is not None:
                event = Event(frame[TASK], site, site.values(frame))
                machine.check_latest(memory, last, event, at)
            return memory.array[at]

        return fetch

    def place(self, buffer: Buffer, indices: tuple[Expr, ...], site: Site) -> Point:
        """The index tuple, or None (and a finding) outside of the buffer."""
        if self.is_safe(buffer, indices):
            items = "".join(f"{self.index_text(index)}, " for index in indices)
            return eval(f"lambda f: ({items})")  # type: ignore[no-any-return]
        shape, findings = buffer.shape, self.machine.findings
        values = [self.value(index) for index in indices]

        def checked(frame: Frame) -> tuple[int, ...] | None:
            at = tuple([int(value(frame)) for value in values])
            for axis, (index, size) in enumerate(zip(at, shape, strict=True)):
                if not 0 <= index < size:
                    findings.add(
                        (id(site), axis),
                        "bounds",
                        f"{site.iteration(site.values(frame))}: index {index} of {buffer.name}, "
                        f"axis {axis} with size {size}",
                        site.location,
                    )
                    return None
            return at

        return checked


def _note_reader(memory: Memory, old: Event, event: Event, at: tuple[int, ...]) -> None:
    """Keeps two concurrent readers: whoever writes conflicts with one of them, if with any."""
    if not event.task.is_concurrent(old.task):
        memory.readers[at] = event
    else:
        other = memory.others.get(at)
        if other is None or not event.task.is_concurrent(other.task):
            memory.others[at] = event
