"""Measurer: candidates go in, outcomes come out, and nothing is left running."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace

from ...errors import ArgumentError
from ...runtime.threads import available_cpus
from ..candidate import Candidate
from ..outcome import Comparison, Outcome, verdict_of
from ..workload import Workload
from .bench import Bench
from .builders import Builders
from .building import Built, lowered_request, request_for
from .data import ARGUMENTS
from .limits import Limits
from .runner import DEFAULT, FailureError
from .statistics import Ratio, ratio_of

_SHORT = 5e-3  # seconds: what takes less is run on all data sets at once
_CHUNK = 16  # candidates built before they run: no timing while the builders work


@dataclass(eq=False)
class _Entry:
    """One candidate on its way."""

    candidate: Candidate
    built: Built
    key: int
    rival_key: int = DEFAULT
    started: float = field(default_factory=time.perf_counter)
    ours: list[float] = field(default_factory=list)
    rival: list[float] = field(default_factory=list)
    loops: list[int] | None = None
    once: float = 0.0
    proof: tuple[str, ...] = ()
    note: str = ""
    failure: FailureError | None = None
    run_seconds: float = 0.0


class Measurer:
    """Builds, checks and times candidates of one workload, each beside its default schedule.

    Builds run in a pool of processes, or on ``executor`` (any `concurrent.futures.Executor`); the
    candidates run here, in one child process. No candidate can do harm: whatever it does becomes
    an :class:`Outcome`. Use it in a ``with`` statement, or call :meth:`close`.

    ``builders`` may be shared by several, whose maker closes them.

    Raises :class:`CompileError` if the default schedule itself does not run.
    """

    def __init__(
        self,
        workload: Workload,
        limits: Limits | None = None,
        executor: Executor | None = None,
        builders: Builders | None = None,
    ) -> None:
        from .remote import Resilient

        self.workload = workload
        self.limits = limits or Limits()
        count = self.limits.workers or available_cpus()
        self._owns_builders = builders is None
        self._builders = builders or Builders(count, self.limits)
        self._pool = Resilient(executor, self._builders, self.limits) if executor else None
        self._naive = workload.program.script()
        self._bench: Bench | None = None
        self._next_key = 2
        self._known: dict[str, Outcome] = {}  # by the digest of the code
        self._best = 1.0  # the best ratio so far
        self._is_closed = False
        self.spent = {"build": 0.0, "run": 0.0, "all": 0.0}

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be measured any more."""
        return self._is_closed

    @property
    def bench(self) -> Bench:
        """Where the candidates run; made when it is first needed."""
        if self._is_closed:
            raise ArgumentError("this Measurer is closed; make another one")
        if self._bench is None:
            self._bench = Bench(self.workload, self.limits, self._builders.submit)
        return self._bench

    def measure(
        self, candidates: Iterable[Candidate], deadline: float | None = None
    ) -> Iterator[tuple[Candidate, Outcome]]:
        """Each candidate with its outcome, those of one batch in order of their end.

        ``deadline`` (of `time.monotonic`) ends it: what was not measured by then is not yielded.
        """
        waiting = list(candidates)
        try:
            while waiting and not _is_over(deadline):
                start = time.perf_counter()
                batch, waiting = waiting[:_CHUNK], waiting[_CHUNK:]
                done = self._batch(batch, deadline)
                self.spent["all"] += time.perf_counter() - start
                yield from done
        except GeneratorExit:
            raise  # no more of them are wanted now
        except BaseException:
            # Ctrl-C, or an error of the caller's: builds go on for nobody.
            self.close()
            raise

    def compare(self, a: Candidate, b: Candidate, seconds: float = 5.0) -> Comparison:
        """Whether ``a`` is faster than ``b``, in as many rounds as that takes, and at most
        ``seconds``. :class:`FailureError` if one of them does not run or is wrong."""
        bench, keys = self.bench, []
        for candidate in (a, b):
            if candidate.kind == "default":
                keys.append(DEFAULT)
                continue
            built = self._submit(candidate).result()
            if built.status != "ok":
                raise FailureError(built.status, built.detail)
            keys.append(self._new_key())
            bench.runner.load(keys[-1], built)
            bench.check(keys[-1], bench.sets, self.limits.run_seconds)
        entry = _Entry(a, bench.default, keys[0], keys[1], once=bench.seconds)
        deadline = time.monotonic() + seconds
        try:
            while True:
                self._time(entry, self.limits.rounds)
                found = self._ratio(entry)
                is_sure = found.uncertainty <= self.limits.precision / 2
                if is_sure or found.rounds >= 10 * self.limits.most_rounds or _is_over(deadline):
                    break
        finally:
            for key in keys:
                if key != DEFAULT:
                    bench.runner.drop(key)
        interval = (found.ratio.low, found.ratio.high)
        verdict = verdict_of(interval) if found.rounds >= 6 else "within noise"
        return Comparison(found.ratio.median, interval, verdict, found.rounds)

    def close(self) -> None:
        """End all processes and remove the shared memory. Nothing is measured any more."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.abort()
        if self._owns_builders:
            self._builders.close()
        else:
            self._builders.abort()
        if self._bench is not None:
            self._bench.close()
            self._bench = None

    def __del__(self) -> None:
        if hasattr(self, "_is_closed"):
            self.close()

    def _batch(
        self, batch: Sequence[Candidate], deadline: float | None
    ) -> list[tuple[Candidate, Outcome]]:
        done: list[tuple[Candidate, Outcome]] = []
        start = time.perf_counter()
        futures = [None if c.kind == "default" else self._submit(c) for c in batch]
        entries: list[_Entry] = []
        for candidate, future in zip(batch, futures):
            try:
                built = self._result(candidate, future, deadline)
            except FutureTimeout:
                # The time is over: what still builds is of no use.
                if self._pool is not None:
                    self._pool.abort()
                self._builders.abort()
                return done
            entries.append(_Entry(candidate, built, self._key_of(candidate)))
        self.spent["build"] += time.perf_counter() - start
        bench = self.bench
        start = time.perf_counter()
        for entry in entries:
            entry.started = time.perf_counter()
            self._first_round(bench, entry)
        alive = [e for e in entries if e.failure is None and not e.note]
        for entry in alive:
            if _is_over(deadline):
                break
            self._all_rounds(bench, entry)
        for entry in sorted(alive, key=self._merit, reverse=True):
            if not _is_over(deadline):
                self._more_rounds(entry)
        for entry in entries:
            done.append((entry.candidate, self._outcome(bench, entry)))
            if entry.key != DEFAULT:
                bench.runner.drop(entry.key)
        self.spent["run"] += time.perf_counter() - start
        return done

    def _submit(self, candidate: Candidate) -> Future[Built]:
        request = request_for(candidate, self.workload, self._naive)
        if self._pool is not None:
            return self._pool.submit(request)
        return self._builders.submit(request)

    def _result(
        self, candidate: Candidate, future: Future[Built] | None, deadline: float | None
    ) -> Built:
        if future is None:
            return self.bench.default
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        built = future.result(left)
        if built.status in ("refused", "build failed") and "no intrinsic" in built.detail:
            # The intrinsic is one of this process's; what is left to do there is LLVM's part.
            request = lowered_request(candidate.program(self.workload))
            built = self._builders.submit(request).result(left)
        return built

    def _key_of(self, candidate: Candidate) -> int:
        return DEFAULT if candidate.kind == "default" else self._new_key()

    def _new_key(self) -> int:
        self._next_key += 1
        return self._next_key

    def _first_round(self, bench: Bench, entry: _Entry) -> None:
        """Load, check on the arguments, one round; hopeless ones get a note."""
        if entry.built.status != "ok":
            entry.failure = FailureError(entry.built.status, entry.built.detail)
            return
        if entry.key == DEFAULT and bench.doubt:
            entry.failure = FailureError("wrong result", bench.doubt)
            return
        if _digest(entry.built) in self._known:
            entry.note = "the same code as another candidate's"
            return
        limit = self._run_limit(bench)
        hopeless = self.limits.hopeless * bench.seconds / self._best
        try:
            bench.runner.load(entry.key, entry.built)
            entry.once = bench.check(entry.key, (ARGUMENTS,), limit)
            entry.proof = (ARGUMENTS,)
            if entry.once < _SHORT:
                self._validate(bench, entry)
            if entry.once > max(4 * hopeless, 1e-3) and entry.key != DEFAULT:
                entry.ours, entry.rival = [entry.once], [bench.seconds]
                entry.note = "given up after its first run"
                return
            self._time(entry, 1)
            if entry.ours[0] > hopeless and entry.key != DEFAULT:
                entry.note = "given up after one round"
        except FailureError as failure:
            entry.failure = failure
        finally:
            entry.run_seconds += time.perf_counter() - entry.started

    def _run_limit(self, bench: Bench) -> float:
        return min(self.limits.run_seconds, max(1.0, 100 * bench.seconds))

    def _validate(self, bench: Bench, entry: _Entry) -> None:
        """Check on the data sets that are left."""
        rest = tuple(name for name in bench.proof if name not in entry.proof)
        bench.check(entry.key, rest, self._run_limit(bench))
        entry.proof = bench.proof

    def _all_rounds(self, bench: Bench, entry: _Entry) -> None:
        start = time.perf_counter()
        try:
            self._validate(bench, entry)
            self._time(entry, self.limits.rounds - 1)
        except FailureError as failure:
            entry.failure = failure
        entry.run_seconds += time.perf_counter() - start

    def _more_rounds(self, entry: _Entry) -> None:
        """Until the ratio is known well enough, for those that may be the best so far."""
        start = time.perf_counter()
        try:
            while entry.failure is None and len(entry.ours) >= 6:
                found = self._ratio(entry)
                unsure = found.uncertainty > self.limits.precision
                unsure = unsure or found.drift > self.limits.drift
                contends = found.ratio.high >= self._best
                if not (unsure and contends) or found.rounds >= self.limits.most_rounds:
                    self._best = max(self._best, found.ratio.low)
                    break
                self._time(entry, self.limits.rounds)
        except FailureError as failure:
            entry.failure = failure
        entry.run_seconds += time.perf_counter() - start

    def _ratio(self, entry: _Entry) -> Ratio:
        usual = self.bench.seconds if entry.rival_key == DEFAULT else None
        return ratio_of(entry.ours, entry.rival, usual, self.limits.drift)

    def _merit(self, entry: _Entry) -> float:
        if not entry.ours or entry.failure is not None:
            return 0.0
        return self._ratio(entry).ratio.median

    def _time(self, entry: _Entry, rounds: int) -> None:
        if rounds < 1:
            return
        bench, done = self.bench, len(entry.ours)
        seconds = entry.once + bench.seconds
        key, rival = entry.key, entry.rival_key
        samples = bench.runner.time(key, rival, rounds, seconds, done, entry.loops)
        entry.ours += samples.ours
        entry.rival += samples.rival
        entry.loops = samples.loops
        if rival == DEFAULT:
            bench.note(samples.rival)

    def _outcome(self, bench: Bench, entry: _Entry) -> Outcome:
        build, run = entry.built.seconds, entry.run_seconds
        if entry.key == DEFAULT:
            build = 0.0
        machine = machine_name()
        if entry.failure is not None:
            failure = entry.failure
            return Outcome(failure.status, None, None, failure.detail, build, run, machine=machine)
        digest = _digest(entry.built)
        if digest in self._known and not entry.ours:
            return replace(
                self._known[digest], build_seconds=build, run_seconds=0.0, detail=entry.note
            )
        found = self._ratio(entry)
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
        )
        self._known[digest] = made
        return made


def machine_name() -> str:
    """The name of this machine and what its processor is."""
    from ...backends.llvm.target import host_target

    target = host_target()
    return f"{platform.node()} {target.triple} {target.tune_cpu or target.cpu}"


def _digest(built: Built) -> str:
    return hashlib.sha256(built.image).hexdigest()


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
