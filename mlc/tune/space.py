"""Space: all schedules that the templates of a workload can make, as a place to walk in."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ScheduleError
from ..runtime.collector import collector_held_back
from ..schedules.schedule import Schedule
from .candidate import Candidate, made_candidate
from .memory import Drawn, Memory
from .steps import TakenBefore
from .tape import Choice, Mode, Other, Tape, detach
from .workload import Workload

_GIVEN_UP = (
    200  # draws in a row that are refused or known already until a space counts as exhausted
)
_CUTS = 8  # ways to cross two candidates until they count as the same


@dataclass(frozen=True)
class Template:
    """A function over a schedule that samples; ``weight`` says how often to draw from it.

    A pure one does nothing but what follows from its decisions, and is run once for each list of
    them. Its steps are refused at once where they are not proven: running small programs both ways,
    as schedules do otherwise, takes longer than many a trial."""

    name: str
    function: Callable[[Schedule], Any]
    weight: float = 1.0
    is_pure: bool = False


@dataclass(eq=False)
class Space:
    """The candidates of ``workload`` that ``templates`` make.

    Every method returns a candidate that is legal, or None for a draw whose steps were refused:
    ``refusals`` counts those by the rule. Nothing of what templates raise leaves the space, but for
    errors that are no refusals: a template with a mistake in it should be heard.
    """

    workload: Workload
    templates: Sequence[Template]
    refusals: Counter[str] = field(default_factory=Counter)
    draws: int = 0
    seconds: float = 0.0  # that all draws took
    memory: Memory = field(default_factory=Memory)
    taken: dict[bool, TakenBefore] = field(
        default_factory=lambda: {
            is_pure: TakenBefore(refusals=is_pure) for is_pure in (True, False)
        }
    )

    def make(
        self,
        name: str,
        given: Sequence[Any],
        rng: random.Random,
        origin: str,
        mode: Mode = "draw",
    ) -> Candidate | None:
        """The candidate of template ``name`` with the decisions ``given``, as far as they fit."""
        return self.run(name, given, rng, origin, mode).candidate

    def run(
        self,
        name: str,
        given: Sequence[Any],
        rng: random.Random,
        origin: str,
        mode: Mode = "draw",
    ) -> Drawn:
        """One run of a template, or what it came to when it was made."""
        began = time.perf_counter()
        self.draws += 1
        template, tape = self._template(name), Tape(rng, given, mode)
        try:
            if template.is_pure:
                known = self.memory.foresee(name, tape)
                if known is not None:
                    return known
                tape = Tape(rng, [*tape.decisions, *given[len(tape.choices) :]], mode)
            with collector_held_back():  # programs stay: they are remembered
                candidate = self._made(template, tape, origin)
            return self.memory.keep(name, tape, candidate)
        finally:
            self.seconds += time.perf_counter() - began

    def _made(self, template: Template, tape: Tape, origin: str) -> Candidate | None:
        schedule = tape.schedule(self.workload.program, tries=not template.is_pure)
        self.taken[template.is_pure].attach(schedule)
        try:
            template.function(schedule)
        except ScheduleError as error:
            self.refusals[_rule(error)] += 1
            return None
        finally:
            detach(schedule)
        decisions = (template.name, *tape.decisions)
        return made_candidate(schedule, f"{template.name}: {origin}", decisions)

    def _template(self, name: str) -> Template:
        return next(t for t in self.templates if t.name == name)

    def seeds(self, rng: random.Random) -> Iterator[Candidate]:
        """What each template thinks likeliest: expert knowledge, to be tried first. Each is made
        when it is asked for: those before it may be built meanwhile."""
        made = (self.make(t.name, (), rng, "expert", "likely") for t in self.templates)
        return (candidate for candidate in made if candidate is not None)

    def sample(self, rng: random.Random) -> Candidate | None:
        """A candidate drawn by chance."""
        if not self.templates:
            return None
        (chosen,) = rng.choices(self.templates, [t.weight for t in self.templates])
        return self.make(chosen.name, (), rng, "random")

    def mutate(self, candidate: Candidate, rng: random.Random, many: int = 1) -> Candidate | None:
        """A relative of ``candidate``: up to ``many`` decisions changed, the others kept."""
        name, *decisions = candidate.decisions
        if not decisions:
            return None
        for place in rng.sample(range(len(decisions)), min(many, len(decisions))):
            decisions[place] = Other(decisions[place])
        return self.make(name, decisions, rng, "mutation")

    def crossover(self, one: Candidate, other: Candidate, rng: random.Random) -> Candidate | None:
        """A child: decisions of ``one`` with a run of those of ``other`` in between."""
        name, *mine = one.decisions
        if not other.decisions or other.decisions[0] != name or not mine:
            return None
        theirs = list(other.decisions[1:])
        for _ in range(_CUTS):
            low, high = sorted(rng.sample(range(len(mine) + 1), 2))
            child = [*mine[:low], *theirs[low:high], *mine[high:]]
            if child not in (mine, theirs):
                return self.make(name, child, rng, "crossover")
        return None

    def neighbours(self, candidate: Candidate, rng: random.Random) -> Iterator[Candidate]:
        """Those that differ from ``candidate`` in one decision, by one place among the options."""
        name, *decisions = candidate.decisions
        found = self.run(name, decisions, rng, "neighbour")
        moves = [
            (place, step)
            for place, choice in enumerate(found.choices)
            for step in (-1, 1)
            if _moved(choice, step) is not None
        ]
        rng.shuffle(moves)
        for place, step in moves:
            changed = list(decisions)
            changed[place] = _moved(found.choices[place], step)
            made = self.make(name, changed, rng, "neighbour")
            if made is not None:
                yield made

    def grid(self) -> Iterator[Candidate]:
        """Every candidate, template by template; what has too many options to list is drawn."""
        rng = random.Random(0)
        for template in self.templates:
            given: list[Any] | None = []
            while given is not None:
                tape = Tape(rng, given, "first")
                self.draws += 1
                candidate = self._made(template, tape, "grid")
                if candidate is not None:
                    yield candidate
                given = _next_given(tape.choices)


def _moved(choice: Choice, step: int) -> Any:
    """The option ``step`` places away, or None."""
    place = choice.place
    if place < 0 or not 0 <= place + step < len(choice.options):
        return None
    return choice.options[place + step]


def _next_given(choices: Sequence[Choice]) -> list[Any] | None:
    """The decisions after these, the last counting fastest; None after the last ones."""
    for place in range(len(choices) - 1, -1, -1):
        following = _moved(choices[place], 1)
        if following is not None:
            return [*(c.decision for c in choices[:place]), following]
    return None


def _rule(error: ScheduleError) -> str:
    """The rule that was broken, without the places: what refusals are counted by."""
    refusal = getattr(error, "refusal", None)
    text = refusal.rule if refusal is not None else error.message
    return text.partition("\n")[0].partition(": ")[0][:100]


class Fresh:
    """Lets each candidate through once, by what its program is, and gives up on a space that has
    no more to offer."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.known: set[str] = set()
        self._keys: dict[str, str] = {}

    def is_new(self, candidate: Candidate) -> bool:
        """Whether no candidate so far had the same program; remembers this one."""
        key = self._key(candidate)
        if key in self.known:
            return False
        self.known.add(key)
        return True

    def forget(self, candidate: Candidate) -> None:
        """Lets the candidate through once more."""
        self.known.discard(self._key(candidate))

    def _key(self, candidate: Candidate) -> str:
        from ..ir.structural import structural_key

        if candidate.trace not in self._keys:
            self._keys[candidate.trace] = structural_key(candidate.program(self.workload))
        return self._keys[candidate.trace]

    def take(self, count: int, draw: Callable[[], Candidate | None]) -> Iterator[Candidate]:
        """Up to ``count`` new candidates of those that ``draw`` makes."""
        found = missed = 0
        while found < count and missed < _GIVEN_UP:
            candidate = draw()
            if candidate is not None and self.is_new(candidate):
                found, missed = found + 1, 0
                yield candidate
            else:
                missed += 1
