"""A pool of processes that build candidates. A build that hangs or crashes costs one of them."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from .building import Built
from .frames import unpack
from .limits import Limits
from .process import Child, DiedError, ExpiredError

_MEMORY_WORDS = ("out of memory", "bad_alloc", "memoryerror", "allocation failed")
_RENEW_AFTER = 2000  # builds, after which what a process has gathered in caches is let go
_OS_KILL = 9


class Builders:
    """``count`` processes, started when the first request comes."""

    def __init__(self, count: int, limits: Limits) -> None:
        self.limits = limits
        self.count = count
        self.lost = 0  # processes that ended in the middle of a build
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._is_closed = False

    def submit(self, request: bytes) -> Future[Built]:
        """The build of a request of `building`, under way. Its result is never an exception."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.count, "mlc-build")
            # All of them import what they need at the same time.
            self._idle += [self._child() for _ in range(self.count)]
        return self._threads.submit(self._build, request)

    def pids(self) -> list[int]:
        """The numbers of the processes."""
        with self._lock:
            return [child.pid for child in (*self._idle, *self._busy)]

    def close(self) -> None:
        """End all processes, and with them all builds."""
        with self._lock:
            self._is_closed = True
            children = [*self._idle, *self._busy]
            self._idle.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.close()
        if self._threads is not None:
            self._threads.shutdown(wait=True)

    def _child(self) -> Child:
        return Child(memory_bytes=2 * self.limits.memory_bytes, warm=True)

    def _build(self, request: bytes) -> Built:
        header, blobs = unpack(request)
        made = Built("build failed", "the measurement was ended")
        for _ in range(2):
            child = self._take()
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
                self.lost += 1
                made = _classified(death)
                if death.signal != _OS_KILL:
                    break  # killed from outside, it gets a second chance
            finally:
                self._give_back(child)
        return made

    def _take(self) -> Child | None:
        with self._lock:
            while self._idle and not self._is_closed:
                child = self._idle.pop()
                if child.is_alive:
                    self._busy.add(child)
                    return child
                child.close()
        if self._is_closed:
            return None
        child = self._child()
        with self._lock:
            self._busy.add(child)
            if self._is_closed:
                self._busy.discard(child)
                child.close()
                return None
        return child

    def _give_back(self, child: Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if child.is_alive and child.requests < _RENEW_AFTER and not self._is_closed:
                self._idle.append(child)
                return
        with contextlib.suppress(Exception):
            child.close()


def _classified(death: DiedError) -> Built:
    if death.signal == _OS_KILL or any(word in death.said.lower() for word in _MEMORY_WORDS):
        return Built("out of memory", f"while it was built: {death}")
    return Built("build failed", f"the compiler crashed: {death}")
