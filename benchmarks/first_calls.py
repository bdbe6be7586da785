"""``python -m benchmarks.first_calls NAMES``: what first calls take in this process, as JSON.

Each name is that of a function in the table below; they are called in turn, so what the first of
them has loaded is there for those behind it. `benchmarks.startup` starts such processes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import mlc

from . import functions, small_functions


def _another(a: Any, b: Any) -> Any:
    return np.minimum(a * b - b, 1.0)


def _elementwise(a: Any, b: Any) -> Any:
    return np.maximum(a * b + a, 0.0)


# A function, and the shapes of its arrays.
TABLE: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "elementwise": (_elementwise, ((1000,),) * 2),
    "another": (_another, ((1000,),) * 2),
    "relu(x @ w + b) 128": (functions.dense_relu, ((128, 128), (128, 128), (128,))),
    "attention 12x512x64": (functions.attention, ((12, 512, 64),) * 3),
    **{f"matmul {n}": (functions.matmul, ((n, n),) * 2) for n in (64, 128, 256, 512, 1024, 2048)},
    **{f"{n} operators": (functions.operators(n), ((64, 64),)) for n in (50, 100, 200)},
}
SMALL = "small functions"  # all of them, one after the other
_LATER = 5  # calls after the first, the quickest of which says what running takes
_REST = 0.2  # seconds in which the threads that NumPy's BLAS has started stop to look for work


def measured(function: Callable[..., Any], arrays: tuple[Any, ...]) -> dict[str, float]:
    """Seconds: the first call less what a later one takes; of these tracing, and each stage of
    compiling."""
    compiled = mlc.jit(function)
    times = []
    for _ in range(1 + _LATER):
        start = time.perf_counter()
        compiled(*arrays)
        times.append(time.perf_counter() - start)
    row = next(iter(compiled.cache_info()))
    stages = compiled.lower(*arrays).compiled.timings
    return {"all": times[0] - min(times[1:]), "tracing": row.trace_seconds, **stages}


def main(names: list[str]) -> None:
    """Print what the first calls of the functions called ``names`` take."""
    rng = np.random.default_rng(0)
    found = {}
    for number, name in enumerate(names):
        if number:
            time.sleep(_REST)
        if name == SMALL:
            each = [
                measured(function, small_functions.inputs(function))
                for function in small_functions.FUNCTIONS.values()
            ]
            found[name] = {part: sum(one[part] for one in each) for part in each[0]}
        else:
            function, shapes = TABLE[name]
            arrays = tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
            found[name] = measured(function, arrays)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
