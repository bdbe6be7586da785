"""What tuning found: the best schedule of each kernel, how much faster it is, what was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ir.program import Program
from ..schedules.decorator import ScheduleFunction
from .candidate import DEFAULT, Candidate
from .outcome import Comparison, Outcome
from .pasting import default_function, is_replayed, schedule_function
from .workload import Workload

if TYPE_CHECKING:
    from .report import Report

_ROUNDS = 6  # fewer measurements beside the default than these say little


@dataclass(frozen=True, eq=False)
class Trial:
    """One candidate, what became of it, and when: seconds after tuning began."""

    number: int
    candidate: Candidate
    outcome: Outcome
    at: float


def fair_ratio(outcome: Outcome) -> float:
    """How many times the default's speed a candidate has, as far as is known: of one that was given
    up after a few rounds, no more than the least that it may be. 0 if it does not run."""
    if not outcome.is_ok or outcome.ratio is None:
        return 0.0
    if outcome.rounds < _ROUNDS and outcome.ratio_interval is not None:
        return min(outcome.ratio, outcome.ratio_interval[0])
    return outcome.ratio


def likely_ratio(outcome: Outcome) -> float:
    """What candidates are ranked by: half way, by factors, from the ratio that was measured to the
    least that it may be. Of many lucky measurements the luckiest is not the fastest candidate."""
    fair = fair_ratio(outcome)
    if outcome.ratio_interval is None:
        return fair
    return sqrt(fair * min(max(outcome.ratio_interval[0], 0.0), fair))


@dataclass(eq=False)
class KernelResult:
    """What was tried on one workload. ``best`` is the default schedule unless another was found to
    be faster beyond the noise, which ``comparison`` says."""

    workload: Workload
    trials: list[Trial] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    best: Candidate = DEFAULT
    comparison: Comparison | None = None
    default_seconds: float | None = None

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.workload.name

    @property
    def speedup(self) -> Comparison:
        """The best schedule beside the default one: ``.ratio``, ``.interval``, ``.verdict``."""
        return self.comparison or Comparison(1.0, (1.0, 1.0), "within noise", 0)

    @property
    def program(self) -> Program:
        """The program with the best schedule."""
        return self.best.program(self.workload)

    @property
    def best_schedule(self) -> ScheduleFunction:
        """The best schedule as a value and decorator; prints as the Python that takes its steps.

        Some default schedules make blocks that no steps over plain loops make. Where nothing faster
        was found than one of those, it is the nearest one that has such steps, and says so."""
        if self.best.kind != "default":
            return schedule_function(self.best, self.workload)
        ran = [t for t in self.trials if t.candidate.kind == "trace" and fair_ratio(t.outcome) > 0]
        ran.sort(key=lambda t: -likely_ratio(t.outcome))
        near = next((t for t in ran if is_replayed(t.candidate, self.workload)), None)
        pair = None if near is None else (near.candidate, near.outcome)
        return default_function(self.workload, pair)

    @property
    def counts(self) -> Counter[str]:
        """How many candidates came to each end; "refused" are draws that steps did not allow."""
        found: Counter[str] = Counter(trial.outcome.status for trial in self.trials)
        found["refused"] += sum(self.refused.values())
        return +found

    @property
    def curve(self) -> list[tuple[int, float, float]]:
        """The best so far: (number of the trial, seconds since the start, its ratio)."""
        best, points = 1.0, []
        for trial in self.trials:
            best = max(best, fair_ratio(trial.outcome))
            points.append((trial.number, trial.at, best))
        return points

    def __str__(self) -> str:
        speedup = self.speedup
        low, high = speedup.interval
        word = "default" if self.best.kind == "default" else f"{self.best.origin}"
        return (
            f"{self.name}: {speedup.ratio:.2f} times the default's speed ({low:.2f} to "
            f"{high:.2f}), by {word}; {sum(self.counts.values())} candidates"
        )


@dataclass(eq=False)
class TuningResult:
    """What ``mlc.tune`` returns. ``interrupted`` says that Ctrl-C ended it before its time."""

    name: str
    kernels: list[KernelResult]
    seconds: float = 0.0
    seconds_measuring: float = 0.0
    seconds_drawing: float = 0.0
    seconds_idle: float = 0.0
    interrupted: bool = False

    def __iter__(self) -> Iterator[KernelResult]:
        return iter(self.kernels)

    def __len__(self) -> int:
        return len(self.kernels)

    @property
    def best_schedule(self) -> Any:
        """The best schedule where there is one kernel; else all of them, which print as source."""
        if len(self.kernels) == 1:
            return self.kernels[0].best_schedule
        return Schedules([kernel.best_schedule for kernel in self.kernels])

    @property
    def program(self) -> Program:
        """The scheduled program of the one kernel, or of the first."""
        return self.kernels[0].program

    @property
    def speedup(self) -> Comparison:
        """Of the whole: kernels weighted by the time they take with the default schedule."""
        if len(self.kernels) == 1:
            return self.kernels[0].speedup
        rows = [(_share(k), k.speedup) for k in self.kernels]
        total = sum(share for share, _ in rows) or 1.0

        def whole(ratios: list[float]) -> float:
            after = sum(s / r for (s, _), r in zip(rows, ratios, strict=True))
            return total / after if after else 1.0

        low = whole([c.interval[0] for _, c in rows])
        high = whole([c.interval[1] for _, c in rows])
        ratio = whole([c.ratio for _, c in rows])
        verdicts = {c.verdict for _, c in rows}
        verdict = "faster" if "faster" in verdicts else "within noise"
        # Kernels whose default stays were compared with nothing.
        rounds = min((c.rounds for _, c in rows if c.rounds), default=0)
        return Comparison(ratio, (low, high), verdict, rounds)  # type: ignore[arg-type]

    @property
    def counts(self) -> Counter[str]:
        """How many candidates came to each end, of all kernels."""
        return sum((kernel.counts for kernel in self.kernels), Counter())

    @property
    def trials(self) -> int:
        """How many candidates were built and measured."""
        return sum(len(kernel.trials) for kernel in self.kernels)

    @property
    def curve(self) -> list[tuple[int, float, float]]:
        """The points of the one kernel, or of the kernel that takes longest."""
        return max(self.kernels, key=_share).curve

    @property
    def overhead(self) -> float:
        """The share of the time in which nothing was built and nothing ran. Candidates are drawn
        while others are built; ``seconds_drawing`` is what all draws took."""
        if not self.seconds:
            return 0.0
        own = self.seconds - self.seconds_measuring + self.seconds_idle
        return min(max(own / self.seconds, 0.0), 1.0)

    def report(self) -> Report:
        """Which steps bought what, with pictures of the curve and of the space."""
        from .report import report

        return report(self)

    def save(self, path: str | Path, what: str = "curve") -> None:
        """Writes a picture of the "curve" or the "space", as .svg or .png."""
        self.report().save(path, what)

    def table(self) -> str:
        """A line for each kernel: time before, speedup and interval, tried, where it is from."""
        rows = [("kernel", "default", "speedup", "interval", "tried", "from")]
        for kernel in self.kernels:
            speedup, seconds = kernel.speedup, kernel.default_seconds
            low, high = speedup.interval
            rows.append((
                kernel.name,
                "" if seconds is None else f"{seconds * 1e6:.1f} us",
                f"{speedup.ratio:.2f}",
                f"{low:.2f} to {high:.2f}",
                str(sum(kernel.counts.values())),
                kernel.best.origin,
            ))  # fmt: skip
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {status}" for status, n in self.counts.most_common())
        ending = ", interrupted" if self.interrupted else ""
        if any(kernel.workload.target == "cuda-emulated" for kernel in self.kernels):
            ending += "; times are the emulator's on this processor, not a card's"
        return (
            f"{self.name}: {self.speedup}\n{self.table()}\n"
            f"{self.trials} candidates in {self.seconds:.1f} s{ending} ({counts or 'none'})"
        )

    __repr__ = __str__


def _share(kernel: KernelResult) -> float:
    return (kernel.default_seconds or 0.0) * kernel.workload.count


class Schedules(tuple[ScheduleFunction, ...]):
    """Schedules of several kernels; print as the source of all."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    __repr__ = __str__
