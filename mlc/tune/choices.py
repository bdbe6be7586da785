"""What candidates chose: the decisions of a template as axes, with their values and meanings."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import MlcError
from ..schedules.schedule import Schedule
from ..schedules.trace import step_texts
from .report import sure_ratio

if TYPE_CHECKING:
    from .candidate import Candidate
    from .result import KernelResult, Trial
    from .workload import Workload

_MOST_AXES = 16
_ENOUGH = 4  # candidates that chose alike, for a picture of them
_REPLAYS = 4  # candidates that are scheduled again to see what became of their choices
_SAMPLED = re.compile(r"(?:(.+) = )?s\.(sample_\w+)\(")


@dataclass(frozen=True, eq=False)
class Choices:
    """What candidates of one template chose. ``axes`` are the numbers of the choices that differ,
    ``values`` what was chosen there, in order."""

    name: str
    trials: list[Trial]
    axes: list[int]
    values: dict[int, list[Any]]
    chosen: dict[int, list[Any]]  # by the number of the trial

    def place(self, trial: Trial, axis: int) -> float:
        """Where the candidate's choice stands among those of the axis, from 0 to 1."""
        return self.place_of(self.chosen[trial.number][axis - 1], axis)

    def place_of(self, value: Any, axis: int) -> float:
        """The same for one of ``values``."""
        known = self.values[axis]
        return known.index(value) / (len(known) - 1) if len(known) > 1 else 0.5

    def labels(self, axis: int, most: int = 12) -> Iterator[tuple[float, str]]:
        """Places on the axis and what stands there: all values, or ``most`` of them."""
        values = self.values[axis]
        for value in values[:: max(1, -(-len(values) // most))]:
            yield self.place_of(value, axis), str(value[1])[:12]

    def meanings(self, workload: Workload) -> dict[int, str]:
        """For the axes of which a schedule tells it: the step that a choice went into, or else the
        step that followed it. Looks at a few of the candidates."""
        found: dict[int, str] = {}
        seen: set[tuple[int, Any]] = set()
        replays = 0
        for trial in self.trials:
            new = {(a, self.chosen[trial.number][a - 1]) for a in self.axes if a not in found}
            if replays == _REPLAYS or not new - seen:
                continue
            replays += 1
            seen |= new
            for axis, words in enumerate(_meanings(trial.candidate, workload), 1):
                if axis in self.axes and words:
                    found.setdefault(axis, words)
        return found


def choices(kernel: KernelResult) -> Choices | None:
    """The choices of the template that the best schedule came from, or else of the one that was
    tried most; the fastest first. None if no candidate chose anything."""
    # One choice may lead to others: those that chose as often are alike.
    kinds = Counter(_kind(t.candidate) for t in kernel.trials if t.candidate.decisions)
    if not kinds:
        return None
    ((name, length), _), *_ = kinds.most_common(1)
    if kinds[_kind(kernel.best)] >= _ENOUGH:
        name, length = _kind(kernel.best)
    trials = [t for t in kernel.trials if _kind(t.candidate) == (name, length)]
    trials.sort(key=lambda t: -(sure_ratio(t) or 0.0))
    chosen = {t.number: _chosen(t.candidate) for t in trials}
    values = {d: sorted({chosen[t.number][d - 1] for t in trials}) for d in range(1, length)}
    axes = [d for d, known in values.items() if len(known) > 1] or list(values)
    if not axes:
        return None
    axes = axes[:_MOST_AXES]
    return Choices(name, trials, axes, {d: values[d] for d in axes}, chosen)


def _kind(candidate: Candidate) -> tuple[Any, int]:
    return (*candidate.decisions[:1], None)[0], len(candidate.decisions)


def _chosen(candidate: Candidate) -> list[Any]:
    """The decisions as things that sort: numbers by value, others by their text. Where the trace
    holds what a number was chosen from, that is what counts."""
    decisions = list(candidate.decisions[1:])
    steps = [s for s in json.loads(candidate.trace)["steps"] if s["step"].startswith("sample_")]
    if len(steps) == len(decisions):
        for number, step in enumerate(steps):
            options, place = step["with"].get("candidates"), decisions[number]
            if isinstance(options, list) and isinstance(place, int) and place < len(options):
                decisions[number] = options[place]
    return [(0, d) if isinstance(d, int | float) else (1, str(d)) for d in decisions]


def _meanings(candidate: Candidate, workload: Workload) -> list[str]:
    try:
        trace = Schedule.from_json(workload.program, candidate.trace).trace
    except MlcError:
        return []
    return meanings_of(step_texts(trace))


def meanings_of(texts: Sequence[str]) -> list[str]:
    """What each draw among the lines of a schedule is for: the first line that names what was
    drawn, without what that line makes, and with dots in place of the draw. A draw that no line
    names decided about the line behind it, or about nothing that can be seen: ''."""
    found = []
    for number, text in enumerate(texts):
        sampled = _SAMPLED.match(text)
        if sampled is None:
            continue
        names = re.findall(r"\w+", sampled[1] or "")
        word = re.compile(rf"\b(?:{'|'.join(names)})\b") if names else None
        later = [t.rpartition(" = s.")[2].removeprefix("s.") for t in texts[number + 1 :]]
        used = [t for t in later if word is not None and word.search(t)]
        if used and word is not None:
            found.append(word.sub("..", used[0]))
        elif later and not later[0].startswith("sample_"):
            found.append(f"about {later[0]}")
        else:
            found.append("")
    return found
