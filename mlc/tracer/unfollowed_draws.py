"""Random numbers that compiled code cannot draw as NumPy and Python would: refused, not frozen.

A function runs once while tracing. What it draws from a bit generator itself, from a generator that
it spawns, or from one that the system seeds would be the same numbers at each later call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime
from typing import Any

import numpy as np

from ..errors import UnsupportedError, warn
from ..ops.op import CURRENT
from .streams import set_as, stamp_of, twin_of

_BITS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "SeedSequence")
_SYSTEM = ("secrets.", "uuid.uuid1", "uuid.uuid4", "posix.urandom", "random.SystemRandom")
_CLOCKS = tuple(
    clock + unit
    for clock in ("time", "perf_counter", "monotonic", "process_time", "thread_time")
    for unit in ("", "_ns")
)
_TODAY = ("now", "utcnow", "today")
Twins = list[tuple[Any, Any]]


def has_seed(args: Any, options: Any) -> bool:
    """Whether a generator that is made of these arguments is not seeded by the system."""
    return any(value is not None for value in (*args, *options.values()))


def refusing(function: Any) -> Any:
    """What to call in the place of ``function``, if the system decides what that gives; None for
    all others."""
    module, name = str(getattr(function, "__module__", "")), getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if type(owner).__name__ == "SystemRandom" or f"{module}.{name}".startswith(_SYSTEM):
        what = f"{name}() draws from the system, and would give"
        return _refused(function, f"{what} what it gave while tracing at every call", False)
    if module == "time" and name in _CLOCKS or name in _TODAY and owner in (datetime, date):
        return _read_once(function, name)
    if module.startswith("numpy.random") and name in _BITS:
        what = f"np.random.{name}() without a seed would give the same numbers at every call"
        return _refused(function, what, True)
    return None


def _read_once(function: Any, name: str) -> Callable[..., Any]:
    @functools.wraps(function, updated=())
    def call(*args: Any, **options: Any) -> Any:
        if CURRENT.get() is not None:
            warn(
                f"{name}() in a jitted function is called once, while tracing, and gives the same "
                f"time at every later call; read the clock outside, and pass what it says",
                UserWarning,
            )
        return function(*args, **options)

    return call


def _refused(function: Any, sentence: str, may_be_seeded: bool) -> Callable[..., Any]:
    @functools.wraps(function, updated=())
    def call(*args: Any, **options: Any) -> Any:
        if CURRENT.get() is None or may_be_seeded and has_seed(args, options):
            return function(*args, **options)
        raise UnsupportedError(
            f"{sentence} of the compiled function; draw from np.random.default_rng(), or pass what "
            f"is drawn"
        )

    return call


def check_spawned(name: str) -> None:
    """UnsupportedError for ``spawn`` of a generator from outside."""
    if name == "spawn":
        raise UnsupportedError(
            "spawn() of a generator from outside of a jitted function gives other generators at "
            "each call, and cannot be traced; spawn them outside, and pass them"
        )


def twins_of(generators: Iterable[Any]) -> Twins:
    """The generators, with copies of what they are by now."""
    return [(source, twin_of(source)) for source in generators]


def put_back(twins: Twins) -> bool:
    """Let the generators be what they were; whether one was something else."""
    moved = [pair for pair in twins if _stamp(pair[0]) != _stamp(pair[1])]
    for source, twin in moved:
        set_as(source, twin)
    return bool(moved)


def check_unmoved(twins: Twins) -> None:
    """UnsupportedError where tracing itself has changed a generator from outside."""
    if put_back(twins):
        raise UnsupportedError(
            "the function changes a random generator from outside by other ways than by drawing "
            "from it, as bit_generator.random_raw(), bit_generator.state = ..., or np.random."
            "Generator(rng.bit_generator) do; compiled code cannot do that at each call: draw from "
            "the generator, or do it outside"
        )


def states_read(
    names: frozenset[str], generators: Collection[Any], drew: bool
) -> list[tuple[str, Any, Any, Any]]:
    """Checks as those of captures, where a function that reads ``names`` looks at the states of
    generators: the code is for these states alone. UnsupportedError where it draws, too."""
    if "bit_generator" not in names or not generators:
        return []
    if drew:
        raise UnsupportedError(
            "a function that draws from a random generator, and reads or sets its "
            "bit_generator.state, cannot be traced: it is run before the numbers are drawn; keep "
            "and restore the state outside"
        )
    said = "the state of the random generator"
    return [(said, _stamp, source, _stamp(source)) for source in generators]


def _stamp(source: Any) -> str:
    """The state of ``source``, with how many generators were spawned from it."""
    seeds = getattr(getattr(source, "bit_generator", None), "seed_seq", None)
    count = getattr(seeds, "n_children_spawned", 0)
    text = stamp_of(source)
    return f"{text},{count}" if isinstance(source, np.random.Generator) else text
