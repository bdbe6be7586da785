"""Candidate: one way to schedule a workload, as text that travels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..ir.program import Program
from ..schedules.schedule import Schedule
from .workload import Workload


@dataclass(frozen=True)
class Candidate:
    """``kind`` is "default" for the schedule that the workload has without tuning, else "trace".

    ``trace`` is the schedule as JSON, ``origin`` says where it comes from, ``decisions`` what its
    template chose (the template's name first). Two of the same trace are the same.
    """

    kind: Literal["default", "trace"]
    trace: str = ""
    origin: str = field(default="", compare=False)
    decisions: tuple[Any, ...] = field(default=(), compare=False)
    _made: list[Any] = field(default_factory=list, compare=False, repr=False)

    def schedule(self, workload: Workload) -> Schedule:
        """The schedule of the workload's program; :class:`ScheduleError` if it does not fit, or if
        this is the default schedule, which need not be one."""
        if self.kind == "default":
            return Schedule(workload.default)
        return Schedule.from_json(workload.program, self.trace)

    def program(self, workload: Workload) -> Program:
        """The scheduled program, whose params are those of the workload's; kept once made."""
        if self.kind == "default":
            return workload.default
        if not self._made:
            self._made.append(self.schedule(workload).program)
        program: Program = self._made[0]
        return program

    @property
    def drawn(self) -> Program | None:
        """The scheduled program of a trace, where this process has made it."""
        return self._made[0] if self._made else None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_made": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


STORED = "stored"  # the origin of what earlier tuning found; it is no trial of this one
DEFAULT = Candidate("default", origin="default")


def made_candidate(schedule: Schedule, origin: str, decisions: tuple[Any, ...]) -> Candidate:
    """The candidate for a schedule that was just made: its program need not be made again."""
    return Candidate("trace", schedule.to_json(), origin, decisions, [schedule.program])
