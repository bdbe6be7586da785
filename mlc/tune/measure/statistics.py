"""What samples say: medians with intervals, and how sure a ratio is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...runtime.timing import Interval, median_interval

_MANY = 64  # rounds, from which on the time is looked at in parts
_PARTS = 4
UNSTEADY = 0.1  # how far a quarter of the samples may lie from another, as a part of it


@dataclass(frozen=True)
class Ratio:
    """The other's time over ours, sample by sample. ``drift`` is how far the other's time moved
    meanwhile, as a part of it: of one thing, so it is the machine that changed."""

    ratio: Interval
    ours: Interval
    rival: Interval
    rounds: int
    drift: float

    @property
    def uncertainty(self) -> float:
        """How far the bounds lie from the median, as a part of it."""
        high, low = self.ratio.high / self.ratio.median, self.ratio.low / self.ratio.median
        return max(high - 1, 1 - low)


def ratio_of(
    ours: Sequence[float],
    rival: Sequence[float],
    usual: float | None = None,
    unsteady: float = UNSTEADY,
) -> Ratio:
    """The ratio of samples taken in turn, with an interval that holds for any distribution.

    Where the rival's time moves by more than ``unsteady``, there are more speeds than one, and who
    met which is chance: the bounds are then those of the rival's fast against our slow quarter, and
    the other way round. ``usual`` is what the rival takes in other measurements: where it took
    longer than that in this one, a ratio that needs it does not count as known.

    Where there are many rounds, chance is known better: like is then compared with like, the fast
    quarters, the slow ones, and the medians of every part of the time by itself.
    """
    pairs = [(max(a, 1e-12), max(b, 1e-12)) for a, b in zip(ours, rival)]
    mine, theirs = sorted(a for a, _ in pairs), sorted(b for _, b in pairs)
    ratio = median_interval([b / a for a, b in pairs])
    rival_interval = median_interval(theirs)
    drift = max(_spread(theirs), _halves([b for _, b in pairs]))
    low, high = ratio.low, ratio.high
    if drift > unsteady:
        low = min(low, _quarter(theirs, 1) / _quarter(mine, 3))
        high = max(high, _quarter(theirs, 3) / _quarter(mine, 1))
    if usual is not None and rival_interval.median > usual * (1 + unsteady):
        drift = max(drift, rival_interval.median / usual - 1)
        low = min(low, usual / _quarter(mine, 3))
    else:
        usual = None
    if len(pairs) >= _MANY and (drift > unsteady or usual is not None):
        alike = _alike([b / a for a, b in pairs], mine, theirs, usual)
        low, high = max(low, min(ratio.low, *alike)), min(high, max(ratio.high, *alike))
    return Ratio(
        Interval(ratio.median, low, high),
        median_interval(mine),
        rival_interval,
        len(pairs),
        drift,
    )


def _alike(
    ratios: Sequence[float], mine: Sequence[float], theirs: Sequence[float], usual: float | None
) -> list[float]:
    """Bounds of the ratio from each part of the time and from equal quarters of the samples."""
    size = len(ratios) // _PARTS
    parts = [median_interval(ratios[n * size : (n + 1) * size]) for n in range(_PARTS)]
    found = [bound for part in parts for bound in (part.low, part.high)]
    found += [_quarter(theirs, n) / _quarter(mine, n) for n in (1, 3)]
    return found if usual is None else [*found, usual / _quarter(mine, 1)]


def fast_quarter(samples: Sequence[float]) -> float:
    """The time below which a quarter of the samples lies."""
    return _quarter(sorted(samples), 1)


def _quarter(ordered: Sequence[float], number: int) -> float:
    return ordered[(len(ordered) - 1) * number // 4]


def _spread(ordered: Sequence[float]) -> float:
    return _quarter(ordered, 3) / _quarter(ordered, 1) - 1 if len(ordered) >= 4 else 0.0


def _halves(samples: Sequence[float]) -> float:
    half = len(samples) // 2
    if half < 3:
        return 0.0
    medians = [median_interval(part).median for part in (samples[:half], samples[-half:])]
    return max(medians) / min(medians) - 1
