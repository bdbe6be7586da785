"""What a schedule's steps did to the script: as text, in colours, as HTML."""

from __future__ import annotations

import html
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import ArgumentError, UnsupportedError
from ..ir.html import highlighted
from ..schedules.trace import step_texts
from .difference import Line, difference

if TYPE_CHECKING:
    from ..ir.program import Program
    from ..schedules.schedule import Schedule

_TERMINAL = {"+": "32", "-": "31", ">": "36", "<": "36", "#": "1"}
# Half transparent, so that they suit light and dark pages.
_BACKGROUND = {"+": "rgba(46,160,67,.22)", "-": "rgba(248,81,73,.22)"}


@dataclass(frozen=True)
class ShownStep:
    """One step: its line of Python, what it changed, and low-level NumPy of the result if asked."""

    title: str
    lines: tuple[Line, ...]
    numpy: str = ""


@dataclass(frozen=True)
class Shown:
    """Steps and what they changed; prints as text, and shows in colours in a notebook.

    Marks: ``+`` a new line, ``-`` one that is gone, ``>`` and ``<`` one that only moved deeper into
    the loops or out of them.
    """

    steps: tuple[ShownStep, ...] = field(default_factory=tuple)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def text(self, colour: bool = False) -> str:
        """The steps, one after the other; with ``colour``, for a terminal."""

        def painted(mark: str, line: str) -> str:
            code = _TERMINAL.get(mark) if colour and line else None
            return f"\x1b[{code}m{line}\x1b[0m" if code else line

        out: list[str] = []
        for step in self.steps:
            out += [""] if out else []
            out.append(painted("#", f"# {step.title}"))
            out += [painted(line.mark, str(line)) for line in step.lines]
            out += ["", *step.numpy.splitlines()] if step.numpy else []
        return "\n".join(out)

    def _repr_html_(self) -> str:
        return "".join(_step_html(step) for step in self.steps)


def show(
    schedule: Schedule,
    step: int | None = None,
    *,
    all: bool = False,
    numpy: bool = False,
    colour: bool | None = None,
) -> None:
    """Writes :func:`shown` to standard output, in colours if that is a terminal."""
    made = shown(schedule, step, all=all, numpy=numpy)
    if colour is None:
        colour = sys.stdout.isatty()
    sys.stdout.write(made.text(colour) + "\n")


def shown(
    schedule: Schedule, step: int | None = None, *, all: bool = False, numpy: bool = False
) -> Shown:
    """The script after a step, with what that step changed.

    The last step, or step number ``step`` counted from 0 (negative: from the end); with ``all`` the
    program before the first step and then every step. ``numpy`` adds each program as low-level
    NumPy. Raises :class:`ArgumentError` for a step that was not taken.
    """
    trace = schedule.trace
    titles = step_texts(trace)
    if all or not trace:
        title = f"{schedule.original.name}, before the first step"
        start = _shown_step(title, schedule.original, schedule.original, numpy)
        return Shown((start, *(_of_step(schedule, n, titles, numpy) for n in range(len(trace)))))
    number = len(trace) - 1 if step is None else step
    if not -len(trace) <= number < len(trace):
        raise ArgumentError(
            f"{schedule.program.name} has the steps 0 to {len(trace) - 1}; there is no {number}"
        )
    return Shown((_of_step(schedule, number % len(trace), titles, numpy),))


def _of_step(schedule: Schedule, number: int, titles: Sequence[str], numpy: bool) -> ShownStep:
    taken = schedule.trace[number]
    return _shown_step(f"step {number}: {titles[number]}", taken.before, taken.after, numpy)


def _shown_step(title: str, before: Program, after: Program, numpy: bool) -> ShownStep:
    lines = tuple(difference(before.script(), after.script()))
    return ShownStep(title, lines, _numpy_text(after) if numpy else "")


def _numpy_text(program: Program) -> str:
    from ..backends.numpy import lnumpy_text

    try:
        return lnumpy_text(program)
    except UnsupportedError as error:
        return f"# no low-level NumPy: {error.message}"


def _step_html(step: ShownStep) -> str:
    rows = []
    for line in step.lines:
        colour = _BACKGROUND.get(line.mark)
        style = f' style="background:{colour}"' if colour else ""
        code = html.escape(line.text) if line.mark == "-" else highlighted(line.text)
        rows.append(f"<span{style}>{html.escape(line.mark)} {code}</span>\n")
    out = f"<b><code>{html.escape(step.title)}</code></b>"
    out += f'<pre style="font-size:13px;line-height:1.35">{"".join(rows)}</pre>'
    if step.numpy:
        code = highlighted(step.numpy)
        out += (
            f'<details><summary>NumPy</summary><pre style="font-size:13px">{code}</pre></details>'
        )
    return out
