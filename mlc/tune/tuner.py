"""``mlc.tune``: search, measurement and records put together, under a budget that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ArgumentError
from ..schedules.decorator import ScheduleFunction
from ..schedules.schedule import Schedule
from ..schedules.tuned import remember
from .allotment import Lot, next_lot
from .candidate import DEFAULT, Candidate
from .measure.measurer import Measurer
from .measure.runner import FailureError
from .outcome import Comparison, Outcome
from .result import KernelResult, Trial, TuningResult, decided, fair_ratio
from .search import NAMES, search_named
from .space import Space, Template
from .targets import workloads_for
from .workload import Workload

SECONDS = 60.0  # the budget where neither seconds nor trials are named
BATCH = 8  # candidates between two looks at which kernel to go on with
_FINALISTS = 3  # candidates that are compared with the default schedule once more
_FINAL_SHARE = 0.15  # of the budget is kept for that


@dataclass(frozen=True)
class Options:
    """How to tune; see :func:`tune`."""

    budget: float | None = None
    trials: int | None = None
    search: str = "evolutionary"
    space: Any = None
    seed: int = 0
    model: bool = True
    on_trial: Callable[[KernelResult, Trial], Any] | None = None
    measure: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("budget", "trials"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ArgumentError(f"{name} is a number above 0, got {value!r}")
        if self.search not in NAMES:
            raise ArgumentError(
                f"unknown search {self.search!r}; expected one of {', '.join(NAMES)}"
            )


def tune(what: Any, *args: Any, **options: Any) -> TuningResult:
    """Search for schedules of ``what`` that are faster than the default ones, and check them.

    ``what`` is a jitted function (then ``args`` and further keywords are those of a call), a tensor
    program, a schedule (whose program is what has to be beaten), te tensors, or what `mlc.build`
    made. Each kernel is tuned by itself; time goes where it is expected to pay.

    ``budget`` is in seconds, ``trials`` in candidates over all kernels; either ends the search (60
    seconds if none is named). ``search`` is "evolutionary", "random", "greedy" or "grid". ``space``
    is a function over a schedule that samples: a template of your own in place of those that the
    structure of the program suggests. The same ``seed`` draws the same candidates. Ctrl-C ends the
    search with the best so far.

    Candidate 0 is the default schedule: nothing slower is ever returned, and nothing that is not
    faster beyond the noise.
    """
    known = {name: options.pop(name) for name in Options.__dataclass_fields__ if name in options}
    chosen = Options(**known)
    workloads = workloads_for(what, args, options)
    return tune_workloads(workloads, chosen, getattr(what, "__name__", workloads[0].name))


def tune_workloads(workloads: Sequence[Workload], options: Options, name: str = "") -> TuningResult:
    """The result for workloads that are parts of one function."""
    tuner = _Tuner(workloads, options)
    result = TuningResult(name or workloads[0].name, tuner.results)
    try:
        tuner.search()
        tuner.decide()
    except KeyboardInterrupt:
        result.interrupted = True
        tuner.settle()
    finally:
        tuner.close()
        tuner.remember()
    result.seconds = time.perf_counter() - tuner.began
    result.seconds_measuring = tuner.measuring
    return result


def space_of(workload: Workload, template: Any = None) -> Space:
    """The space of a workload: from its structure, or from the user's template."""
    if template is None:
        from .spaces.structural import structural_space

        return structural_space(workload)
    if not callable(template):
        raise ArgumentError(
            f"space is a function over a schedule that samples, got {type(template).__name__}"
        )
    name = getattr(template, "__name__", "template")
    run: Callable[[Schedule], Any] = template
    if isinstance(template, ScheduleFunction):

        def run(s: Schedule) -> Any:
            return template.function(s, **template.options)

    return Space(workload, [Template(name, run)])


class _Tuner:
    """One run: a search and a measurer for each kernel."""

    def __init__(self, workloads: Sequence[Workload], options: Options) -> None:
        self.began = time.perf_counter()
        self.options = options
        self.measuring = 0.0
        self.tried = 0
        self.results = [KernelResult(workload) for workload in workloads]
        spaces = [space_of(w, options.space) for w in workloads]
        self.searches = [search_named(options.search, s, options.seed) for s in spaces]
        for result, space in zip(self.results, spaces, strict=True):
            result.refused = space.refusals
        self._measurers: dict[int, Measurer] = {}
        seconds = options.budget
        if seconds is None and options.trials is None:
            seconds = SECONDS
        self.deadline = float("inf") if seconds is None else self.began + seconds
        kept = 0.0 if seconds is None else max(seconds * _FINAL_SHARE, min(1.0, seconds / 2))
        self.search_until = self.deadline - kept

    def measurer(self, number: int) -> Measurer:
        """The measurer of a kernel, made when first needed."""
        if number not in self._measurers:
            workload = self.results[number].workload
            began = time.perf_counter()
            self._measurers[number] = Measurer(workload, **self.options.measure)
            self.measuring += time.perf_counter() - began
        return self._measurers[number]

    def close(self) -> None:
        """Ends what the measurers hold."""
        for measurer in self._measurers.values():
            measurer.close()

    def search(self) -> None:
        """Tries candidates until time or trials are up, or nothing is left to try."""
        lots = [Lot(self._first(number)) for number in range(len(self.results))]
        while self._left() > 0:
            chosen = next_lot(lots)
            if chosen is None:
                return
            number = chosen
            count = self._batch(number, min(BATCH, self._left()))
            lots[number].exhausted = count == 0
            lots[number].observe(count, self._seconds(number))

    def _left(self) -> int:
        """How many trials are left; 0 when the time is up."""
        if time.perf_counter() >= self.search_until:
            return 0
        if self.options.trials is None:
            return BATCH
        return max(self.options.trials - self.tried, 0)

    def _first(self, number: int) -> float:
        """Candidate 0: the default schedule. Returns what the kernel takes of a run."""
        self._measure(number, [DEFAULT])
        return self._seconds(number)

    def _seconds(self, number: int) -> float:
        """What the kernel takes of one run of the function, with the best so far."""
        result = self.results[number]
        default = result.default_seconds or 0.0
        return default * result.workload.count / (result.curve[-1][2] if result.trials else 1.0)

    def _batch(self, number: int, count: int) -> int:
        proposed = self.searches[number].propose(count)
        self._measure(number, proposed)
        return len(proposed)

    def _measure(self, number: int, candidates: Sequence[Candidate]) -> None:
        """Measures and records; stops in the middle when the time is up."""
        result, search = self.results[number], self.searches[number]
        measurer = self.measurer(number)
        began = time.perf_counter()
        missing = len(candidates)
        left = self.search_until - began
        deadline = None if left == float("inf") else time.monotonic() + left
        outcomes = measurer.measure(candidates, deadline)
        for candidate, outcome in outcomes:
            now = time.perf_counter()
            self.measuring += now - began
            missing -= 1
            trial = Trial(len(result.trials), candidate, outcome, now - self.began)
            result.trials.append(trial)
            if candidate.kind == "default":
                result.default_seconds = outcome.seconds
            else:
                self.tried += 1
                search.observe(candidate, _score(outcome))
            if self.options.on_trial is not None:
                self.options.on_trial(result, trial)
            began = time.perf_counter()
        self.measuring += time.perf_counter() - began
        if missing:  # the time is up, and builds that nobody waits for have to end
            self._measurers.pop(number).close()

    def decide(self) -> None:
        """Compares the fastest of each kernel with the default schedule, and names the best."""
        order = sorted(
            range(len(self.results)),
            key=lambda n: -(self.results[n].default_seconds or 0) * self.results[n].workload.count,
        )
        for number in order:
            self._decide(number)

    def _decide(self, number: int) -> None:
        result = self.results[number]
        ranked = sorted(
            (t for t in result.trials if t.outcome.is_ok and t.candidate.kind == "trace"),
            key=lambda t: -fair_ratio(t.outcome),
        )
        for trial in ranked[:_FINALISTS]:
            if fair_ratio(trial.outcome) <= 1.0:
                return
            left = self.deadline - time.perf_counter()
            if left <= 0:
                return self._settle(result)
            began = time.perf_counter()
            try:
                found = self.measurer(number).compare(trial.candidate, DEFAULT, min(left / 2, 5.0))
            except FailureError:
                continue
            finally:
                self.measuring += time.perf_counter() - began
            best = result.comparison
            if found.verdict == "faster" and (best is None or found.ratio > best.ratio):
                result.best, result.comparison = trial.candidate, found
        return None

    def settle(self) -> None:
        """Names the best by what is known already, without another measurement."""
        for result in self.results:
            self._settle(result)

    def _settle(self, result: KernelResult) -> None:
        if result.comparison is not None:
            return
        sure = [t for t in result.trials if t.outcome.is_ok and t.outcome.verdict == "faster"]
        best = max(sure, key=lambda t: t.outcome.ratio or 0.0, default=None)
        if best is not None and best.candidate.kind == "trace":
            found = best.outcome
            assert found.ratio is not None and found.ratio_interval is not None
            result.best = best.candidate
            result.comparison = Comparison(
                found.ratio, found.ratio_interval, "faster", found.rounds
            )

    def remember(self) -> None:
        """What was found holds for what this process compiles from here on."""
        for result in self.results:
            if result.trials:
                trace = "" if result.best.kind == "default" else decided(result.best.trace)
                remember(result.workload.key, trace)


def _score(outcome: Outcome) -> float | None:
    """What a search goes by: the time in units of the default's, measured in turns with it."""
    ratio = fair_ratio(outcome)
    return 1.0 / ratio if ratio else None
