"""Pictures of a search as SVG: the tuning curve, and the space that was explored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..looking.machine import time_text
from ..looking.svg import FAINT, INK, Canvas, Picture
from .report import sure_ratio

if TYPE_CHECKING:
    from .result import KernelResult, Trial, TuningResult

WIDTH, LEFT, RIGHT = 760, 110, 30
_PLOT = 220  # height of the part with the dots
_LANE = 18  # height of the line of one reason
_GRID = "#e5e7eb"
_DOT, _BEST, _REJECTED = "#93b4e8", "#c2410c", "#9ca3af"
_SLOW, _FAST = (226, 232, 240), (30, 64, 175)
_MOST_AXES = 16


def curve_picture(result: TuningResult) -> Picture:
    """One panel a kernel: a dot for each candidate that was measured, the best so far as a line,
    and below them a mark for each that was rejected, by its reason."""
    canvas = Canvas()
    seconds = max((t.at for k in result.kernels for t in k.trials), default=0.0) or 1.0
    top = 50.0
    canvas.text(LEFT, 30, f"{result.name}: {result.trials} candidates", bold=True, prose=True)
    for kernel in result.kernels:
        top = _panel(canvas, kernel, seconds, top) + 40
    return canvas.picture(WIDTH, top, f"Tuning curve of {result.name}")


def _panel(canvas: Canvas, kernel: KernelResult, seconds: float, top: float) -> float:
    """Draws a kernel below ``top``; returns where it ends."""
    points = [(t.at, r) for t in kernel.trials if (r := sure_ratio(t)) is not None]
    low, high = _range([r for _, r in points])
    across = WIDTH - LEFT - RIGHT

    def x(at: float) -> float:
        return LEFT + across * at / seconds

    def y(ratio: float) -> float:
        share = (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low))
        return top + 30 + _PLOT * (1 - share)

    default = kernel.default_seconds
    shown = f", default {time_text(default)}" if default else ""
    canvas.text(LEFT, top + 14, f"{kernel.name}{shown}", prose=True)
    for ratio in _ticks(low, high):
        canvas.path(f"M {LEFT} {y(ratio):.1f} H {WIDTH - RIGHT}", INK if ratio == 1 else _GRID, 1)
        label = "default" if ratio == 1 else f"{ratio:g} x"
        canvas.text(LEFT - 8, y(ratio) + 4, label, size=11, colour=FAINT, anchor="end", prose=True)
    for at, ratio in points:
        canvas.box(x(at) - 2.5, y(ratio) - 2.5, 5, 5, _DOT, radius=2.5, kind="candidate")
    best, line = 1.0, f"M {LEFT} {y(1.0):.1f}"
    for at, ratio in points:
        if ratio > best:
            best = ratio
            line += f" H {x(at):.1f} V {y(ratio):.1f}"
    canvas.path(f"{line} H {WIDTH - RIGHT}", _BEST, 2)
    if best > 1:
        canvas.text(
            WIDTH - RIGHT, y(best) - 6, f"{best:.2f} x", colour=_BEST, anchor="end", prose=True
        )
    bottom = _lanes(canvas, kernel.trials, x, top + 30 + _PLOT + 14)
    for part in range(5):
        at = seconds * part / 4
        canvas.text(
            x(at), bottom + 16, f"{at:.3g} s", size=11, colour=FAINT, anchor="middle", prose=True
        )
    return bottom + 16


def _lanes(canvas: Canvas, trials: Sequence[Trial], x: Any, top: float) -> float:
    """A line for each reason, with a mark for each candidate that was rejected for it."""
    counts: Counter[str] = Counter()
    counts.update(_reason(t) for t in trials if sure_ratio(t) is None)
    for lane, (reason, count) in enumerate(counts.most_common()):
        y = top + lane * _LANE
        canvas.text(LEFT - 8, y + 9, reason, size=11, colour=FAINT, anchor="end", prose=True)
        for trial in trials:
            if sure_ratio(trial) is None and _reason(trial) == reason:
                canvas.box(x(trial.at) - 1, y, 2, 10, _REJECTED, kind="rejected")
        canvas.text(WIDTH - RIGHT + 4, y + 9, str(count), size=11, colour=FAINT, prose=True)
    return top + len(counts) * _LANE


def _reason(trial: Trial) -> str:
    return "too slow" if trial.outcome.is_ok else trial.outcome.status


def _range(ratios: Sequence[float]) -> tuple[float, float]:
    """Bounds that hold all ratios and 1, with some air."""
    low, high = min([*ratios, 1.0]), max([*ratios, 1.0])
    return min(low / 1.1, 0.8), max(high * 1.15, 1.25)


def _ticks(low: float, high: float) -> list[float]:
    """Round ratios, among them 1; fewer where they would stand close together."""
    found = [m * 10.0**e for e in range(-4, 5) for m in (1, 2, 5)]
    inside = [t for t in found if low <= t <= high]
    if len(inside) < 3:
        inside = sorted({*inside, *(t for t in (0.8, 0.9, 1.1, 1.2, 1.5) if low <= t <= high)})
    return inside


@dataclass(frozen=True, eq=False)
class Choices:
    """What candidates of one template chose. ``axes`` are the numbers of the choices that differ,
    ``values`` what was chosen there, in order."""

    name: str
    trials: list[Trial]
    axes: list[int]
    values: dict[int, list[Any]]

    def place(self, trial: Trial, axis: int) -> float:
        """Where the candidate's choice stands among those of the axis, from 0 to 1."""
        return self.place_of(_key(trial, axis), axis)

    def place_of(self, value: Any, axis: int) -> float:
        """The same for one of ``values``."""
        known = self.values[axis]
        return known.index(value) / (len(known) - 1) if len(known) > 1 else 0.5


def choices(kernel: KernelResult) -> Choices | None:
    """The choices of the template that was tried most; None if no candidate chose anything."""
    # One choice may lead to others: those that chose as often are alike.
    kinds = Counter(_kind(t) for t in kernel.trials if t.candidate.decisions)
    if not kinds:
        return None
    (name, length), _ = kinds.most_common(1)[0]
    trials = [t for t in kernel.trials if _kind(t) == (name, length)]
    every = range(1, length)
    axes = [d for d in every if len({_key(t, d) for t in trials}) > 1] or list(every)
    if not axes:
        return None
    axes = axes[:_MOST_AXES]
    return Choices(name, trials, axes, {d: sorted({_key(t, d) for t in trials}) for d in axes})


def space_picture(kernel: KernelResult) -> Picture | None:
    """What the candidates of the template that was tried most chose: an axis for each choice, a
    line for each candidate, the darker the faster, the lightest for those that did not run. None if
    no candidate chose anything."""
    found = choices(kernel)
    if found is None:
        return None
    trials, axes = found.trials, found.axes
    canvas = Canvas()
    title = f"{kernel.name}: choices of {len(trials)} candidates of “{found.name}”"
    canvas.text(40, 30, title, bold=True, prose=True)
    height = 300.0
    step = (WIDTH - 160) / max(len(axes) - 1, 1)
    places = {d: 80 + step * n for n, d in enumerate(axes)}

    def y(axis: int, value: Any) -> float:
        return 70 + height * (1 - found.place_of(value, axis))

    for number, axis in enumerate(axes):
        canvas.path(f"M {places[axis]:.1f} 70 V {70 + height}", _GRID, 1)
        canvas.text(
            places[axis], 60, f"choice {axis}" if number == 0 else str(axis), size=11,
            colour=FAINT, anchor="middle", prose=True,
        )  # fmt: skip
    ratios = [r for t in trials if (r := sure_ratio(t)) is not None]
    low, high = min(ratios, default=1.0), max(ratios, default=1.0)
    for trial in sorted(trials, key=lambda t: sure_ratio(t) or 0.0):
        ratio = sure_ratio(trial)
        # Lines that would hide each other are apart by what their candidate's number gives.
        nudge = (trial.number * 7 % 11 - 5) * 0.9
        points = [(places[d], y(d, _key(trial, d)) + nudge) for d in axes]
        data = "M " + " L ".join(f"{px:.1f} {py:.1f}" for px, py in points)
        is_best = ratio is not None and ratio == high
        canvas.path(data, _BEST if is_best else _colour(ratio, low, high), 2.5 if is_best else 1)
    for axis in axes:
        for value in _labelled(found.values[axis]):
            label = str(value[1])[:12]
            canvas.text(places[axis] + 5, y(axis, value) + 4, label, size=10, prose=True)
    foot = 70 + height + 30
    canvas.text(
        40, foot, f"slowest {low:.2f} times the default's speed, fastest (red) {high:.2f}; "
        "light: slower or not run", size=11, colour=FAINT, prose=True,
    )  # fmt: skip
    return canvas.picture(WIDTH, foot + 20, f"The space explored for {kernel.name}")


def _kind(trial: Trial) -> tuple[Any, int]:
    return (*trial.candidate.decisions[:1], None)[0], len(trial.candidate.decisions)


def _key(trial: Trial, axis: int) -> tuple[int, Any]:
    """A decision as something that sorts: numbers by value, others by their text."""
    value = trial.candidate.decisions[axis]
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _labelled(values: Sequence[Any]) -> Sequence[Any]:
    """All values, or as many as there is room for."""
    every = max(1, -(-len(values) // 12))
    return values[::every]


def _colour(ratio: float | None, low: float, high: float) -> str:
    share = 0.0
    if ratio is not None and high > low:
        share = (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(_SLOW, _FAST))
    return f"#{red:02x}{green:02x}{blue:02x}"
