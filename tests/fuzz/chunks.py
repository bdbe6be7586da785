"""Many sequences in a row; failures are collected and shrunk."""

from __future__ import annotations

import random
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlc.config import config

from .paste import paste_test
from .sequences import Failure, Tally, Wrong, run_sequence
from .shrink import Recorder, replayed, shrunk

CHUNK = 100  # sequences
MEMORY = 8 << 30  # bytes

SHARES = {"numpy": 0.15, "simulate": 0.15, "script": 0.2, "replay": 0.2}


def ways_for(seed: int, native: float = 1.0) -> list[str]:
    """How the program of a sequence is run: by the interpreter and symbolically always, natively in
    the share ``native`` of all, or else lowered and interpreted; the others now and then."""
    chance = random.Random(f"ways {seed}")
    ways = ["interpret", "symbols", "proof", "lowered"]
    if chance.random() < native:
        ways[3:] = ["debug" if chance.random() < 0.25 else "llvm"]
    for way, share in SHARES.items():
        if chance.random() < share:
            ways.append(way)
    return ways


def run_chunk(first: int, seconds: float, native: float = 1.0) -> Tally:
    """One hundred sequences from the seed ``first`` on; each new kind of failure is shrunk for so
    many ``seconds``."""
    tally = Tally()
    kinds: set[str] = set()
    with limited_memory(), config.override(cache=False):
        for seed in range(first, first + CHUNK):
            recorder = Recorder(seed)

            def ways(seed: int = seed) -> list[str]:
                return ways_for(seed, native)

            try:
                run_sequence(recorder, tally, ways)
                continue
            except Wrong as wrong:
                found = wrong
            except Exception:
                tally.failures.append(Failure(f"crash (seed {seed})", traceback.format_exc()))
                continue

            def again(streams: list[list[int]], ways: Any = ways) -> Wrong | None:
                try:
                    run_sequence(replayed(streams), Tally(), ways)
                except Wrong as wrong:
                    return wrong
                except Exception:
                    return None
                return None

            def fails(streams: list[list[int]], kind: str = found.kind) -> bool:
                wrong = again(streams)
                return wrong is not None and wrong.kind == kind

            failure = Failure(f"{found.kind} (seed {seed})", found.text)
            if found.kind not in kinds:
                kinds.add(found.kind)
                failure.choices = shrunk(recorder.streams, fails, seconds)
                small = again(failure.choices) or found
                failure.text = small.text
                failure.pasted = paste_test(small)
            tally.failures.append(failure)
    return tally


@contextmanager
def limited_memory(more: int = MEMORY) -> Iterator[None]:
    """What runs inside may take so many bytes more than the process has: then it fails, instead of
    the machine. The address space counts, of which other tests may hold very much already."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not on this system
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    given = [n for n in (soft, hard) if n != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([mapped + more, *given]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
