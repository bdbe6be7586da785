"""What every step of a schedule did to the footprint, the traffic and the bound."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..ir.program import Program
from ..schedules.trace import step_texts
from .cost import Cost, parts_of, total_cost
from .lanes import heaviest_rows
from .machine import Facts, bytes_text, this_machine, time_text
from .nests import Nest

if TYPE_CHECKING:
    from ..schedules.schedule import Schedule

_HEADS = ("step", "time", "bound", "into L1", "into L2", "into L3", "iteration in L1")


@dataclass(frozen=True)
class ExplainedStep:
    """A step's line of Python, the cost of the program after it, and the largest piece of the
    program that L1 holds: the outermost loop one of whose iterations fits."""

    title: str
    cost: Cost
    reused: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The step as the text of a row."""
        moved = (bytes_text(count) for _, count in self.cost.moved)
        return (self.title, time_text(self.cost.seconds), self.cost.bound, *moved, self.reused)


@dataclass(frozen=True)
class ExplainedSteps:
    """A row for each step; iterate over ``steps`` for the numbers."""

    name: str
    steps: tuple[ExplainedStep, ...]

    def __str__(self) -> str:
        rows = [_HEADS, *(step.cells for step in self.steps)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([f"{self.name}, predicted on one thread", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        rows = "".join(line(step.cells, "td") for step in self.steps)
        return f"<table>{line(_HEADS, 'th')}{rows}</table>"


def explain_steps(schedule: Schedule, facts: Facts | None = None) -> ExplainedSteps:
    """The predicted cost of the program before the first step of ``schedule`` and after each."""
    known = facts or this_machine()
    rows = [_explained("before the first step", schedule.original, known)]
    for taken, title in zip(schedule.trace, step_texts(schedule.trace), strict=True):
        rows.append(_explained(title, taken.after, known))
    return ExplainedSteps(schedule.program.name, tuple(rows))


def _explained(title: str, program: Program, facts: Facts) -> ExplainedStep:
    parts = parts_of(program, facts)
    longest = max(parts, key=lambda part: part.cost.seconds)
    return ExplainedStep(title, total_cost(parts), _reused(longest.nest, facts))


def _reused(nest: Nest, facts: Facts) -> str:
    around = heaviest_rows(nest)[0].loops if nest.accesses else ()
    for inner in nest.nests():
        found = inner.one_iteration
        if inner.loop in around and inner.loop is not None and facts.levels[0].holds(found):
            return f"{inner.loop.var.name}: {bytes_text(sum(f.lines for f in found.values()))}"
    return "nothing"
