"""Interleaved timing: each contender is checked, then runs in every round, in a shuffled order.

A ratio is the median over rounds of the two times of one round, so that a host that slows down for
a while slows both sides. Orders are shuffled, not rotated: who runs after whom must not be fixed,
since a contender inherits the caches and the clock that its forerunner left.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .cases import Case
from .ceilings import Ceiling, Traffic
from .peers import PEERS

BATCH_SECONDS = 2e-3
SLOW_SECONDS = 2.0  # a peer is measured once where it takes longer
MOST_PLAIN_FLOPS = 4e9  # of numbers that it multiplies one by one; it is left out beyond that
LIMIT = "limit"


@dataclass
class Series:
    """The seconds per call that one contender took, round by round."""

    seconds: list[float] = field(default_factory=list)
    error: float | None = None  # of the result, in units of the rounding that is granted

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The 90th percentile over the 10th."""
        low, *_, high = statistics.quantiles(self.seconds, n=10)
        return high / low

    def over(self, other: Series) -> float:
        """The median of ``self / other`` within rounds."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds))


@dataclass
class Result:
    """What became of one case: a series for each contender that ran, a sentence for each that did
    not, or was measured but once."""

    name: str
    group: str
    series: dict[str, Series]
    failures: dict[str, str]
    written: int = 0  # bytes of the result

    def ratio(self, name: str, to: str = "numpy") -> float | None:
        """How many times faster than ``to``."""
        if name not in self.series or to not in self.series:
            return None
        return self.series[to].over(self.series[name])

    def best_peer(self) -> tuple[str, float] | None:
        """Of all others the one that mlc is least ahead of, and how many times faster mlc is.

        Those that reuse their results are compared with ``mlc out=``, the others with ``mlc``.
        """
        others = [name for name in self.series if name not in ("mlc", "mlc out=", LIMIT)]
        ratios = []
        for other in others:
            reuses = other == "numpy out=" or PEERS[other].reuses_results
            ours = "mlc out=" if reuses and "mlc out=" in self.series else "mlc"
            ratio = self.ratio(ours, other)
            if ratio is not None:
                ratios.append((ratio, other))
        if not ratios:
            return None
        ratio, best = min(ratios)
        return best, ratio

    def share_of_limit(self, name: str) -> float | None:
        """The part of the measured ceiling that was reached, 1.0 at best."""
        if name not in self.series or LIMIT not in self.series:
            return None
        return self.series[LIMIT].over(self.series[name])


STEP, IDLE, PATIENCE = 0.01, 0.001, 0.3  # seconds


def wait_until_idle() -> None:
    """Sleeps while threads of this process run. Those of libraries go on spinning after a call, on
    the cores that others are to use next: OpenBLAS' for 100 ms, ONNX Runtime's for 30."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(STEP)
        if time.process_time() - before < IDLE:
            return


Sampler = Callable[[], float]


def sampler(call: Callable[[], Any]) -> Sampler:
    """Seconds per call with warm caches, over as many calls as fill BATCH_SECONDS."""
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    number = max(int(BATCH_SECONDS / max(once, 1e-9)), 1)

    def sample() -> float:
        call()
        start = time.perf_counter()
        for _ in range(number):
            call()
        return (time.perf_counter() - start) / number

    return sample


def interleave(
    samplers: dict[str, Sampler], seconds: float, rounds: int, apart: bool = False
) -> dict[str, Series]:
    """At least ``rounds`` rounds, more while the time lasts; ``apart``: each sample begins when the
    threads of those before it have gone to sleep."""
    order, names = random.Random(0), list(samplers)
    series = {name: Series() for name in names}
    collecting = gc.isenabled()
    gc.disable()
    try:
        end, done = time.perf_counter() + seconds, 0
        while done < rounds or time.perf_counter() < end:
            for name in order.sample(names, len(names)):
                if apart:
                    wait_until_idle()
                series[name].seconds.append(samplers[name]())
            done += 1
    finally:
        if collecting:
            gc.enable()
    return series


def reference(case: Case, args: tuple[np.ndarray, ...]) -> np.ndarray:
    """The case in float64 NumPy, in which sums of products of int8 are exact."""
    function = case.exact or case.function
    return np.asarray(function(*(array.astype(np.float64) for array in args)))


def rounding_granted(case: Case, exact: np.ndarray, dtype: np.dtype[Any]) -> float:
    """The largest error that rounding explains.

    Errors of a sum of ``depth`` terms add up like a random walk; 16 stands for the few roundings
    of each elementwise step. Both are in units of the last place of the largest result.
    """
    scale = float(np.max(np.abs(exact), initial=0.0))
    if dtype.name == "bfloat16":  # summed in float32, and rounded once
        return scale * (2.0**-8 + float(np.finfo(np.float32).eps) * (16 + case.depth**0.5))
    if not np.issubdtype(dtype, np.floating):
        return 0.0
    return float(np.finfo(dtype).eps) * scale * (16 + case.depth**0.5)


def as_numpy(value: Any) -> np.ndarray:
    """A result of any peer; torch hands over no bfloat16 itself."""
    if str(getattr(value, "dtype", "")) != "torch.bfloat16":
        return np.asarray(value)
    import ml_dtypes
    import torch

    return np.asarray(value.view(torch.int16)).view(ml_dtypes.bfloat16)


def check(case: Case, got: Any, exact: np.ndarray) -> float:
    """The error in units of the rounding granted; raises ArithmeticError when it is above 1."""
    value = as_numpy(got)
    if value.shape != exact.shape:
        raise ArithmeticError(f"shape {value.shape} where NumPy has {exact.shape}")
    error = float(np.max(np.abs(value.astype(np.float64) - exact), initial=0.0))
    granted = rounding_granted(case, exact, value.dtype)
    if not error <= granted:
        raise ArithmeticError(f"wrong by {error:.3g} where rounding explains {granted:.3g}")
    return error / granted if granted else 0.0


def timed(function: Callable[..., Any], values: Iterable[Any]) -> tuple[Any, float]:
    """The result of one call, and its seconds."""
    start = time.perf_counter()
    got = function(*values)
    return got, time.perf_counter() - start


def run_case(
    case: Case, contenders: Iterable[str], threads: int, seconds: float, rounds: int = 7
) -> Result:
    """Prepare, check, then time every contender; one that fails is reported and left out."""
    args = case.inputs()
    exact = reference(case, args)
    failures: dict[str, str] = {}
    samplers: dict[str, Sampler] = {}
    errors: dict[str, float] = {}
    written = 0
    is_narrow = case.dtype in ("int8", "bfloat16")
    for name in contenders:
        if name == "numpy" and is_narrow and case.flops > MOST_PLAIN_FLOPS:
            failures[name] = "left out: it multiplies such numbers one by one, for minutes"
            continue
        try:
            is_ours = name.startswith("mlc") and case.ours is not None
            written_so = case.ours() if is_ours and case.ours else case.function
            function, values = PEERS[name].prepare(written_so, args)
            got, once = timed(function, values)
            errors[name] = check(case, got, exact)
            written = written or as_numpy(got).nbytes
            if once > SLOW_SECONDS and name != "numpy":  # most of it may have been compilation
                once = timed(function, values)[1]
            if once > SLOW_SECONDS and not name.startswith("mlc"):
                samplers[name] = lambda once=once: once  # type: ignore[misc]
                failures[name] = f"measured once, as it takes {once:.1f} s"
                continue
            for _ in range(2):
                function(*values)
            samplers[name] = sampler(lambda f=function, v=values: f(*v))  # type: ignore[misc]
        except Exception as problem:  # a peer may fail in any way; the others go on
            failures[name] = f"{type(problem).__name__}: {problem}".splitlines()[0]
    flops = case.flops * (2 if case.dtype == "float64" else 1)  # half as many lanes
    kind = case.dtype if is_narrow else "fma"
    traffic = Traffic(sum(array.nbytes for array in args), written, flops, kind)
    longest = max(args, key=lambda array: array.nbytes)
    samplers[LIMIT] = Ceiling(traffic, threads, longest).sample
    series = interleave(samplers, seconds, rounds, apart=threads > 1)
    for name, error in errors.items():
        if name in series:
            series[name].error = error
    return Result(case.name, case.group, series, failures, written)
