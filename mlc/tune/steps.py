"""Steps that were taken before: templates begin alike, and what they do again is not done again."""

from __future__ import annotations

from typing import Any

from ..errors import ScheduleError
from ..ir.program import Program
from ..schedules.schedule import Schedule, Taken
from ..schedules.step import Step

_MOST = 6000  # steps that are remembered; each holds a program, which shares most of its parts


class TakenBefore:
    """Remembers what each step made of each program.

    Steps are values and pure, and programs never change: the same step on the same program makes
    the same program, whose loops are the same objects, so that what follows is found again too.
    Where ``refusals`` is set, those are remembered as well, without the sentence's hints at how
    the schedule came there.
    """

    def __init__(self, refusals: bool = False) -> None:
        self.refusals = refusals
        self._made: dict[tuple[int, Step], tuple[Program, Program, tuple[Any, ...]]] = {}
        self._refused: dict[tuple[int, Step], tuple[Program, ScheduleError]] = {}

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
            schedule.trace.append(Taken(step, made, before, program, False, schedule._part_of))
            schedule.program = program
            return made
        if key in self._refused:
            error = self._refused[key][1]
            raise type(error)(error.message, refusal=error.refusal)
        try:
            made = Schedule.take(schedule, step)
        except ScheduleError as error:
            if self.refusals:
                _limited(self._refused)
                known_as = type(error)(error.message, refusal=error.refusal)
                self._refused[key] = (before, known_as)
            raise
        _limited(self._made)
        self._made[key] = (before, schedule.program, made)
        return made


def _limited(found: dict[Any, Any]) -> None:
    """Drops the older half of what is full."""
    if len(found) >= _MOST:
        for key in list(found)[: _MOST // 2]:
            del found[key]
