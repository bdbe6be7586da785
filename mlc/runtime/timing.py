"""How long does a call take, and is it faster than that other one? With intervals.

A short call is repeated in an inner loop until one sample is long enough for the clock. Samples of
a rival are taken in turn with ours, so that a slower minute hits both. The interval of a median
comes from order statistics: it holds for any distribution.
"""

from __future__ import annotations

import gc
import itertools
import math
import os
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlc.errors import ArgumentError

_SAMPLE_SECONDS = 100e-6  # a sample's length: a thousand ticks of a 100 ns clock
_MIN_SAMPLES = 7  # the fewest whose extremes are a 98 % interval of the median
_MAX_SAMPLES = 10_000
_CARD_CACHES = 256 << 20  # bytes: more than any card caches


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the bounds between which the true one lies, at least 95 times in 100."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Timing:
    """What `time` measured, in seconds per call. Prints as a sentence.

    ``ratio`` is the rival's time over ours, sample by sample: above 1, ours is faster.
    """

    name: str
    median: float
    low: float
    high: float
    best: float
    runs: int
    cache: str
    rival_name: str = ""
    rival: Interval | None = None
    ratio: Interval | None = None

    @property
    def within_noise(self) -> bool:
        """Whether the measurement cannot tell the two apart."""
        return self.ratio is not None and self.ratio.low <= 1 <= self.ratio.high

    def __str__(self) -> str:
        text = (
            f"{self.name}: {_seconds(self.median)} per call "
            f"({_seconds(self.low)} to {_seconds(self.high)}, best {_seconds(self.best)}; "
            f"{self.runs} runs, {self.cache} cache)"
        )
        if self.rival is None or self.ratio is None:
            return text
        text += f"; rival {self.rival_name}: {_seconds(self.rival.median)}; "
        bounds = f"({self.ratio.low:.2f} to {self.ratio.high:.2f})"
        if self.within_noise:
            return text + f"within noise, ratio {self.ratio.median:.2f} {bounds}"
        if self.ratio.median > 1:
            return text + f"{self.ratio.median:.2f} times faster {bounds}"
        return text + f"{1 / self.ratio.median:.2f} times slower, ratio {bounds}"

    __repr__ = __str__


def time(
    f: Callable[..., Any],
    *args: Any,
    rival: Callable[..., Any] | None = None,
    cache: Literal["warm", "cold"] = "warm",
    repeats: int | None = None,
    budget_s: float = 1.0,
    **kwargs: Any,
) -> Timing:
    """Time ``f(*args, **kwargs)``, and ``rival`` with the same arguments if there is one.

    The functions are called once before, so compilation does not count. ``cache="cold"`` drives the
    data out of the processor's caches before every call. ``repeats`` fixes the number of samples;
    otherwise there are as many as fit into ``budget_s`` seconds (at least 7). Where arguments are
    arrays on a card, a sample ends when the card is done, and the caches are the card's.
    """
    if cache not in ("warm", "cold"):
        raise ArgumentError(f"cache is 'warm' or 'cold', got {cache!r}.")
    if repeats is not None and repeats < 1:
        raise ArgumentError(f"repeats is at least 1, got {repeats!r}.")
    calls = [f] if rival is None else [f, rival]
    for call in calls:
        if not callable(call):
            raise ArgumentError(
                f"expected a function to time, got {type(call).__name__} {call!r}; "
                f"pass the function first and its arguments after it: mlc.time(f, x)"
            )
        call(*args, **kwargs)
    wait = _waiting(args, kwargs)
    flush = None
    if cache == "cold":
        flush = _cache_flusher() if wait is _no_wait else card_flusher(wait)
    loops = [1 if flush else _inner_loops(call, args, kwargs, wait) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    deadline = clock.perf_counter() + budget_s
    collecting = gc.isenabled()
    gc.disable()
    try:
        while not _is_enough(len(samples[0]), repeats, deadline):
            # Who goes first changes: the second may find the clock or the cache better.
            order = list(range(len(calls)))
            for i in reversed(order) if len(samples[0]) % 2 else order:
                if flush:
                    flush()
                samples[i].append(_sample(calls[i], args, kwargs, loops[i], wait))
    finally:
        if collecting:
            gc.enable()
    ours = median_interval(samples[0])
    theirs = ratio = None
    if rival is not None:
        theirs = median_interval(samples[1])
        ratio = median_interval([b / a for a, b in zip(*samples)])
    return Timing(
        name=_name(f),
        median=ours.median,
        low=ours.low,
        high=ours.high,
        best=min(samples[0]),
        runs=len(samples[0]) * loops[0],
        cache=cache,
        rival_name=_name(rival) if rival is not None else "",
        rival=theirs,
        ratio=ratio,
    )


def median_interval(samples: Sequence[float]) -> Interval:
    """The median with its interval of at least 95 %; the extremes for fewer than 6 samples.

    The number of samples below the true median is binomial, whatever their distribution: the k-th
    smallest and k-th largest enclose it but for twice the chance of fewer than k.
    """
    ordered = sorted(samples)
    n = len(ordered)
    if n < 1000:
        # The chance that at most k samples lie below the true median.
        k, tail = 0, 0.5**n
        while 2 * (tail := tail + math.comb(n, k + 1) * 0.5**n) <= 0.05:
            k += 1
    else:
        k = max(int(n / 2 - 0.98 * math.sqrt(n)) - 1, 0)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return Interval(middle, ordered[k], ordered[n - 1 - k])


def _is_enough(count: int, repeats: int | None, deadline: float) -> bool:
    if repeats is not None:
        return count >= repeats
    if count >= _MAX_SAMPLES:
        return True
    return count >= _MIN_SAMPLES and clock.perf_counter() > deadline


def _no_wait() -> None:
    """What there is to wait for after calls that are done when they return."""


def _waiting(args: Any, kwargs: Any) -> Callable[[], None]:
    """Waits for the cards that hold arrays among the arguments."""
    from mlc.runtime.cuda.arrays import read
    from mlc.tracer import tree

    held = [read(leaf) for leaf in tree.flatten((args, kwargs))[0]]
    cards = sorted({array.device for array in held if array is not None})
    if not cards:
        return _no_wait
    from mlc.runtime.cuda.card import card

    def wait() -> None:
        for number in cards:
            card().wait(number)

    return wait


def _sample(
    f: Callable[..., Any], args: Any, kwargs: Any, loops: int, wait: Callable[[], None]
) -> float:
    turns = itertools.repeat(None, loops)
    if kwargs:
        start = clock.perf_counter()
        for _ in turns:
            f(*args, **kwargs)
        wait()
        return (clock.perf_counter() - start) / loops
    match args:
        # Unpacking would add to what a short call takes.
        case (a,):
            start = clock.perf_counter()
            for _ in turns:
                f(a)
        case (a, b):
            start = clock.perf_counter()
            for _ in turns:
                f(a, b)
        case (a, b, c):
            start = clock.perf_counter()
            for _ in turns:
                f(a, b, c)
        case _:
            start = clock.perf_counter()
            for _ in turns:
                f(*args)
    wait()
    return (clock.perf_counter() - start) / loops


def _inner_loops(f: Callable[..., Any], args: Any, kwargs: Any, wait: Callable[[], None]) -> int:
    loops = 1
    while loops < 1 << 20:
        total = _sample(f, args, kwargs, loops, wait) * loops
        if total >= _SAMPLE_SECONDS:
            break
        loops = min(loops * 10, int(loops * 1.2 * _SAMPLE_SECONDS / max(total, 1e-9)) + 1)
    return loops


def _cache_flusher() -> Callable[[], None]:
    """A function that streams over more memory than the caches hold."""
    from mlc.backends.llvm.target import host_target

    size = max(4 * host_target().l3_bytes, 64 << 20)
    size = min(size, 1 << 30, _physical_memory() // 8)
    buffer = np.zeros(size // 8, np.int64)

    def flush() -> None:
        np.add(buffer, 1, out=buffer)

    return flush


def card_flusher(wait: Callable[[], None]) -> Callable[[], None]:
    """A function that fills the caches of the current card with something else."""
    from mlc.runtime.cuda.card import card

    buffer = card().cupy.empty((_CARD_CACHES,), np.uint8)

    def flush() -> None:
        buffer[...] = 0
        wait()

    return flush


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or repr(f)


def _seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"
