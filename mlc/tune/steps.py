"""Steps that were taken before: templates begin alike, and what they do again is not done again."""

from __future__ import annotations

from typing import Any

from ..errors import ScheduleError
from ..ir.program import Program
from ..schedules.schedule import Made, Schedule, taken_alone, taken_on
from ..schedules.step import Step

_MOST = 6000  # steps that are remembered; each holds a program, which shares most of its parts


class TakenBefore:
    """Remembers what each step made of each program.

    Steps are values and pure, and programs never change: the same step on the same program makes
    the same program, whose loops are the same objects, so that what follows is found again too.
    So it is with a part of a program, whatever was done to the others.
    Where ``refusals`` is set, those are remembered as well, without the sentence's hints at how
    the schedule came there.
    """

    def __init__(self, refusals: bool = False) -> None:
        self.refusals = refusals
        self._made: dict[tuple[int, Step], tuple[Program, Program, tuple[Any, ...]]] = {}
        self._refused: dict[tuple[int, Step], tuple[Program, ScheduleError]] = {}
        self._on_parts: dict[tuple[int, Step], tuple[Program, Made | None]] = {}

    def attach(self, schedule: Schedule) -> None:
        """Lets ``schedule`` take its steps from here where they are known."""

        def take(step: Step, unsafe: bool = False) -> tuple[Any, ...]:
            return self._take(schedule, step, unsafe)

        vars(schedule)["take"] = take

    def _take(self, schedule: Schedule, step: Step, unsafe: bool) -> tuple[Any, ...]:
        before = schedule.program
        if unsafe or vars(schedule).get("_unsafe") or step.name.startswith("sample_"):
            return Schedule.take(schedule, step, unsafe)
        key = (id(before), step)
        known = self._made.get(key)
        if known is not None:
            _, program, made = known
            schedule.note(step, program, made)
            return made
        if key in self._refused:
            error = self._refused[key][1]
            raise type(error)(error.message, refusal=error.refusal)
        try:
            alone = taken_alone(before, step, self._on_part)
            if alone is None:
                made = schedule.take_whole(step)
            else:
                schedule.note(step, *alone)
                made = alone[1]
        except ScheduleError as error:
            if self.refusals:
                _limited(self._refused)
                known_as = type(error)(error.message, refusal=error.refusal)
                self._refused[key] = (before, known_as)
            raise
        _limited(self._made)
        self._made[key] = (before, schedule.program, made)
        return made

    def _on_part(self, part: Program, step: Step) -> Made | None:
        key = (id(part), step)
        known = self._on_parts.get(key)
        if known is None:
            _limited(self._on_parts)
            known = self._on_parts[key] = (part, taken_on(part, step))
        return known[1]


def _limited(found: dict[Any, Any]) -> None:
    """Drops the older half of what is full."""
    if len(found) >= _MOST:
        for key in list(found)[: _MOST // 2]:
            del found[key]
