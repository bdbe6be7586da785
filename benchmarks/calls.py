"""Call overhead on 8 floats: nothing but the way in and out."""

from __future__ import annotations

import timeit
from typing import Any

import numpy as np

from .harness import Result, Sampler, interleave

CALLS = 20_000
NAME = "call f(a, b), 8 floats"


def _contenders() -> dict[str, tuple[str, dict[str, Any]]]:
    """What is timed, as a statement and the names it uses."""
    import mlc

    a, b = np.arange(8, dtype=np.float32), np.ones(8, np.float32)
    c = np.empty(8, np.float32)
    f = mlc.jit(lambda x, y: x + y)
    names = {"np": np, "a": a, "b": b, "c": c, "f": f}
    return {
        "numpy": ("np.add(a, b)", names),
        "numpy out=": ("np.add(a, b, c)", names),
        "mlc": ("f(a, b)", names),
        "mlc out=": ("f(a, b, out=c)", names),
        "empty loop": ("pass", names),
    }


def _sampler(statement: str, names: dict[str, Any]) -> Sampler:
    timer = timeit.Timer(statement, globals=names)
    timer.timeit(1000)
    return lambda: timer.timeit(CALLS) / CALLS


def run(seconds: float) -> Result:
    """Seconds per call with the empty loop's share taken off."""
    samplers: dict[str, Sampler] = {}
    failures: dict[str, str] = {}
    for name, (statement, names) in _contenders().items():
        try:
            samplers[name] = _sampler(statement, names)
        except Exception as problem:
            failures[name] = f"{type(problem).__name__}: {problem}".splitlines()[0]
    series = interleave(samplers, seconds, rounds=9)
    empty = series.pop("empty loop")
    for one in series.values():
        one.seconds = [max(s - e, 1e-9) for s, e in zip(one.seconds, empty.seconds)]
    return Result(NAME, "calls", series, failures)
