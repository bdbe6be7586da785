"""Tape: what the sampling steps of a template choose, dictated or drawn, and what they might have.

A template is a function over a schedule that samples. Running it on a tape gives a candidate and
the list of its choices; running it again with some of them changed gives a relative of it. A
template may branch on what it sampled: a dictated choice that does not fit there any more is drawn
anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from math import isqrt, prod
from typing import Any, Literal

from ..errors import NotProvenError, ScheduleError
from ..ir.program import Block, Program
from ..records import dataclass
from ..schedules.refusal import Refusal
from ..schedules.schedule import Schedule, step_method
from ..schedules.step import Step, block_name, find_loop
from ..schedules.steps.sample_compute_location import compute_locations

Mode = Literal["draw", "likely", "first"]
_SAMPLING = ("sample_categorical", "sample_perfect_tile", "sample_compute_location")
_MOST_TILES = 4096  # beyond so many ways to factor an extent, options are not listed


@dataclass(frozen=True)
class Choice:
    """One decision and its place among the ``options``; () where there are too many to list."""

    kind: str
    decision: Any
    options: tuple[Any, ...]

    @property
    def place(self) -> int:
        """The number of the decision among the options; -1 if it is none of them."""
        return self.options.index(self.decision) if self.decision in self.options else -1


@dataclass(frozen=True)
class Other:
    """Stands for any decision but this one, where there are others."""

    decision: Any


class Tape:
    """Answers the sampling steps of one run of a template.

    Choice n is ``given[n]`` if that fits, or another one where :class:`Other` is given; else
    ``mode`` says what: drawn by chance, the likeliest, or the first of the options. ``choices`` are
    those made so far, ``asked`` the questions, as :meth:`answer` takes them.
    """

    def __init__(self, rng: random.Random, given: Sequence[Any] = (), mode: Mode = "draw") -> None:
        self.rng = rng
        self.given = list(given)
        self.mode = mode
        self.choices: list[Choice] = []
        self.asked: list[tuple[Any, ...]] = []

    def schedule(self, program: Program, tries: bool = True) -> Schedule:
        """A schedule of ``program`` whose sampling steps ask this tape. Without ``tries`` it
        refuses what is not proven, and does not run small programs to find out."""
        made = Schedule(program)
        made.random = self.rng
        answers: tuple[Callable[..., Any], ...] = (self._categorical, self._tile, self._location)
        for name, answer in zip(_SAMPLING, answers):
            vars(made)[name] = _bound(answer, made)
        if not tries:
            vars(made)["_tried"] = _not_proven
        return made

    @property
    def decisions(self) -> tuple[Any, ...]:
        """What was chosen, in order."""
        return tuple(choice.decision for choice in self.choices)

    def answer(
        self,
        kind: str,
        options: tuple[Any, ...],
        weights: Sequence[float] | None,
        fits: Callable[[Any], bool] | None = None,
        draw: Callable[[], Any] | None = None,
    ) -> Any:
        """Decides one question: which of ``options``, by ``weights``; where there are too many to
        list, whatever ``fits``, or what ``draw`` draws."""
        place = len(self.choices)
        self.asked.append((kind, options, weights, fits, draw))
        given = self.given[place] if place < len(self.given) else None
        if given is not None and (fits(given) if fits else given in options):
            decision = given
        elif isinstance(given, Other) and any(option != given.decision for option in options):
            places = [n for n, option in enumerate(options) if option != given.decision]
            kept = [weights[n] for n in places] if weights else None
            decision = options[self.rng.choices(places, kept)[0]]
        elif draw is not None and (self.mode == "draw" or not options):
            decision = draw()
        elif self.mode == "first":
            decision = options[0]
        elif self.mode == "likely":
            best = max(weights) if weights else 0.0
            decision = options[list(weights).index(best) if weights else len(options) // 2]
        else:
            decision = self.rng.choices(options, weights)[0]
        self.choices.append(Choice(kind, decision, options))
        return decision

    def _categorical(
        self,
        s: Schedule,
        candidates: Sequence[int],
        probabilities: Sequence[float] | None = None,
        decision: int | None = None,
    ) -> Any:
        method = step_method("sample_categorical")
        if decision is not None or not candidates:
            return method(s, candidates, probabilities, decision)
        weights = [1.0] * len(candidates) if probabilities is None else list(probabilities)
        if len(weights) == len(candidates) and any(weights):
            options = tuple(n for n, weight in enumerate(weights) if weight > 0)
            kept = [weights[n] for n in options]
            likely = None if probabilities is None else kept
            decision = self.answer("categorical", options, likely)
        return method(s, candidates, probabilities, decision)

    def _tile(
        self,
        s: Schedule,
        loop: Any,
        n: int,
        max_innermost: int = 16,
        decision: Sequence[int] | None = None,
    ) -> Any:
        method = step_method("sample_perfect_tile")
        if decision is not None or n < 2:
            return method(s, loop, n, max_innermost, decision)
        extent = find_loop(s.program, loop).extent

        def fits(given: Any) -> bool:
            if not isinstance(given, tuple) or len(given) != n:
                return False
            return prod(given) == extent and given[-1] <= max_innermost

        def draw() -> Any:
            made = Schedule(s.program)
            made.random = self.rng
            return tuple(map(int, step_method("sample_perfect_tile")(made, loop, n, max_innermost)))

        options = tiles(extent, n, max_innermost)
        chosen = self.answer("tile", options, None, fits, draw)
        return method(s, loop, n, max_innermost, chosen)

    def _location(
        self, s: Schedule, block: Block | str, reverse: bool = False, decision: int | None = None
    ) -> Any:
        method = step_method("sample_compute_location")
        if decision is None:
            options = tuple(compute_locations(s.program, block_name(block), reverse))
            if not options:
                raise ScheduleError(f"there is no place for block {block_name(block)!r}")
            decision = self.answer("location", options, None)
        return method(s, block, reverse, decision)


def detach(schedule: Schedule) -> None:
    """The schedule without the methods of its own that it was given, which refer to it: so it goes
    when nobody needs it any more, and not when somebody looks for cycles."""
    for name in ("take", "_tried", *_SAMPLING):
        vars(schedule).pop(name, None)


def _not_proven(step: Step, problem: Refusal) -> Any:
    raise NotProvenError(f"{step.name} was not proven: {problem}", refusal=problem)


def _bound(answer: Callable[..., Any], schedule: Schedule) -> Callable[..., Any]:
    def method(*args: Any, unsafe: bool = False, **options: Any) -> Any:
        return answer(schedule, *args, **options)

    return method


@cache
def divisors_of(extent: int) -> tuple[int, ...]:
    """The numbers that divide ``extent``, in order."""
    small = [f for f in range(1, isqrt(extent) + 1) if extent % f == 0]
    return tuple(sorted({*small, *(extent // f for f in small)}))


@cache
def tiles(extent: int, n: int, max_innermost: int) -> tuple[tuple[int, ...], ...]:
    """All ways to write ``extent`` as a product of ``n`` factors, the last at most
    ``max_innermost``; () if there are too many."""
    partial: list[tuple[int, tuple[int, ...]]] = [(extent, ())]
    for position in range(n - 1):
        longer = []
        for rest, tail in partial:
            limit = max_innermost if position == 0 else rest
            longer += [(rest // f, (f, *tail)) for f in divisors_of(rest) if f <= limit]
        if len(longer) > _MOST_TILES:
            return ()
        partial = longer
    return tuple((rest, *tail) for rest, tail in partial)
