"""Results as a table for people, as JSON for machines, and as a chart."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from .harness import LIMIT, Result
from .startup import Figure

RESULTS = Path(__file__).parent / "results"


def in_words(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def machine(threads: int) -> dict[str, Any]:
    """What the figures were taken on."""
    versions = {}
    for name in ("numpy", "llvmlite", "mlc", "jax", "numba", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions,
    }


def header(contenders: list[str]) -> str:
    """The line above the rows."""
    rivals = [name for name in contenders if name not in ("numpy", "mlc", "mlc out=")]
    cells = [f"{'case':<30}", f"{'numpy':>9}", f"{'mlc':>9}", f"{'mlc out=':>9}"]
    cells += [f"{'limit':>9}", f"{'x numpy':>8}", f"{'x out=':>8}", f"{'% limit':>8}"]
    cells += [f"{'x ' + name[:8]:>10}" for name in rivals]
    cells += [f"{'x best':>8} {'best':<13}"] if rivals else []
    return " ".join([*cells, f"{'p90/p10':>8}", f"{'error':>6}"])


def row(result: Result, contenders: list[str]) -> str:
    """One case: times, how many times faster than NumPy, and how near the limit."""
    rivals = [name for name in contenders if name not in ("numpy", "mlc", "mlc out=")]

    def when(name: str) -> str:
        found = result.series.get(name)
        return f"{in_words(found.median) if found else '-':>9}"

    def times(name: str, to: str) -> str:
        ratio = result.ratio(name, to)
        return f"{'-' if ratio is None else f'{ratio:.2f}':>8}"

    best = "mlc out=" if "mlc out=" in result.series else "mlc"
    share = result.share_of_limit(best)
    ours = result.series.get("mlc")
    cells = [f"{result.name:<30}", when("numpy"), when("mlc"), when("mlc out="), when(LIMIT)]
    cells += [times("mlc", "numpy"), times("mlc out=", "numpy")]
    cells += [f"{'-' if share is None else f'{share:.0%}':>8}"]
    cells += [f"{times('mlc', name):>10}" for name in rivals]
    if rivals:
        found = result.best_peer()
        cells += [f"{found[1]:>8.2f} {found[0]:<13}" if found else f"{'-':>8} {'-':<13}"]
    spread = f"{ours.spread:.2f}" if ours else "-"
    error = f"{ours.error:.2f}" if ours and ours.error is not None else "-"
    return " ".join([*cells, f"{spread:>8}", f"{error:>6}"])


def summary(results: Iterable[Result]) -> str:
    """The geometric mean against the best peer of each row, and the rows where mlc is behind."""
    found = [(r.name, *best) for r in results if (best := r.best_peer()) is not None]
    if not found:
        return ""
    mean = math.exp(sum(math.log(ratio) for *_, ratio in found) / len(found))
    behind = [f"{name} ({peer} {ratio:.2f})" for name, peer, ratio in found if ratio < 0.95]
    text = f"{mean:.2f} times as fast as the best peer of each row, in the geometric mean of "
    text += f"{len(found)} rows"
    return text + (f"; behind: {', '.join(behind)}" if behind else "; behind in none")


def startup_rows(figures: Iterable[Figure]) -> str:
    """One line per waiting time, with its goal."""
    lines = []
    for figure in figures:
        goal = ""
        if figure.goal is not None:
            verdict = "met" if figure.seconds <= figure.goal else "MISSED"
            goal = f"goal {in_words(figure.goal)}, {verdict}"
        lines.append(f"{figure.name:<46} {in_words(figure.seconds):>9} {goal}")
    return "\n".join(lines)


def as_data(
    results: list[Result], figures: list[Figure], threads: int, seconds: float
) -> dict[str, Any]:
    """Everything measured, medians and rounds."""
    cases = []
    for result in results:
        series = {
            name: {"median": s.median, "spread": s.spread, "error": s.error, "rounds": s.seconds}
            for name, s in result.series.items()
        }
        ratios = {name: result.ratio(name) for name in result.series}
        shares = {name: result.share_of_limit(name) for name in result.series}
        best = result.best_peer()
        cases.append(
            {
                "name": result.name,
                "best peer": best and {"name": best[0], "ratio": best[1]},
                "group": result.group,
                "series": series,
                "times faster than numpy": ratios,
                "share of limit": shares,
                "failures": result.failures,
            }
        )
    startup = [vars(figure) for figure in figures]
    return {
        "machine": machine(threads),
        "seconds per case": seconds,
        "cases": cases,
        "startup": startup,
    }


def save(data: dict[str, Any], path: Path) -> None:
    """JSON, in a folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")


def plot_roofline(rows: list[tuple[str, float, float, float]], path: Path) -> None:
    """Each case at (flops a byte, GFLOP/s), below the measured ceilings, to a PNG. ``rows`` hold a
    name, flops a byte, flops a second, and what the ceiling allows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5.5), layout="constrained")
    for name, intensity, reached, allowed in rows:
        axes.plot([intensity, intensity], [reached / 1e9, allowed / 1e9], color="0.8", zorder=1)
        axes.scatter([intensity], [allowed / 1e9], marker="_", color="black", s=60)
        axes.scatter([intensity], [reached / 1e9], color="tab:green", s=16, zorder=2)
        axes.annotate(name, (intensity, reached / 1e9), fontsize=5, xytext=(3, -2),
                      textcoords="offset points")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xlabel("operations a byte of input and output")
    axes.set_ylabel("Gflop/s (dot: reached; bar: what the measured ceiling allows)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140)
    pyplot.close(figure)


def plot(results: list[Result], path: Path, against: str = "numpy") -> None:
    """Horizontal bars on a logarithmic scale, to a PNG: times faster than NumPy, or than the
    ``"best"`` peer of each row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def ratio_of(result: Result) -> float | None:
        if against != "best":
            return result.ratio("mlc")
        best = result.best_peer()
        return None if best is None else best[1]

    rated = [(result.name, ratio_of(result)) for result in results]
    rated = [(name, ratio) for name, ratio in rated if ratio is not None][::-1]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.22 * len(rated)), layout="constrained")
    colours = ["tab:green" if ratio >= 1 else "tab:red" for _, ratio in rated]
    # Bars grow from 1, to the right where mlc is ahead.
    lengths = [ratio - 1 for _, ratio in rated]
    axes.barh([name for name, _ in rated], lengths, left=1, color=colours)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}x")
    rival = "the best peer of each row" if against == "best" else "NumPy"
    axes.set_xlabel(f"times faster than {rival} (median of interleaved rounds)")
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.01)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
