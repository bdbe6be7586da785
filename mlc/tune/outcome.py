"""Outcome: what became of one candidate; and how two candidates compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Status = Literal[
    "ok", "refused", "build failed", "crashed", "timeout", "out of memory", "wrong result"
]
Verdict = Literal["faster", "slower", "within noise"]
NOISE = 0.01  # two measurements of one thing differ by as much, whatever their intervals say


@dataclass(frozen=True)
class Outcome:
    """How the building and running of a candidate ended.

    ``seconds`` is the median time of a call and ``interval`` the bounds of that median, 95 times in
    100; both are None unless ``status`` is "ok", which says too that the results were right.
    ``ratio`` is the default schedule's time over the candidate's, round by round: above 1, the
    candidate is faster. ``detail`` is a sentence: why it failed, or what to know of the timing.
    ``proof`` names the data that the results were compared on. ``machine`` tells where it ran,
    and ``target`` what code that machine runs: times hold for that alone. ``known_at`` is when it
    was first known, of this process's `time.perf_counter`; None where another one measured.
    """

    status: Status
    seconds: float | None = None
    interval: tuple[float, float] | None = None
    detail: str = ""
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    ratio: float | None = None
    ratio_interval: tuple[float, float] | None = None
    default_seconds: float | None = None
    rounds: int = 0
    proof: tuple[str, ...] = ()
    machine: str = ""
    target: str = ""
    known_at: float | None = field(default=None, compare=False)

    @property
    def is_ok(self) -> bool:
        """Whether it ran, was right and has a time."""
        return self.status == "ok"

    @property
    def verdict(self) -> Verdict:
        """How it compares with the default schedule; "within noise" too where that is unknown."""
        if self.ratio_interval is None or self.rounds < 6:
            return "within noise"
        return verdict_of(self.ratio_interval)

    def to_data(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {**asdict(self), "known_at": None}

    @staticmethod
    def from_data(data: dict[str, Any]) -> Outcome:
        """What :meth:`to_data` gave, also after a way through JSON."""
        values = {f.name: data[f.name] for f in fields(Outcome) if f.name in data}
        for name in ("interval", "ratio_interval", "proof"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return Outcome(**values)


@dataclass(frozen=True)
class Comparison:
    """Of ``a`` with ``b``: ``ratio`` is b's time over a's, ``verdict`` says what a is.

    No winner is named unless the whole interval lies to one side of 1, with a margin. Without
    ``rounds``, nothing was found that would be worth a comparison: the code is the same.
    """

    ratio: float
    interval: tuple[float, float]
    verdict: Verdict
    rounds: int

    def __str__(self) -> str:
        if not self.rounds:
            return "the default schedule stays"
        low, high = self.interval
        bounds = f"({low:.3f} to {high:.3f}, {self.rounds} rounds)"
        if self.verdict == "within noise":
            return f"within noise, ratio {self.ratio:.3f} {bounds}"
        if self.verdict == "faster":
            return f"{self.ratio:.3f} times faster {bounds}"
        return f"{1 / self.ratio:.3f} times slower, ratio {bounds}"


def verdict_of(interval: Sequence[float], noise: float = NOISE) -> Verdict:
    """What the interval of a ratio (the other's time over ours) says of ours."""
    low, high = interval
    if low > 1 + noise:
        return "faster"
    if high < 1 / (1 + noise):
        return "slower"
    return "within noise"
