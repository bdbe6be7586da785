"""What tuning did, to read and to look at: which steps bought what, the curve, the space."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, MlcError
from ..ir.program import Program
from ..looking.cost import Cost, parts_of, total_cost
from ..looking.machine import bytes_text, this_machine, time_text
from ..looking.svg import Picture
from ..schedules.schedule import Schedule
from ..schedules.trace import step_texts

if TYPE_CHECKING:
    from .result import KernelResult, TuningResult

_SHOWN = 60  # characters of a step
_SAME = 0.01  # changes of the prediction below this share are none


@dataclass(frozen=True)
class StepRow:
    """One step of a schedule, and what the model says of the program after it: the time of the
    resource that bounds it on one thread, and what moves from memory. None where it cannot say."""

    step: str
    cost: Cost | None
    gain: float = 1.0  # the predicted time before over that after

    @property
    def bound(self) -> str:
        """What the time is bound by."""
        return "" if self.cost is None else self.cost.bound


@dataclass(frozen=True, eq=False)
class Report:
    """Prints as text; shows itself with pictures in a notebook; ``save`` writes the pictures."""

    result: TuningResult

    def __str__(self) -> str:
        return "\n\n".join([str(self.result), *map(kernel_text, self.result.kernels)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        pictures = "".join(p.svg for p in (self.curve, *self.spaces))
        return f"<pre>{html.escape(str(self))}</pre>{pictures}"

    @property
    def curve(self) -> Picture:
        """Every candidate over time, the best so far, and what was rejected."""
        from .pictures import curve_picture

        return curve_picture(self.result)

    @property
    def spaces(self) -> list[Picture]:
        """For each kernel: what its candidates chose, and how fast they were."""
        from .pictures import space_picture

        found = (space_picture(kernel) for kernel in self.result.kernels)
        return [picture for picture in found if picture is not None]

    def save(self, path: str | Path, what: str = "curve") -> None:
        """Write a picture: ``what`` is "curve" or "space" (of the kernel that takes longest). By
        the ending of ``path``, as .svg, or as .png where matplotlib is installed."""
        path = Path(path)
        if what not in ("curve", "space"):
            raise ArgumentError(f"what is 'curve' or 'space', got {what!r}")
        if path.suffix == ".png":
            from .plots import save_png

            save_png(self.result, path, what)
            return
        if path.suffix != ".svg":
            raise ArgumentError(f"pictures are written as .svg or .png, got {path.name!r}")
        picture: Picture | None = self.curve
        if what == "space":
            from .pictures import space_picture

            picture = space_picture(longest(self.result))
        if picture is None:
            raise ArgumentError("no candidate of this kernel chose anything: there is no space")
        picture.save(path)


def report(result: TuningResult) -> Report:
    """The report on what ``mlc.tune`` returned."""
    return Report(result)


def longest(result: TuningResult) -> KernelResult:
    """The kernel that takes most of the time."""
    return max(result.kernels, key=lambda k: (k.default_seconds or 0.0) * k.workload.count)


def kernel_text(kernel: KernelResult) -> str:
    """The steps of a kernel's best schedule with what the model says each bought, then what was
    measured."""
    default, best = kernel.default_seconds, kernel.best
    head = f"{kernel.name}: "
    if best.kind == "default" or default is None:
        return f"{head}the default schedule stays{_why(kernel)}"
    speedup = kernel.speedup
    low, high = speedup.interval
    lines = [
        f"{head}what the steps bought, by the model of explain() on one thread",
        *_table(step_rows(kernel)),
        f"measured: {time_text(default / speedup.ratio)}, default {time_text(default)}: "
        f"{speedup.ratio:.2f} times its speed ({low:.2f} to {high:.2f})",
        _comparison(kernel),
    ]
    return "\n".join(filter(None, lines))


def _why(kernel: KernelResult) -> str:
    measured = [t for t in kernel.trials if t.candidate.kind != "default" and t.outcome.is_ok]
    if not measured:
        return ": no other candidate ran"
    return f": none of {len(measured)} others was faster beyond the noise"


def step_rows(kernel: KernelResult) -> list[StepRow]:
    """What the model says before any step, and after each step of the best schedule."""
    from .pasting import decided

    workload = kernel.workload
    rows = [StepRow("the plain program", _cost(workload.program))]
    if kernel.best.kind == "default":
        return rows
    schedule = Schedule.from_json(workload.program, decided(kernel.best.trace))
    for text, taken in zip(step_texts(schedule.trace), schedule.trace, strict=True):
        before, after = rows[-1].cost, _cost(taken.after)
        gain = 1.0
        if before is not None and after is not None and after.seconds:
            gain = before.seconds / after.seconds
        rows.append(StepRow(text, after, gain))
    return rows


def _cost(program: Program) -> Cost | None:
    """The predicted cost; None for programs that the model does not know."""
    try:
        return total_cost(parts_of(program, this_machine()))
    except MlcError:
        return None


def _table(rows: Sequence[StepRow]) -> Iterator[str]:
    table = [("step", "time", "bound", "from memory", "bought")]
    for row in rows:
        step = row.step if len(row.step) <= _SHOWN else row.step[: _SHOWN - 3] + "..."
        if row.cost is None:
            table.append((step, "?", "", "", ""))
            continue
        cost = row.cost
        bought = "" if abs(row.gain - 1) < _SAME else f"x {row.gain:.2f}"
        moved = bytes_text(from_memory(cost))
        table.append((step, time_text(cost.seconds), cost.bound, moved, bought))
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        yield "  " + "  ".join(map(str.ljust, line, widths)).rstrip()


def from_memory(cost: Cost) -> float:
    """The bytes that move into the last cache."""
    return dict(cost.moved).get("L3", 0.0)


def _comparison(kernel: KernelResult) -> str:
    """The model's view of the default schedule, for what it is worth."""
    default = _cost(kernel.workload.default)
    best = _cost(kernel.program)
    if default is None or best is None or not best.seconds:
        return ""
    return (
        f"predicted: {time_text(best.seconds)} ({best.bound}), default "
        f"{time_text(default.seconds)} ({default.bound}): {default.seconds / best.seconds:.2f} "
        "times its speed"
    )


def sure_ratio(trial: Any) -> float | None:
    """The default's time over the candidate's, where it was measured in enough rounds."""
    from .progress import SURE_ROUNDS

    outcome = trial.outcome
    if not outcome.is_ok or not outcome.ratio:
        return None
    if trial.candidate.kind != "default" and outcome.rounds < SURE_ROUNDS:
        return None
    ratio: float = outcome.ratio
    return ratio
