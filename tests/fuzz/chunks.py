"""Many sequences in a row; failures are collected and shrunk."""

from __future__ import annotations

import random
import traceback
from typing import Any

from mlc.config import config

from .paste import paste_test
from .sequences import Failure, Tally, Wrong, run_sequence
from .shrink import Recorder, replayed, shrunk

CHUNK = 100  # sequences


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
    limit_memory()
    tally = Tally()
    kinds: set[str] = set()
    with config.override(cache=False):
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


def limit_memory() -> None:
    """No sequence may take more than 8 GiB: it fails then, instead of the machine."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, hard))
