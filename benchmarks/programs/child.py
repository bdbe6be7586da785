"""One program, measured: ``python -m benchmarks.programs.child NAME PEERS SECONDS``, JSON out."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..peers import with_numpy_as
from . import for_jax, for_numba
from .table import Arguments, Program, copied, difference, effects, program

ROUNDS = 5
PAUSE = 0.04  # threads of OpenBLAS and OpenMP go on spinning for a while
BATCH = 0.01
Call = Callable[[Arguments], Any]


def _numpy(p: Program) -> Call:
    return lambda args: p.function(*args)


def _mlc(p: Program) -> Call:
    import mlc

    compiled = mlc.jit(p.function)
    return lambda args: compiled(*args)


def _numba(p: Program) -> Call:
    import numba

    function = getattr(for_numba, p.name, p.function)
    compiled = for_numba.compiled(function, numba.njit(parallel=True, fastmath=True))
    return lambda args: compiled(*args)


def _jax(p: Program) -> Call:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy

    function = getattr(for_jax, p.name, None) or with_numpy_as(jax.numpy, p.function)
    static = for_jax.STATIC.get(p.name, ())
    compiled = jax.jit(function, static_argnums=static)
    return lambda args: jax.block_until_ready(compiled(*args))


def _for_jax(args: Arguments) -> Arguments:
    import jax.numpy

    return tuple(jax.numpy.asarray(a) if isinstance(a, np.ndarray) else a for a in args)


MAKERS = {"numpy": _numpy, "mlc": _mlc, "numba": _numba, "jax": _jax}
WRITTEN = {"numba": for_numba, "jax": for_jax}


def _ready(name: str, p: Program, expected: list[np.ndarray]) -> tuple[Call, float]:
    """The call, checked, and the seconds that the first one took."""
    call = MAKERS[name](p)
    args = copied(p.make(p.size))
    given = _for_jax(args) if name == "jax" else args
    start = time.perf_counter()
    result = call(given)
    first = time.perf_counter() - start
    if name == "jax":  # it returns what the others write
        got = effects(result, ())
        wanted = _kept(expected, p.make(p.size))
    else:
        got, wanted = effects(result, args), expected
    wrong = difference(_as(got, wanted) if name in ("jax", "numba") else got, wanted, p.tolerance)
    if wrong:
        raise ArithmeticError(wrong)
    return call, first


def _as(got: list[np.ndarray], wanted: list[np.ndarray]) -> list[np.ndarray]:
    """Results of a peer with NumPy's dtypes, which are not asked of it."""
    return [g.astype(w.dtype) if g.shape == w.shape else g for g, w in zip(got, wanted)] + got[
        len(wanted) :
    ]


def _kept(expected: list[np.ndarray], args: Arguments) -> list[np.ndarray]:
    """Of the effects of a call: what it returned, and the arguments that it changed."""
    before = effects(None, args)
    returned = expected[: len(expected) - len(before)]
    after = expected[len(returned) :]
    return returned + [
        new for new, old in zip(after, before)
        if not np.array_equal(new, old) and not any(new is r for r in returned)
    ]  # fmt: skip


def measure(p: Program, names: list[str], seconds: float) -> dict[str, Any]:
    """Everything about one program as plain data."""
    np.seterr(all="ignore")
    args = p.make(p.size)
    mine = copied(args)
    expected = effects(p.function(*mine), mine)
    calls: dict[str, Call] = {}
    failures: dict[str, str] = {}
    compiled: dict[str, float] = {}
    for name in ("numpy", *names):
        try:
            calls[name], compiled[name] = _ready(name, p, expected)
        except Exception as problem:  # a peer may fail in any way; the others go on
            failures[name] = f"{type(problem).__name__}: {problem}".strip().splitlines()[0]
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, end, rounds = random.Random(0), time.perf_counter() + seconds, 0
    while rounds < ROUNDS or time.perf_counter() < end:
        for name in order.sample(list(calls), len(calls)):
            time.sleep(PAUSE)
            times[name].extend(_batch(calls[name], args, name == "jax"))
        rounds += 1
    changed = [n for n, module in WRITTEN.items() if hasattr(module, p.name)]
    return {
        "name": p.name,
        "best": {name: min(found) for name, found in times.items()},
        "median": {name: statistics.median(found) for name, found in times.items()},
        "compiled": compiled,
        "changed": changed,
        "failures": failures,
    }


def _batch(call: Call, args: Arguments, for_jax: bool) -> list[float]:
    """Seconds of some calls, each on fresh arguments."""
    found: list[float] = []
    while not found or sum(found) < BATCH and len(found) < 50:
        fresh = _for_jax(args) if for_jax else copied(args)
        start = time.perf_counter()
        call(fresh)
        found.append(time.perf_counter() - start)
    return found


def main() -> None:
    """Measure and print one line."""
    name, peers, seconds = sys.argv[1:4]
    print(json.dumps(measure(program(name), peers.split(","), float(seconds))))


if __name__ == "__main__":
    main()
