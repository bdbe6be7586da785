"""Measurer: candidates go in, outcomes come out, and nothing is left running."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeout

from ...errors import ArgumentError, MlcError
from ...runtime.threads import available_cpus
from ..candidate import Candidate
from ..outcome import Comparison, Outcome, verdict_of
from ..workload import Workload
from .bench import Bench
from .builders import Builders
from .building import Built, own_request, request_for
from .limits import Limits
from .rounds import Entry, Rounds
from .runner import DEFAULT, FailureError

_REMEMBERED = 100
_CHUNK = 32  # candidates built before they run: no timing while the builders work


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
        self._images: dict[Candidate, Built] = {}  # of the last ones that were right
        self._is_closed = False
        # "idle": candidates were drawn, and no build was under way meanwhile.
        self.spent = {"build": 0.0, "run": 0.0, "idle": 0.0, "all": 0.0}

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
            self._rounds = Rounds(self._bench, self.limits)
        return self._bench

    def measure(
        self, candidates: Iterable[Candidate], deadline: float | None = None
    ) -> Iterator[tuple[Candidate, Outcome]]:
        """Each candidate with its outcome, those of one batch in order of their end.

        ``deadline`` (of `time.monotonic`) ends it: what was not measured by then is not yielded.
        """
        waiting = iter(candidates)  # each is built as soon as it is drawn
        try:
            while not _is_over(deadline):
                start = time.perf_counter()
                batch: list[Candidate] = []
                done = self._batch(itertools.islice(waiting, _CHUNK), batch, deadline)
                self.spent["all"] += time.perf_counter() - start
                yield from done
                if len(batch) < _CHUNK:
                    break
        except GeneratorExit:
            raise  # no more of them are wanted now
        except BaseException:
            # Ctrl-C, or an error of the caller's: builds go on for nobody.
            self.close()
            raise

    def compare(self, a: Candidate, b: Candidate, seconds: float = 5.0) -> Comparison:
        """Whether ``a`` is faster than ``b``, in as many rounds as that takes, and at most
        ``seconds``; of the same code, in none: what would be seen is where it was loaded.
        :class:`FailureError` if one of them does not run or is wrong."""
        bench = self.bench
        rounds, keys = self._rounds, []
        images: list[bytes] = []
        rounds.deadline = None
        for candidate in (a, b):
            if candidate.kind == "default":
                keys.append(DEFAULT)
                images.append(bench.default.image)
                continue
            built = self._images.get(candidate) or self._result(
                candidate, self._submit(candidate), None
            )
            if built.status != "ok":
                raise FailureError(built.status, built.detail)
            keys.append(self._new_key())
            bench.runner.load(keys[-1], built)
            bench.check(keys[-1], bench.sets, self.limits.run_seconds)
            images.append(built.image)
        if images[0] == images[1]:
            self._drop(keys)
            return Comparison(1.0, (1.0, 1.0), "within noise", 0)
        entry = Entry(a, bench.default, keys[0], keys[1], once=bench.seconds)
        deadline = time.monotonic() + seconds
        try:
            while True:
                rounds.time(entry, self.limits.rounds)
                found = rounds.ratio(entry)
                is_sure = found.uncertainty <= self.limits.precision / 2
                if is_sure or found.rounds >= 10 * self.limits.most_rounds or _is_over(deadline):
                    break
        finally:
            self._drop(keys)
        interval = (found.ratio.low, found.ratio.high)
        verdict = verdict_of(interval) if found.rounds >= 6 else "within noise"
        return Comparison(found.ratio.median, interval, verdict, found.rounds)

    def close(self) -> None:
        """End all processes and remove the shared memory. Nothing is measured any more."""
        self._is_closed = True
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()
        if self._pool is not None:
            self._pool.abort()
        if self._owns_builders:
            self._builders.close()

    def __del__(self) -> None:
        # Perhaps from a thread of the builders, which cannot wait for itself.
        with contextlib.suppress(Exception):
            self.close()

    def _batch(
        self, drawn: Iterable[Candidate], batch: list[Candidate], deadline: float | None
    ) -> list[tuple[Candidate, Outcome]]:
        done: list[tuple[Candidate, Outcome]] = []
        start, idle = time.perf_counter(), self._builders.idle_seconds
        futures: list[Future[Built] | None] = []
        for candidate in drawn:
            batch.append(candidate)
            futures.append(None if candidate.kind == "default" else self._submit(candidate))
            if _is_over(deadline):
                break
        self.spent["idle"] += self._builders.idle_seconds - idle
        entries: list[Entry] = []
        for candidate, future in zip(batch, futures):
            try:
                built = self._result(candidate, future, deadline)
            except FutureTimeout:
                # The time is over: what still builds is of no use.
                if self._pool is not None:
                    self._pool.abort()
                self._builders.abort()
                return done
            entries.append(Entry(candidate, built, self._key_of(candidate)))
        self.spent["build"] += time.perf_counter() - start
        bench = self.bench
        rounds = self._rounds
        start = time.perf_counter()
        rounds.deadline = deadline
        started: list[Entry] = []
        for entry in entries:
            if _is_over(deadline):
                break
            entry.started = time.perf_counter()
            rounds.first(entry)
            if not (_is_over(deadline) and entry.failure and entry.failure.status == "timeout"):
                started.append(entry)  # else it may have been ours that was too short
        entries = started
        alive = [e for e in entries if e.failure is None and not e.note]
        for entry in sorted(alive, key=rounds.merit, reverse=True):
            if not _is_over(deadline):
                rounds.more(entry)
        for entry in entries:
            done.append((entry.candidate, rounds.outcome(entry)))
            if entry.key != DEFAULT:
                bench.runner.drop(entry.key)
                self._remember(entry)
        self.spent["run"] += time.perf_counter() - start
        return done

    def _remember(self, entry: Entry) -> None:
        """Keep the code of what ran well: it may be compared later."""
        if entry.failure is None and entry.built.status == "ok":
            self._images[entry.candidate] = entry.built
            while len(self._images) > _REMEMBERED:
                del self._images[next(iter(self._images))]

    def _submit(self, candidate: Candidate) -> Future[Built]:
        is_child = self._pool is None
        request = request_for(candidate, self.workload, self._naive, is_child)
        if self._pool is not None:
            return self._pool.submit(request)
        return self._builders.submit(request)

    def _result(
        self, candidate: Candidate, future: Future[Built] | None, deadline: float | None
    ) -> Built:
        if future is None:
            return self.bench.default
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        if self._pool is None:
            built = future.result(left)
        else:
            built = self._pool.result(future, left)
        if built.status in ("refused", "build failed") and "no intrinsic" in built.detail:
            # The intrinsic is one of this process's; what is left to do there is LLVM's part.
            try:
                program = candidate.program(self.workload)
                request = own_request(program, self.workload)
            except MlcError as error:
                return Built("build failed", f"{type(error).__name__}: {error.message}")
            built = self._builders.submit(request).result(left)
        return built

    def _drop(self, keys: Iterable[int]) -> None:
        for key in keys:
            if key != DEFAULT:
                self.bench.runner.drop(key)

    def _key_of(self, candidate: Candidate) -> int:
        return DEFAULT if candidate.kind == "default" else self._new_key()

    def _new_key(self) -> int:
        self._next_key += 1
        return self._next_key


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
