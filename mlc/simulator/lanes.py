"""Lanes in lockstep: what a vector sees, and where that differs from the serial loop.

Statement by statement all lanes read, then all write. The serial loop runs lane by lane. The two
agree unless a later lane touches an element before an earlier one does, and one of the two writes.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir.combiner import Combiner
from .event import Event
from .machine import Machine
from .memory import Memory


class _Last(NamedTuple):
    lane: int
    clock: int
    event: Event
    combiner: Combiner | None = None


_Key = tuple[Memory, tuple[int, ...]]
_Table = dict[_Key, _Last]


class Lanes:
    """The accesses of one run of a vectorized loop. Of each kind of access, the highest lane so far
    is enough to find every conflict."""

    def __init__(self, machine: Machine, loop: str) -> None:
        self.machine = machine
        self.loop = loop
        self.clock = 0  # the number of the statement that runs
        self.reads: _Table = {}
        self.writes: _Table = {}
        self.folds: _Table = {}

    def read(self, memory: Memory, at: tuple[int, ...], lane: int, event: Event) -> None:
        """Lane ``lane`` reads an element."""
        key = (memory, at)
        for table in (self.writes, self.folds):
            last = table.get(key)
            if last is not None and last.lane > lane:
                self._conflict(last, event, at)
        self._keep(self.reads, key, _Last(lane, self.clock, event))

    def write(
        self,
        memory: Memory,
        at: tuple[int, ...],
        lane: int,
        event: Event,
        combiner: Combiner | None = None,
    ) -> None:
        """Lane ``lane`` writes an element; with a ``combiner`` that commutes, it folds into it."""
        key = (memory, at)
        for table in (self.reads, self.writes, self.folds):
            last = table.get(key)
            if last is None:
                continue
            if combiner is not None and last.combiner is combiner:
                self.machine.folds_lanes |= last.lane != lane
                continue
            at_once = last.clock == self.clock and last.lane != lane and table is not self.reads
            if last.lane > lane or at_once:
                self._conflict(last, event, at)
        table = self.writes if combiner is None else self.folds
        self._keep(table, key, _Last(lane, self.clock, event, combiner))

    def _keep(self, table: _Table, key: _Key, last: _Last) -> None:
        known = table.get(key)
        if known is None or known.lane <= last.lane:
            table[key] = last

    def _conflict(self, last: _Last, event: Event, at: tuple[int, ...]) -> None:
        if last.clock != self.clock:
            reason = "the lanes run in lockstep, so this order is not that of the serial loop"
        elif last.event.site.action == "reads":
            reason = "all lanes read before any writes, so the new value is not seen"
        else:
            reason = "one statement writes both at once"
        self.machine.note(
            "lanes",
            f"the lanes of the vectorized loop {self.loop} are not independent: ",
            last.event,
            event,
            at,
            f"; {reason}",
        )
