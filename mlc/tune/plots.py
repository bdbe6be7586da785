"""The pictures of a search as PNG, drawn by matplotlib where that is installed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .choices import choices
from .pictures import BEST, DOT, REJECTED, fastest, nudge, shade, speeds, speeds_text
from .report import longest, sure_ratio

if TYPE_CHECKING:
    from .result import KernelResult, TuningResult


def save_png(result: TuningResult, path: Path, what: str = "curve") -> None:
    """Draw the tuning curve of all kernels, or the space of the kernel that takes longest."""
    try:
        # Without pyplot: no window system is asked for, and no figure of the user's is touched.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ArgumentError(
            f"{path.name} needs matplotlib (pip install matplotlib); an .svg does not"
        ) from None
    kernels = result.kernels if what == "curve" else [longest(result)]
    figure = Figure(figsize=(8, 3.4 * len(kernels) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    for number, kernel in enumerate(kernels, 1):
        axes = figure.add_subplot(len(kernels), 1, number)
        (_curve if what == "curve" else _space)(axes, kernel)
    figure.savefig(path, dpi=150)


def _curve(axes: Any, kernel: KernelResult) -> None:
    points = [(t.at, r) for t in kernel.trials if (r := sure_ratio(t)) is not None]
    axes.scatter([at for at, _ in points], [r for _, r in points], s=14, color=DOT, zorder=2)
    best, line = 1.0, [(0.0, 1.0)]
    for at, ratio in points:
        best = max(best, ratio)
        line.append((at, best))
    axes.step([at for at, _ in line], [r for _, r in line], where="post", color=BEST, zorder=3)
    axes.axhline(1.0, color="#1f2430", linewidth=0.8)
    rejected = Counter(
        "too slow" if t.outcome.is_ok else t.outcome.status
        for t in kernel.trials
        if sure_ratio(t) is None
    )
    marks = [t.at for t in kernel.trials if sure_ratio(t) is None]
    low = min([1.0, *(r for _, r in points)]) * 0.85
    axes.scatter(marks, [low] * len(marks), marker="|", s=30, color=REJECTED)
    words = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g} x")
    axes.yaxis.set_minor_formatter("{x:.2g} x")
    axes.set_xlabel("seconds")
    axes.set_ylabel("times the default's speed")
    axes.set_title(f"{kernel.name}{f'; rejected: {words}' if words else ''}", fontsize=10)


def _space(axes: Any, kernel: KernelResult) -> None:
    found = choices(kernel)
    if found is None:
        raise ArgumentError("no candidate of this kernel chose anything: there is no space")
    low, high = speeds(found.trials)
    best = fastest(found.trials)
    for trial in reversed(found.trials):
        places = [found.place(trial, axis) + nudge(trial) / 300 for axis in found.axes]
        colour = BEST if trial is best else shade(sure_ratio(trial), low, high)
        axes.plot(range(len(places)), places, color=colour, linewidth=2 if trial is best else 0.8)
    for number, axis in enumerate(found.axes):
        axes.axvline(number, color="#e5e7eb", linewidth=0.8, zorder=0)
        for place, label in found.labels(axis):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            axes.annotate(
                label, (number, place), (5, 0), textcoords="offset points", fontsize=7,
                va="center", bbox=box,
            )  # fmt: skip
    axes.set_xticks(range(len(found.axes)), [str(axis) for axis in found.axes])
    axes.set_yticks([])
    axes.set_frame_on(False)
    lines = [f"choice; {speeds_text(low, high)}"]
    for axis, words in found.meanings(kernel.workload).items():
        lines.append(f"{axis:>2}  {words if len(words) <= 90 else words[:87] + '...'}")
    axes.set_xlabel("\n".join(lines), fontsize=8, loc="left")
    title = f"{kernel.name}: choices of {len(found.trials)} candidates of “{found.name}”"
    axes.set_title(title, fontsize=10)
