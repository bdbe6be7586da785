"""Rounds of timing beside the default: few for what is slow, more for what may be the best."""

from __future__ import annotations

import hashlib
import math
import platform
import time
from dataclasses import dataclass, field, replace

from ...backends.llvm.target import host_target
from ..candidate import Candidate
from ..outcome import Outcome
from .bench import Bench
from .building import Built
from .limits import Limits
from .runner import DEFAULT, FailureError, Terms
from .statistics import Ratio, ratio_of

_CONTENDS = 0.9  # of the best ratio: who is as good may be the best
_LEAST_SECONDS = 0.1  # for one run, however close the deadline is
_SHORT = 5e-3  # seconds: what takes less is run on all data sets at once


@dataclass(eq=False)
class Entry:
    """One candidate on its way: ``ours`` and ``rival`` are the samples of its rounds."""

    candidate: Candidate
    built: Built
    key: int
    rival_key: int = DEFAULT
    started: float = field(default_factory=time.perf_counter)
    known_at: float | None = None
    ours: list[float] = field(default_factory=list)
    rival: list[float] = field(default_factory=list)
    loops: list[int | None] = field(default_factory=lambda: [None, None])
    once: float = 0.0
    proof: tuple[str, ...] = ()
    note: str = ""
    failure: FailureError | None = None
    run_seconds: float = 0.0


class Rounds:
    """The rounds on one bench. What becomes of a candidate is noted in its :class:`Entry`."""

    def __init__(self, bench: Bench, limits: Limits) -> None:
        self.bench = bench
        self.limits = limits
        self.deadline: float | None = None  # of time.monotonic, for single runs
        self.best = 1.0  # the best ratio so far
        self.known: dict[str, Outcome] = {}  # by the digest of the code

    def first(self, entry: Entry) -> None:
        """Load, check on all data, time; what is hopeless is given up and gets a note."""
        self._first(entry)
        entry.known_at = time.perf_counter()

    def _first(self, entry: Entry) -> None:
        if entry.built.status != "ok":
            entry.failure = FailureError(entry.built.status, entry.built.detail)
            return
        if entry.key == DEFAULT and self.bench.doubt:
            entry.failure = FailureError("wrong result", self.bench.doubt)
            return
        if _digest(entry.built) in self.known:
            entry.note = "the same code as another candidate's"
            return
        hopeless = self.limits.hopeless * self.bench.seconds / self.best
        if entry.key == DEFAULT:
            hopeless = math.inf
        give_up = min(max(4 * hopeless, 1e-3), self.limits.run_seconds)
        terms = Terms(
            sets=self.bench.numbers(),
            rounds=self.limits.rounds,
            run_limit=self._run_limit(),
            give_up=give_up,
            hopeless=min(hopeless, self.limits.run_seconds),
            short=_SHORT,
            rival_loops=self._known_loops(self.bench.seconds, is_precise=True),
        )
        try:
            trial = self.bench.trial(entry.key, entry.built, terms)
        except FailureError as failure:
            entry.failure = failure
        else:
            entry.once, entry.proof = trial.once, self.bench.proof[: trial.ran]
            entry.loops = list(trial.samples.loops)
            entry.ours, entry.rival = list(trial.samples.ours), list(trial.samples.rival)
            self.bench.note(entry.rival)
            if not entry.ours:
                entry.ours, entry.rival = [entry.once], [self.bench.seconds]
                entry.note = "given up after its first run"
            elif len(entry.ours) < self.limits.rounds:
                entry.note = "given up after one round"
        finally:
            entry.run_seconds += time.perf_counter() - entry.started

    def _run_limit(self) -> float:
        limit = min(self.limits.run_seconds, max(1.0, 100 * self.bench.seconds))
        if self.deadline is None:
            return limit
        return min(limit, max(self.deadline - time.monotonic(), _LEAST_SECONDS))

    def more(self, entry: Entry) -> None:
        """Until the ratio is known well enough, for those that may be the best so far."""
        start = time.perf_counter()
        limits = self.limits
        try:
            while entry.failure is None and len(entry.ours) >= 6:
                found = self.ratio(entry)
                unsure = found.uncertainty > limits.precision or found.drift > limits.drift
                contends = found.ratio.median >= _CONTENDS * self.best
                spent = time.perf_counter() - start > limits.patience_seconds
                if not (unsure and contends) or spent or found.rounds >= limits.most_rounds:
                    self.best = max(self.best, found.ratio.low)
                    break
                self.time(entry, self.limits.rounds)
        except FailureError as failure:
            entry.failure = failure
        entry.run_seconds += time.perf_counter() - start

    def _known_loops(self, seconds: float, is_precise: bool = False) -> int | None:
        """How many calls make a sample; None where one call is too short to tell."""
        if self.limits.cache == "cold" or seconds > 2 * self.limits.sample_seconds:
            return 1
        if not is_precise:
            return None
        return max(1, math.ceil(self.limits.sample_seconds / max(seconds, 1e-9)))

    def ratio(self, entry: Entry) -> Ratio:
        """What the rounds so far say."""
        usual = self.bench.seconds if entry.rival_key == DEFAULT else None
        return ratio_of(entry.ours, entry.rival, usual, self.limits.drift)

    def merit(self, entry: Entry) -> float:
        """How fast it seems; 0 for what failed."""
        if not entry.ours or entry.failure is not None:
            return 0.0
        return self.ratio(entry).ratio.median

    def time(self, entry: Entry, rounds: int) -> None:
        """Further rounds. :class:`FailureError` if the candidate does not survive them."""
        if rounds < 1:
            return
        done = len(entry.ours)
        seconds = entry.once + self.bench.seconds
        key, rival = entry.key, entry.rival_key
        if not done:
            entry.loops = [self._known_loops(entry.once), None]
            if rival == DEFAULT:
                entry.loops[1] = self._known_loops(self.bench.seconds, is_precise=True)
        samples = self.bench.runner.time(key, rival, rounds, seconds, done, entry.loops)
        entry.ours += samples.ours
        entry.rival += samples.rival
        entry.loops = list(samples.loops)
        if rival == DEFAULT:
            self.bench.note(samples.rival)

    def outcome(self, entry: Entry) -> Outcome:
        """What became of it."""
        build, run = entry.built.seconds, entry.run_seconds
        if entry.key == DEFAULT:
            build = 0.0
        workload = self.bench.workload
        machine, target = machine_name(), workload.host.isa
        if workload.target == "cuda":
            machine = f"{platform.node()} {workload.host.target}"
        elif workload.is_on_device:
            machine += ", emulating a card"
        if entry.failure is not None:
            failure = entry.failure
            return Outcome(
                failure.status,
                detail=failure.detail,
                build_seconds=build,
                run_seconds=run,
                machine=machine,
                target=target,
                known_at=entry.known_at,
            )
        digest = _digest(entry.built)
        if digest in self.known and not entry.ours:
            again = replace(self.known[digest], build_seconds=build, run_seconds=0.0)
            return replace(again, detail=entry.note, known_at=entry.known_at)
        found = self.ratio(entry)
        notes = [entry.note] if entry.note else []
        if found.drift > self.limits.drift and found.rounds >= self.limits.rounds:
            notes.append(f"the machine's speed changed by {found.drift:.0%} meanwhile")
        is_default = entry.key == DEFAULT
        made = Outcome(
            "ok",
            found.ours.median,
            (found.ours.low, found.ours.high),
            "; ".join(notes),
            build,
            run,
            1.0 if is_default else found.ratio.median,
            (1.0, 1.0) if is_default else (found.ratio.low, found.ratio.high),
            found.rival.median,
            found.rounds,
            entry.proof,
            machine,
            target,
            entry.known_at,
        )
        self.known[digest] = made
        return made


def machine_name() -> str:
    """The name of this machine and what its processor is."""
    target = host_target()
    return f"{platform.node()} {target.triple} {target.tune_cpu or target.cpu}"


def _digest(built: Built) -> str:
    return hashlib.sha256(built.image).hexdigest()
