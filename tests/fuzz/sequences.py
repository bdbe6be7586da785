"""One random sequence of steps on one random program, checked from end to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.program import Program, walk
from mlc.schedules.schedule import Schedule
from mlc.testing.checking import Subject, is_bound
from mlc.testing.choices import Choices
from mlc.testing.draw import draw_program
from mlc.testing.refusals import judge_refusal
from mlc.testing.steps import Call, draw_call

MOST_STEPS = 8
PROBES = 2
REFUSED_OFTEN = (
    "reorder", "parallel", "vectorize", "bind", "merge", "fission", "decompose_reduction",
    "cache_write", "cache_read", "reverse_compute_at", "compute_at", "rfactor", "pipeline",
    "transform_block_layout", "parallel", "vectorize", "merge", "reorder", "bind",
)  # fmt: skip
MARKS = ("vectorize", "parallel", "bind", "unroll")
SIZE = 400  # statements: a sequence ends where the program has grown beyond


@dataclass
class Tally:
    """What came of all sequences so far.

    A sequence is accepted if it has steps and all of them were; a refused one ends with the first
    step that is refused. Each accepted one is checked, and so is each refusal.
    """

    sequences: int = 0
    accepted: int = 0
    refused: int = 0
    per_step: Counter[tuple[str, str]] = field(default_factory=Counter)
    probes: Counter[tuple[str, str]] = field(default_factory=Counter)
    judged: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Takes what another tally holds."""
        self.sequences += other.sequences
        self.accepted += other.accepted
        self.refused += other.refused
        for name in ("per_step", "probes", "judged", "rules", "ways"):
            getattr(self, name).update(getattr(other, name))
        self.failures += other.failures


@dataclass
class Failure:
    """A sequence of which something does not hold: ``kind`` says what, ``text`` shows it."""

    kind: str
    text: str
    choices: list[list[int]] = field(default_factory=list)
    pasted: str = ""


class Wrong(Exception):
    """Something does not hold."""

    def __init__(self, kind: str, text: str, schedule: Schedule, call: Call | None) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text
        self.schedule, self.call = schedule, call


def run_sequence(
    choices_for: Callable[[int], Choices], tally: Tally, ways: Callable[[], list[str]]
) -> Schedule:
    """Draws a program with ``choices_for(0)`` and steps with those for 1, 2, ...; checks the
    refusals on the way, and in the end what was accepted. Raises :class:`Wrong`."""
    first = choices_for(0)
    program = draw_program(first)
    schedule = Schedule(program, seed=first.below(4))
    tally.sequences += 1
    marks = first.between(1, 2) if first.one_in(4) else 0  # what do others make of marked loops?
    for number in range(1, first.between(1, MOST_STEPS) + 1):
        if sum(1 for _ in walk(schedule.program.body)) > SIZE:
            break
        choices = choices_for(number)
        take_one(schedule, choices, tally, MARKS if number <= marks else ())
        for _ in range(PROBES):  # what would be refused here?
            take_one(schedule.copy(), choices, tally, REFUSED_OFTEN, is_probe=True)
    if schedule.trace:
        chosen = ways()
        if is_bound(schedule.program) and "simulate" not in chosen:
            chosen.append("simulate")  # nothing else runs threads
        tally.ways.update(chosen)
        try:
            Subject(program).check(schedule, chosen)
        except Exception as error:
            way = str(error).partition(":")[0] if isinstance(error, AssertionError) else "blocks"
            raise Wrong(f"accepted, {way}", str(error), schedule, None) from error
        tally.accepted += 1
    return schedule


def take_one(
    schedule: Schedule,
    choices: Choices,
    tally: Tally,
    names: tuple[str, ...] = (),
    is_probe: bool = False,
) -> None:
    """One step, any or one of ``names``, taken or refused; a probe is counted apart."""
    before: Program = schedule.program
    taken = len(schedule.trace)
    call = draw_call(schedule, choices, choices.pick(names) if names else "")
    counts = tally.probes if is_probe else tally.per_step
    try:
        call.take(schedule)
    except NotProvenError:
        counts[call.name, "unproven"] += 1
    except ScheduleError as error:
        if schedule.program is not before or len(schedule.trace) != taken:
            raise Wrong("a refused step changed the program", str(call), schedule, call) from error
        if error.refusal is None:
            counts[call.name, "does not fit"] += 1
            return
        counts[call.name, "refused"] += 1
        tally.refused += 1
        try:
            shown, forced = judge_refusal(schedule, call, error)
        except Exception as crash:
            text = f"{call}: {type(crash).__name__}: {crash}"
            raise Wrong("judging a refusal crashes", text, schedule, call) from crash
        tally.judged[call.name, shown, forced] += 1
        if shown == "rule":
            tally.rules[call.name, error.refusal.rule[:100]] += 1
        if shown == "lie":
            raise Wrong("the witness of a refusal is none", str(error), schedule, call) from error
    except Exception as error:
        text = f"{call}: {type(error).__name__}: {error}"
        raise Wrong(f"{call.name} crashes", text, schedule, call) from error
    else:
        counts[call.name, "accepted"] += 1
