"""Times on a card, the contenders of a case and the ceilings in turn."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.harness import Series, interleave
from benchmarks.peers import with_numpy_as

from .cases import Case
from .checking import check
from .peers import PEERS, Prepared, torch_sees_cards

SAMPLE_SECONDS = 10e-3  # a sample: so many calls that starting and ending do not count
COPY, PRODUCT = "copy", "product"
COPY_BYTES = 1 << 30
PRODUCT_SIZE = 8192
CALLS = 2000
Sampler = Callable[[], float]


@dataclass
class Result:
    """What was measured of a case, or why not."""

    name: str
    group: str
    moved: int = 0  # bytes of the inputs and of the result, each once
    flops: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def sampler(made: Prepared) -> Sampler:
    """Seconds per call, from the first call to the end of the last one's work."""
    for _ in range(2):
        made.wait(made.call())
    start = time.perf_counter()
    made.wait(made.call())
    number = max(int(SAMPLE_SECONDS / max(time.perf_counter() - start, 1e-9)), 1)

    def sample() -> float:
        made.wait(made.call())
        start = time.perf_counter()
        for _ in range(number):
            result = made.call()
        made.wait(result)
        return (time.perf_counter() - start) / number

    return sample


@dataclass(frozen=True)
class Ceilings:
    """A large copy, in bytes read and written a second, and a large product, in flops a second."""

    samplers: dict[str, Sampler]
    product: str  # what was multiplied, by whom

    def rate(self, name: str, series: dict[str, Series]) -> float:
        work = 2 * COPY_BYTES if name == COPY else 2 * PRODUCT_SIZE**3
        return work / series[name].median


def ceilings() -> Ceilings:
    """Measured beside each case: bfloat16 by torch's library, or float16 by CuPy's."""
    import cupy

    wait = lambda result: cupy.cuda.runtime.deviceSynchronize()
    source, target = (cupy.zeros(COPY_BYTES // 4, np.float32) for _ in range(2))

    def copy() -> None:
        target[...] = source

    shape = (PRODUCT_SIZE, PRODUCT_SIZE)
    if torch_sees_cards():
        import torch

        a = torch.randn(shape, device="cuda", dtype=torch.bfloat16)
        product, label = (lambda: torch.matmul(a, a)), "bfloat16 by torch"
    else:
        b = cupy.random.standard_normal(shape, dtype=np.float32).astype(np.float16)
        product, label = (lambda: cupy.matmul(b, b)), "float16 by CuPy"
    made = {COPY: copy, PRODUCT: product}
    return Ceilings({n: sampler(Prepared(c, wait, np.asarray)) for n, c in made.items()}, label)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError in what is done inside, once so many seconds are up."""
    if math.isinf(seconds):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"not ready after {max(seconds, 0):.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_case(
    case: Case,
    contenders: Iterable[str],
    over: Ceilings,
    seconds: float,
    patience: float = math.inf,
) -> Result:
    """Prepare, check against float64, then time every contender; one that fails is left out, and so
    is a peer that is not ready once all of them have taken ``patience`` seconds."""
    args = case.inputs(case.shapes)
    result = Result(case.name, case.group, sum(a.nbytes for a in args), case.flops(case.shapes))
    try:
        exact = _exact(case, args)
    except Exception as problem:  # too large for this card, say
        result.failures["float64"] = _told(problem)
        return result
    samplers: dict[str, Sampler] = dict(over.samplers)
    errors: dict[str, float] = {}
    written = 0
    for name in contenders:
        start = time.perf_counter()
        try:
            with within(math.inf if name == "mlc" else patience):
                made = PEERS[name].prepare(case, args)
                got = made.read(made.call())
                errors[name] = check(case, case.shapes, got, exact)
                written = got.nbytes
                samplers[name] = sampler(made)
        except Exception as problem:  # a peer may fail in any way; the others go on
            result.failures[name] = _told(problem)
        if name != "mlc":
            patience -= time.perf_counter() - start
    result.moved += written
    result.series = interleave(samplers, seconds, rounds=7)
    for name, error in errors.items():
        if name in result.series:
            result.series[name].error = error
    return result


def _exact(case: Case, args: Any) -> np.ndarray[Any, Any]:
    """The case in float64, by CuPy's libraries on the card."""
    import cupy

    function = with_numpy_as(cupy, case.function)
    exact = cupy.asnumpy(function(*(cupy.asarray(array.astype(np.float64)) for array in args)))
    cupy.get_default_memory_pool().free_all_blocks()
    return np.asarray(exact)


def _told(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}".splitlines()[0]


def call_seconds() -> dict[str, float]:
    """What a call of ``x + 1`` over one element costs the caller, who does not wait."""
    import cupy

    import mlc

    x = cupy.zeros(1, np.float32)
    calls: dict[str, Callable[[], Any]] = {"cupy": lambda: x + 1}
    jitted = mlc.jit(lambda x: x + 1, target="cuda")
    calls["mlc"] = lambda: jitted(x)
    if torch_sees_cards():
        import torch

        t = torch.zeros(1, device="cuda")
        calls["torch"] = lambda: t + 1
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(9):
        for name, call in calls.items():
            call()
            cupy.cuda.runtime.deviceSynchronize()
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            found[name].append((time.perf_counter() - start) / CALLS)
    return {name: float(np.median(times)) for name, times in found.items()}
