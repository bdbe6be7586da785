"""One run of the tuner: which candidates are measured when, under a budget that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import ScheduleError
from ..runtime.threads import available_cpus
from ..schedules.tuned import remember, tuned_traces
from .allotment import Lot, next_lot
from .candidate import DEFAULT, STORED, Candidate
from .measure.builders import Builders
from .measure.limits import Limits
from .measure.measurer import Measurer
from .measure.runner import FailureError
from .model.boosted import Boosted
from .model.ridge import CostModel
from .options import Options
from .outcome import Comparison, Outcome
from .pasting import decided, is_replayed
from .result import (
    KernelResult,
    Trial,
    TuningResult,
    fair_ratio,
    likely_ratio,
)
from .search import search_named
from .space import Space
from .workload import Workload

_BATCH_SECONDS = 2.0  # of measuring between two looks at which kernel to go on with
_FINALISTS = 4  # candidates that are compared with the default schedule once more
_FINAL_SHARE = 0.15  # of the budget is kept for that
_ENDING = 0.3  # seconds that are kept for ending processes and storing results
_FINAL_SECONDS = 5.0  # the most that one comparison takes


def builders_for(options: Options) -> Builders:
    """The processes in which candidates are built."""
    limits = options.limits or Limits()
    return Builders(limits.workers or available_cpus(), limits)


class Run:
    """A search and a measurer for each space; :meth:`result` does it all, and ends ``builders``."""

    def __init__(
        self,
        spaces: Sequence[Space],
        options: Options,
        on_trial: Callable[[KernelResult, Trial], Any],
        began: float | None = None,
        builders: Builders | None = None,
    ) -> None:
        self.began = time.perf_counter() if began is None else began
        self.options = options
        self.on_trial = on_trial
        self.measuring = 0.0
        self.tried = 0
        self.kernels = [KernelResult(s.workload, refused=s.refusals) for s in spaces]
        self.searches = [
            search_named(
                options.search,
                s,
                options.seed,
                _model(s.workload) if options.model else None,
            )
            for s in spaces
        ]
        self._measurers: dict[int, Measurer] = {}
        self._builders = builders  # all kernels are built by the same processes
        seconds = options.seconds
        self.deadline = float("inf") if seconds is None else self.began + seconds - _ENDING
        kept = 0.0 if seconds is None else max(seconds * _FINAL_SHARE, min(1.0, seconds / 2))
        self.search_until = self.deadline - kept

    def result(self, name: str) -> TuningResult:
        """Search, decide, remember. Ctrl-C ends it with the best that is known."""
        made = TuningResult(name, self.kernels)
        try:
            self.search()
            self.decide()
        except KeyboardInterrupt:
            made.interrupted = True
            for kernel in self.kernels:
                _settle(kernel)
        finally:
            for measurer in self._measurers.values():
                measurer.close()
            if self._builders is not None:
                self._builders.close()
            for search in self.searches:
                if search.model is not None:
                    search.model.close()
        for kernel in self.kernels:
            if kernel.trials:
                trace = "" if kernel.best.kind == "default" else decided(kernel.best.trace)
                remember(kernel.workload.key, trace)
        made.seconds = time.perf_counter() - self.began
        made.seconds_measuring = self.measuring
        made.seconds_drawing = sum(search.space.seconds for search in self.searches)
        made.seconds_idle = sum(m.spent["idle"] for m in self._measurers.values())
        return made

    def measurer(self, number: int) -> Measurer:
        """The measurer of a kernel, made when first needed."""
        if number not in self._measurers:
            workload, options = self.kernels[number].workload, self.options
            began = time.perf_counter()
            limits = options.limits or Limits()
            if self._builders is None:
                self._builders = builders_for(options)
            self._measurers[number] = Measurer(
                workload, limits, options.executor, builders=self._builders
            )
            self.measuring += time.perf_counter() - began
        return self._measurers[number]

    def search(self) -> None:
        """Tries candidates until time or trials are up, or nothing is left to try."""
        for number, kernel in enumerate(self.kernels):
            known = _stored(kernel) if self.options.space is None else []
            # What all others are compared with may take time that was kept for comparisons.
            until = self.deadline if number == 0 else self.search_until
            self.measure(number, [DEFAULT, *known], until)
        lots = [Lot(self.seconds(number)) for number in range(len(self.kernels))]
        while self.left() > 0:
            chosen = next_lot(lots)
            if chosen is None:
                return
            count = self.batch(chosen, min(self.batch_size(chosen), self.left()))
            lots[chosen].exhausted = count == 0
            lots[chosen].observe(count, self.seconds(chosen))

    def left(self) -> int:
        """How many trials are left; 0 when the time is up."""
        if time.perf_counter() >= self.search_until:
            return 0
        if self.options.trials is None:
            return 1 << 30
        return max(self.options.trials - self.tried, 0)

    def seconds(self, number: int) -> float:
        """What the kernel takes of one run of the function, with the best so far."""
        kernel = self.kernels[number]
        default = kernel.default_seconds or 0.0
        return default * kernel.workload.count / (kernel.curve[-1][2] if kernel.trials else 1.0)

    def batch_size(self, number: int) -> int:
        """As many candidates as take a while, if those so far are like others."""
        each = self.searches[number].trial_seconds
        return min(max(int(_BATCH_SECONDS / each), 4), 32) if each else 8

    def batch(self, number: int, count: int) -> int:
        """Measures what the search of a kernel proposes; how many candidates that were."""
        began, before = time.perf_counter(), self.tried
        self.measure(number, self.searches[number].propose(count))
        tried = self.tried - before
        if tried:
            self.searches[number].trial_seconds = (time.perf_counter() - began) / tried
        return tried

    def measure(
        self, number: int, candidates: Iterable[Candidate], until: float | None = None
    ) -> None:
        """Measures and records, as long as there is time."""
        kernel, search = self.kernels[number], self.searches[number]
        measurer = self.measurer(number)
        began = time.perf_counter()
        left = (self.search_until if until is None else until) - began
        deadline = None if left == float("inf") else time.monotonic() + left
        for candidate, outcome in measurer.measure(candidates, deadline):
            now = time.perf_counter()
            self.measuring += now - began
            at = (outcome.known_at or now) - self.began
            trial = Trial(len(kernel.trials), candidate, outcome, at)
            kernel.trials.append(trial)
            if candidate.kind == "default":
                kernel.default_seconds = outcome.seconds
            else:
                self.tried += candidate.origin != STORED
                search.observe(candidate, _score(outcome))
            self.on_trial(kernel, trial)
            began = time.perf_counter()
        self.measuring += time.perf_counter() - began

    def decide(self) -> None:
        """Compares the fastest of each kernel with its default schedule, and names the best; those
        first that take most of the time."""
        order = sorted(
            range(len(self.kernels)),
            key=lambda n: -(self.kernels[n].default_seconds or 0) * self.kernels[n].workload.count,
        )
        for place, number in enumerate(order):
            left = (self.deadline - time.perf_counter()) / (len(order) - place)
            self._decide(number, left)

    def _decide(self, number: int, seconds: float) -> None:
        kernel = self.kernels[number]
        ranked = sorted(
            (t for t in kernel.trials if t.outcome.is_ok and t.candidate.kind == "trace"),
            key=lambda t: -likely_ratio(t.outcome),
        )
        finalists = [t for t in ranked[:_FINALISTS] if fair_ratio(t.outcome) > 1.0]
        until = time.perf_counter() + seconds
        for place, trial in enumerate(finalists):
            began = time.perf_counter()
            share = (until - began) / (len(finalists) - place)
            if share <= 0:
                break
            try:
                measurer = self.measurer(number)
                found = measurer.compare(trial.candidate, DEFAULT, min(share, _FINAL_SECONDS))
            except FailureError:
                continue
            finally:
                self.measuring += time.perf_counter() - began
            best = kernel.comparison
            is_better = found.verdict == "faster" and (best is None or found.ratio > best.ratio)
            if is_better and is_replayed(trial.candidate, kernel.workload):
                kernel.best, kernel.comparison = trial.candidate, found
        else:
            return
        _settle(kernel)


def _model(workload: Workload) -> CostModel | None:
    """What orders children of a search; there is none of a card's threads."""
    return None if workload.is_on_device else CostModel(workload, trees=Boosted.if_installed())


def _stored(kernel: KernelResult) -> list[Candidate]:
    """What earlier tuning found: it is tried first, so that nothing known is lost."""
    traces = tuned_traces([kernel.workload.key], kernel.workload.host)
    found = [Candidate("trace", trace, STORED) for trace in traces.values()]
    try:
        for candidate in found:
            candidate.program(kernel.workload)
    except ScheduleError:
        return []  # another mlc made it
    return found


def _settle(kernel: KernelResult) -> None:
    """Names the best by what is known already, without another measurement."""
    if kernel.comparison is not None:
        return
    sure = [t for t in kernel.trials if t.outcome.is_ok and t.outcome.verdict == "faster"]
    sure.sort(key=lambda t: -(t.outcome.ratio or 0.0))
    best = next((t for t in sure if is_replayed(t.candidate, kernel.workload)), None)
    if best is None or best.candidate.kind == "default":
        return
    found = best.outcome
    assert found.ratio is not None and found.ratio_interval is not None
    kernel.best = best.candidate
    kernel.comparison = Comparison(found.ratio, found.ratio_interval, "faster", found.rounds)


def _score(outcome: Outcome) -> float | None:
    """What a search goes by: the time in units of the default's, measured in turns with it."""
    ratio = likely_ratio(outcome)
    return 1.0 / ratio if ratio else None
