"""Random programs in child processes, so that one which dies, or does not come to an end, is
reported with its program, and the others run all the same."""

from __future__ import annotations

import contextlib
import math
import mmap
import multiprocessing
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

SECONDS = 600.0  # of the processor that one program, measured with errors, may take
BY_THE_CLOCK = 1800.0  # seconds, where others have the processor
MOST_TEXT = 1 << 16

Told = Callable[[str], None]
_fork = multiprocessing.get_context("fork")


class Note:
    """A text that the process writes and its parent reads, also after its death."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, MOST_TEXT)

    def write(self, text: str) -> None:
        data = text.encode()[: MOST_TEXT - 4]
        self.memory[:4] = len(data).to_bytes(4, "little")
        self.memory[4 : 4 + len(data)] = data

    def read(self) -> str:
        count = int.from_bytes(self.memory[:4], "little")
        return self.memory[4 : 4 + count].decode(errors="replace")


@dataclass
class _Child:
    """A process that goes through ``items``, and how far it is."""

    items: list[Any]
    process: Any
    ends: Connection
    note: Note
    done: int = 0
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Death:
    """What is left of an item whose process died: why, and what it had last noted."""

    item: Any
    reason: str
    note: str


def each(
    work: Callable[[Any, Told], Any],
    chunks: Iterator[list[Any]],
    jobs: int,
    seconds: float = SECONDS,
    by_the_clock: float = BY_THE_CLOCK,
) -> Iterator[Any]:
    """``work(item, note)`` of each item of ``chunks``, a process for each chunk and ``jobs`` at a
    time, in any order; a :class:`Death` where the process died or took more than ``seconds`` of
    the processor or ``by_the_clock``. Such a chunk goes on behind the item in another process."""
    left: list[list[Any]] = []
    children: list[_Child] = []
    more = True
    try:
        while True:
            while len(children) < jobs and (left or more):
                items = left.pop() if left else next(chunks, None)
                if items is None:
                    more = False
                elif items:
                    children.append(_started(work, items, seconds))
            if not children:
                return
            ready = wait([child.ends for child in children], 1.0)
            for child in list(children):
                late = time.monotonic() - child.since > by_the_clock
                if child.ends not in ready and not late:
                    continue
                try:
                    if child.ends not in ready:
                        child.process.kill()
                        raise EOFError
                    yield child.ends.recv()
                    child.done += 1
                    child.since = time.monotonic()
                    ended = child.done == len(child.items)
                except (EOFError, OSError):
                    yield _death(child)
                    left.append(child.items[child.done + 1 :])
                    ended = True
                if ended:
                    child.ends.close()
                    child.process.join()
                    children.remove(child)
    finally:
        for child in children:
            child.process.kill()


def outlives(work: Callable[[], None], seconds: float = BY_THE_CLOCK) -> bool:
    """Whether a process that does ``work`` comes to an end, be it by an error."""
    process = _fork.Process(target=_quietly, args=(work,))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode == 0


def _quietly(work: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        work()


def _started(work: Callable[[Any, Told], Any], items: list[Any], seconds: float) -> _Child:
    ours, theirs = _fork.Pipe(False)
    note = Note()
    process = _fork.Process(target=_run, args=(work, items, seconds, theirs, note), daemon=True)
    process.start()
    theirs.close()
    return _Child(items, process, ours, note)


def _run(
    work: Callable[[Any, Told], Any], items: list[Any], seconds: float, ends: Connection, note: Note
) -> None:
    for item in items:
        note.write("")
        end = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
        ends.send(work(item, note.write))


def _death(child: _Child) -> Death:
    child.process.join()
    code = child.process.exitcode
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        reason = "it came to no end"
    elif code < 0:
        reason = f"the process died of {signal.Signals(-code).name}"
    else:
        reason = f"the process ended with exit code {code}"
    return Death(child.items[child.done], reason, child.note.read())
