"""What becomes of a refused step that is taken all the same."""

from __future__ import annotations

from ..errors import MlcError, ScheduleError
from ..ir.forms import check_blocks
from ..ir.program import Program
from ..schedules.legality import Difference, Same, same_meaning, verify
from ..schedules.refusal import Refusal
from ..schedules.schedule import Schedule
from .steps import Call

CONCURRENT = ("parallel", "vectorize", "bind")
SYMBOLS = 60_000


def judge_refusal(schedule: Schedule, call: Call, error: ScheduleError) -> tuple[str, str]:
    """How the refusal of ``call`` is shown to be right, and what happens if the step is forced.

    The first is ``"witness"`` (two iterations that do clash), ``"lie"`` (its witness is none),
    ``"difference"`` (no witness, but the outputs change), or ``"rule"`` (a sentence alone). The
    second is ``"differs"``, ``"malformed"``, ``"impossible"``, ``"race"`` (a concurrent loop over
    the witness), ``"harmless"`` or ``"open"``.
    """
    refusal = error.refusal
    assert isinstance(refusal, Refusal)
    forced, after = forced_outcome(schedule, call)
    changes = forced in ("differs", "malformed")
    if refusal.witness is None:
        return "difference" if changes else "rule", forced
    if not verify(schedule.program, refusal.witness):
        # Iterations may be those that the step would make.
        if after is None or not verify(after, refusal.witness):
            return "difference" if changes else "lie", forced
    if call.name in CONCURRENT and forced == "harmless":
        forced = "race"
    return "witness", forced


def forced_outcome(schedule: Schedule, call: Call) -> tuple[str, Program | None]:
    """What taking ``call`` with ``unsafe=True`` does to the program, and the program after it."""
    other = schedule.copy()
    try:
        call.take(other, unsafe=True)
    except Exception:
        return "impossible", None
    after = other.program
    try:
        check_blocks(after, parts=True)
        found = same_meaning(schedule.program, after, SYMBOLS)
    except MlcError:
        return "malformed", after
    match found:
        case Difference():
            return "differs", after
        case Same():
            return "harmless", after
        case _:
            return "open", after
