"""A pool of processes that build candidates. A build that hangs or crashes costs one of them."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from .building import Built
from .frames import unpack
from .limits import Limits
from .process import Child, DiedError, ExpiredError

_MEMORY_WORDS = ("out of memory", "bad_alloc", "memoryerror", "allocation failed")
_RENEW_AFTER = 2000  # builds, after which what a process has gathered in caches is let go
_OS_KILL = 9
_ATTEMPTS = 3  # for a build whose process is killed from outside


class Builders:
    """``count`` processes, started by :meth:`start` or when the first request comes."""

    def __init__(self, count: int, limits: Limits) -> None:
        self.limits = limits
        self.count = count
        self.lost = 0  # processes that ended in the middle of a build
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._is_closed = False
        self._under_way = 0
        self._idle_seconds = 0.0
        self._idle_since = time.perf_counter()
        self._round = 0  # goes up when builds are given up

    def submit(self, request: bytes) -> Future[Built]:
        """The build of a request of `building`, under way. Its result is never an exception."""
        with self._lock:
            return self._started().submit(self._timed, request, self._round)

    def start(self) -> None:
        """Let the processes import what they need, all at the same time, before there is a
        request."""
        with self._lock, contextlib.suppress(OSError):  # which the first request meets again
            self._started()

    def _started(self) -> ThreadPoolExecutor:
        if self._threads is None:
            if self._is_closed:
                raise RuntimeError("the builders are closed")
            self._idle += [self._child() for _ in range(self.count - len(self._idle))]
            self._threads = ThreadPoolExecutor(self.count, "mlc-build")
        return self._threads

    @property
    def idle_seconds(self) -> float:
        """The time in which no build was under way."""
        with self._lock:
            now = 0.0 if self._under_way else time.perf_counter() - self._idle_since
            return self._idle_seconds + now

    def pids(self) -> list[int]:
        """The numbers of the processes."""
        with self._lock:
            return [child.pid for child in (*self._idle, *self._busy)]

    def abort(self) -> None:
        """End all processes, and with them all builds that are under way. Others may follow."""
        with self._lock:
            self._round += 1
            children = [*self._idle, *self._busy]
            self._idle.clear()
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.close()
        if threads is not None:
            threads.shutdown(wait=True)

    def close(self) -> None:
        """The same, and none may follow."""
        self._is_closed = True
        self.abort()

    def _child(self) -> Child:
        return Child(memory_bytes=2 * self.limits.memory_bytes, warm=True)

    def _timed(self, request: bytes, number: int) -> Built:
        with self._lock:
            if not self._under_way:
                self._idle_seconds += time.perf_counter() - self._idle_since
            self._under_way += 1
        try:
            return self._build(request, number)
        finally:
            with self._lock:
                self._under_way -= 1
                self._idle_since = time.perf_counter()

    def _build(self, request: bytes, number: int) -> Built:
        header, blobs = unpack(request)
        made = Built("build failed", "the measurement was ended")
        for _ in range(_ATTEMPTS):
            try:
                child = self._take(number)
            except OSError as error:
                return Built("out of memory", f"no process could be started: {error}")
            if child is None:
                return made
            try:
                reply, out = child.ask(header, *blobs, limit=self.limits.build_seconds)
                return Built.from_parts(reply, out)
            except ExpiredError:
                self.lost += 1
                limit = self.limits.build_seconds
                return Built("timeout", f"it was not built within {limit:.3g} s", seconds=limit)
            except DiedError as death:
                if number != self._round:
                    return made
                self.lost += 1
                made = _classified(death)
                if death.signal != _OS_KILL:
                    break
            finally:
                self._give_back(child, number)
        return made

    def _take(self, number: int) -> Child | None:
        """A process for a build; None if the build was given up."""
        with self._lock:
            if number != self._round:
                return None
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    break
                child.close()
            else:
                child = self._child()
            self._busy.add(child)
            return child

    def _give_back(self, child: Child, number: int) -> None:
        with self._lock:
            self._busy.discard(child)
            if child.is_alive and child.requests < _RENEW_AFTER and number == self._round:
                self._idle.append(child)
                return
        with contextlib.suppress(Exception):
            child.close()


def _classified(death: DiedError) -> Built:
    if death.signal == _OS_KILL or any(word in death.said.lower() for word in _MEMORY_WORDS):
        return Built("out of memory", f"while it was built: {death}")
    return Built("build failed", f"the compiler crashed: {death}")
