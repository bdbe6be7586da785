"""The limits of a measurement, and how careful it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Limits:
    """``build_seconds`` and ``run_seconds`` are the most that one build and one run may take,
    ``memory_bytes`` what a candidate may allocate beyond the data.

    A round times the candidate and the default in turn, each for ``sample_seconds`` at least. There
    are ``rounds`` of them. What may be the best gets up to ``most_rounds``, until the ratio is
    known to ``precision`` or ``patience_seconds`` are over; ``drift`` is how far the default's own
    time may move before that is noted. What is ``hopeless`` times slower than the best after one
    round gets no more.

    ``cache="cold"`` drives the data out of the processor's caches before each call. ``threads`` is
    what parallel kernels may use, None: what they may here.
    """

    build_seconds: float = 20.0
    run_seconds: float = 10.0
    memory_bytes: int = 2 << 30
    sample_seconds: float = 200e-6
    rounds: int = 6
    most_rounds: int = 30
    patience_seconds: float = 0.25
    precision: float = 0.02
    hopeless: float = 2.0
    drift: float = 0.1
    cache: Literal["warm", "cold"] = "warm"
    threads: int | None = None
    workers: int | None = None

    def to_data(self) -> dict[str, Any]:
        """The limits as plain data."""
        return asdict(self)
