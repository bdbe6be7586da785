"""One child process seen from its parent: requests with a limit in seconds, and a sure end."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from typing import Any

from .frames import PREFIX_BYTES, Header, pack, prefix, unpack

_START_SECONDS = 120.0
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from mlc.tune.measure.child import main; main()"
)
_children: weakref.WeakSet[Child] = weakref.WeakSet()


class ExpiredError(Exception):
    """A request took longer than its limit; the child is gone."""


class DiedError(Exception):
    """The child ended in the middle of a request.

    ``signal`` is the number of the signal that ended it, or None; ``said`` the end of what it wrote
    to standard error.
    """

    def __init__(self, code: int, said: str) -> None:
        self.signal = -code if code < 0 else None
        self.said = said
        try:
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            name = f"signal {-code}"
        self.cause = name
        super().__init__(f"the process ended with {name}{': ' + said if said else ''}")


class Child:
    """A process that answers requests (see `child`). It ends with :meth:`close`, at the end of this
    process, and when a request exceeds its limit; after that, make another one.

    ``files`` are the numbers of open files that the child gets under the same numbers."""

    def __init__(
        self,
        *,
        memory_bytes: int | None = None,
        threads: int | None = None,
        warm: bool = False,
        files: tuple[int, ...] = (),
    ) -> None:
        options = {
            "path": sys.path, "memory_bytes": memory_bytes, "threads": threads, "warm": warm,
        }  # fmt: skip
        self._owner = os.getpid()
        self._errors = _error_file()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            pass_fds=files,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent alone
        )
        self._is_ready = False
        self.requests = 0
        _children.add(self)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None and not self._errors.closed

    def wait_until_ready(self) -> None:
        """Come back when the child has imported what it needs."""
        if not self._is_ready:
            try:
                self._receive(_START_SECONDS)
            except BaseException:
                self.close()
                raise
            self._is_ready = True

    def ask(self, header: Header, *blobs: bytes, limit: float) -> tuple[Header, list[bytes]]:
        """The reply to one request. :class:`ExpiredError` after ``limit`` seconds and
        :class:`DiedError` if the child ends; it cannot be asked again after either."""
        self.wait_until_ready()
        self.requests += 1
        try:
            self._send(pack({**header, "limit": limit}, *blobs))
            return unpack(self._receive(limit))
        except BaseException:
            # A reply that nobody read would be taken for that to the next request.
            self.close()
            raise

    def close(self) -> None:
        """End the process and wait for its end. Again and again, and from any thread."""
        if self._owner != os.getpid():
            return  # a fork has its parent's objects, not its children
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        _children.discard(self)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(message)
        try:
            while view:
                view = view[self._process.stdin.write(view) :]
        except (BrokenPipeError, ValueError, OSError):
            raise self._death() from None

    def _receive(self, limit: float) -> bytes:
        deadline = time.monotonic() + limit
        start = self._exactly(PREFIX_BYTES, deadline, limit)
        return start + self._exactly(prefix(start)[1], deadline, limit)

    def _exactly(self, size: int, deadline: float, limit: float) -> bytes:
        assert self._process.stdout is not None
        data = bytearray()
        try:
            descriptor = self._process.stdout.fileno()
            waiting: Any = select.poll()
            waiting.register(descriptor, select.POLLIN)
            while len(data) < size:
                left = deadline - time.monotonic()
                if left <= 0 or not waiting.poll(left * 1000):
                    raise ExpiredError(f"no answer within {limit:.3g} s")
                part = os.read(descriptor, size - len(data))
                if not part:
                    raise self._death()
                data += part
        except (ValueError, OSError):  # closed by another thread
            raise self._death() from None
        return bytes(data)

    def _death(self) -> DiedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.poll()
        return DiedError(1 if code is None else code, self._said())

    def _said(self) -> str:
        try:
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - 2000))
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
        except ValueError:
            return ""
        return lines[-1].strip() if lines else ""


def _error_file() -> Any:
    """Where the child's errors go; nowhere if the disk is full."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "w+b")


def close_all() -> None:
    """End all children of this process that are still there."""
    for child in list(_children):
        with contextlib.suppress(Exception):
            child.close()


atexit.register(close_all)
