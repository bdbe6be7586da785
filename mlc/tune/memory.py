"""Memory: what the runs of templates asked and came to, so that none is made twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .candidate import Candidate
from .tape import Choice, Tape


@dataclass(frozen=True)
class Drawn:
    """One run of a template: the candidate that it made, None if a step was refused, and its
    choices."""

    candidate: Candidate | None
    choices: tuple[Choice, ...]


@dataclass(eq=False)
class Memory:
    """A tree of decisions for each template: at its nodes what was asked, at its leaves what came
    of it. It holds for templates that ask nothing else: what they do follows from the decisions."""

    _asked: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    _drawn: dict[tuple[Any, ...], Drawn] = field(default_factory=dict)

    def foresee(self, name: str, tape: Tape) -> Drawn | None:
        """Makes the choices of a run on ``tape`` as far as the questions are known, and returns
        what the run came to when it was made; None if it never was."""
        while True:
            decisions = (name, *tape.decisions)
            if decisions in self._drawn:
                return self._drawn[decisions]
            if decisions not in self._asked:
                return None
            tape.answer(*self._asked[decisions])

    def keep(self, name: str, tape: Tape, candidate: Candidate | None) -> Drawn:
        """Remembers a run."""
        decisions = (name, *tape.decisions)
        for place, (choice, asked) in enumerate(zip(tape.choices, tape.asked, strict=True)):
            if choice.options:  # what cannot be listed is asked of the program
                self._asked[decisions[: place + 1]] = asked
        made = Drawn(candidate, tuple(tape.choices))
        self._drawn[decisions] = made
        return made
