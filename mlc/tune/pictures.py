"""Pictures of a search as SVG: the tuning curve, and the space that was explored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..looking.machine import time_text
from ..looking.svg import FAINT, INK, Canvas, Picture
from .choices import choices
from .report import sure_ratio

if TYPE_CHECKING:
    from .result import KernelResult, Trial, TuningResult

WIDTH, LEFT, RIGHT = 760, 110, 30
_PLOT = 220  # height of the part with the dots
_LANE = 18  # height of the line of one reason
_GRID = "#e5e7eb"
DOT, BEST, REJECTED = "#93b4e8", "#c2410c", "#9ca3af"
_SLOW, _FAST = (226, 232, 240), (30, 64, 175)


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
    if kernel.best.kind != "default":
        shown += f"; compared in the end: {kernel.speedup.ratio:.2f} x"
    canvas.text(LEFT, top + 14, f"{kernel.name}{shown}", prose=True)
    for ratio in _ticks(low, high):
        canvas.path(f"M {LEFT} {y(ratio):.1f} H {WIDTH - RIGHT}", INK if ratio == 1 else _GRID, 1)
        label = "default" if ratio == 1 else f"{ratio:g} x"
        canvas.text(LEFT - 8, y(ratio) + 4, label, size=11, colour=FAINT, anchor="end", prose=True)
    for at, ratio in points:
        canvas.box(x(at) - 2.5, y(ratio) - 2.5, 5, 5, DOT, radius=2.5, kind="candidate")
    best, line = 1.0, f"M {LEFT} {y(1.0):.1f}"
    for at, ratio in points:
        if ratio > best:
            best = ratio
            line += f" H {x(at):.1f} V {y(ratio):.1f}"
    canvas.path(f"{line} H {WIDTH - RIGHT}", BEST, 2)
    if best > 1:
        canvas.text(
            WIDTH - RIGHT, y(best) - 6, f"{best:.2f} x", colour=BEST, anchor="end", prose=True
        )
    bottom = _lanes(canvas, kernel.trials, x, top + 30 + _PLOT + 14)
    for at in _times(seconds):
        canvas.text(
            x(at), bottom + 16, f"{at:g} s", size=11, colour=FAINT, anchor="middle", prose=True
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
                canvas.box(x(trial.at) - 1, y, 2, 10, REJECTED, kind="rejected")
        canvas.text(WIDTH - RIGHT + 4, y + 9, str(count), size=11, colour=FAINT, prose=True)
    return top + len(counts) * _LANE


def _reason(trial: Trial) -> str:
    return "too slow" if trial.outcome.is_ok else trial.outcome.status


def _range(ratios: Sequence[float]) -> tuple[float, float]:
    """Bounds that hold all ratios and 1, with some air."""
    low, high = min([*ratios, 1.0]), max([*ratios, 1.0])
    return min(low / 1.1, 0.8), max(high * 1.15, 1.25)


def _times(seconds: float) -> list[float]:
    """Round times from 0 to at most ``seconds``: four to eight of them."""
    scale = 10.0 ** math.floor(math.log10(seconds / 3))
    step = next(m for m in (5, 2, 1) if m * scale <= seconds / 3) * scale
    return [n * step for n in range(int(seconds / step + 1e-9) + 1)]


def _ticks(low: float, high: float) -> list[float]:
    """Round ratios, among them 1; fewer where they would stand close together."""
    found = [m * 10.0**e for e in range(-4, 5) for m in (1, 2, 5)]
    inside = [t for t in found if low <= t <= high]
    if len(inside) < 3:
        inside = sorted({*inside, *(t for t in (0.8, 0.9, 1.1, 1.2, 1.5) if low <= t <= high)})
    return inside


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

    def y(place: float) -> float:
        return 70 + height * (1 - place)

    for number, axis in enumerate(axes):
        canvas.path(f"M {places[axis]:.1f} 70 V {70 + height}", _GRID, 1)
        canvas.text(
            places[axis], 56, f"choice {axis}" if number == 0 else str(axis), size=11,
            colour=FAINT, anchor="middle", prose=True,
        )  # fmt: skip
    low, high = speeds(trials)
    best = fastest(trials)
    for trial in reversed(trials):
        ratio = sure_ratio(trial)
        points = [(places[d], y(found.place(trial, d)) + nudge(trial)) for d in axes]
        data = "M " + " L ".join(f"{px:.1f} {py:.1f}" for px, py in points)
        colour = BEST if trial is best else shade(ratio, low, high)
        canvas.path(data, colour, 2.5 if trial is best else 1)
    for axis in axes:
        for place, label in found.labels(axis):
            at = places[axis] + 8, y(place) + 4
            width = 6.5 * len(label) + 4
            canvas.box(at[0] - 2, at[1] - 10, width, 13, "#ffffff", radius=3)
            canvas.text(*at, label, size=10, prose=True)
    foot = 70 + height + 30
    canvas.text(40, foot, speeds_text(low, high), size=11, colour=FAINT, prose=True)
    for axis, words in found.meanings(kernel.workload).items():
        foot += 17
        canvas.text(40, foot, f"{axis}", size=11, colour=FAINT, prose=True)
        canvas.text(64, foot, words if len(words) <= 90 else words[:87] + "...", size=11)
    return canvas.picture(WIDTH, foot + 20, f"The space explored for {kernel.name}")


def speeds(trials: Sequence[Trial]) -> tuple[float, float]:
    """The slowest and the fastest of those that were measured, as ratios."""
    ratios = [r for t in trials if (r := sure_ratio(t)) is not None]
    return min(ratios, default=1.0), max(ratios, default=1.0)


def speeds_text(low: float, high: float) -> str:
    """What the colours of a space mean."""
    return (
        f"slowest {low:.2f} times the default's speed, fastest (red) {high:.2f}; "
        "light: slower or not run"
    )


def fastest(trials: Sequence[Trial]) -> Trial | None:
    """The one that is drawn in red."""
    measured = (t for t in trials if sure_ratio(t) is not None)
    return max(measured, key=lambda t: sure_ratio(t) or 0.0, default=None)


def nudge(trial: Trial) -> float:
    """How far a line is moved, in pixels: those that would hide each other are apart by what the
    number of their candidate gives."""
    return (trial.number * 7 % 11 - 5) * 0.9


def shade(ratio: float | None, low: float, high: float) -> str:
    """The colour of a line: the darker the faster."""
    share = 0.0
    if ratio is not None and high > low:
        share = (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(_SLOW, _FAST))
    return f"#{red:02x}{green:02x}{blue:02x}"
