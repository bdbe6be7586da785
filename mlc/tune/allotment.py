"""Which kernel gets the next trials: the one where they are expected to save most time."""

from __future__ import annotations

from dataclasses import dataclass, field

_HOPE = 0.5  # the share of a kernel's time that somebody who knows nothing hopes to save


@dataclass(eq=False)
class Lot:
    """One kernel: the time it takes of a run, and how trials on it paid so far."""

    seconds: float  # of one run of the function, with the best schedule so far
    tried: int = 0
    exhausted: bool = False
    gains: list[tuple[int, float]] = field(default_factory=list)  # (trials, share that they saved)

    def observe(self, trials: int, seconds: float) -> None:
        """After ``trials`` more the kernel takes ``seconds``."""
        saved = max(1 - seconds / self.seconds, 0.0) if self.seconds else 0.0
        self.gains.append((trials, saved))
        self.tried += trials
        self.seconds = seconds

    @property
    def expected(self) -> float:
        """Seconds of a run that one more trial is expected to save: what the last ones saved, and
        hope, which fades with the number of trials."""
        if self.exhausted:
            return 0.0
        recent = self.gains[-3:]
        trials = sum(n for n, _ in recent)
        paid = sum(share for _, share in recent) / trials if trials else 0.0
        hope = _HOPE / (self.tried + 4)
        return self.seconds * (0.5 * paid + 0.5 * hope)


def next_lot(lots: list[Lot]) -> int | None:
    """The number of the lot to try next; None if all are exhausted."""
    open_ones = [n for n, lot in enumerate(lots) if not lot.exhausted]
    return max(open_ones, key=lambda n: lots[n].expected, default=None)
