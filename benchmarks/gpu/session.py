"""What to do first with a card that is lent for half an hour: whether emulation assumed rightly,
what has a goal, then everything else. Started again, it goes on where it was cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .cases import Case
from .isolated import run_isolated

CONFIRMING = 0.25  # of the time, at most
_GOALS = ("softmax", "layer norm", "product bf16", "product f16 4096", "attention bf16", "add")
_GOALS += ("sum of", "transpose", "chain of 8", "decoding")


def first_things_first(cases: Sequence[Case]) -> list[Case]:
    """What has a goal comes first, in case that time is up before the end; and of that, what is
    made for one architecture alone, which no card has run yet."""
    return sorted(cases, key=lambda c: (not c.name.startswith(_GOALS), not c.architecture))


def run_session(
    cases: Sequence[Case],
    flags: Sequence[str],
    results: Path,
    budget: float,
    limit: float,
    tell: Callable[[str], None] = print,
) -> int:
    """Confirms tensor cores and boxes at small sizes, then measures all of ``cases``; returns how
    many failed. What ran before is not run again: rows are in ``results``, and beside it."""
    cases = first_things_first(cases)
    layouts = [c for c in cases if c.group in ("products", "attention") and c.dtype != "float32"]
    confirmed = results.with_name(f"{results.stem}_confirmed.json")
    checking = ["--emulated"] if "--emulated" in flags else ["--confirm", *flags]
    tell(f"are small sizes on the card as emulated? {len(layouts)} cases with tensor cores")
    failed = run_isolated(layouts, checking, confirmed, CONFIRMING * budget, limit, tell, True)
    tell(f"{len(cases)} cases, what has a goal first")
    left = budget * (1 - CONFIRMING)
    return failed + run_isolated(cases, flags, results, left, limit, tell, True)
