"""What a user waits for: import, first calls with a cold and a warm disk cache, compile time.

Each figure is taken in processes of its own, several of them, and is the median.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

IMPORT = """
import json, time
start = time.perf_counter(); import numpy
middle = time.perf_counter(); import mlc
end = time.perf_counter()
print(json.dumps({"import numpy": middle - start, "import mlc beyond numpy": end - middle,
                  "import mlc": end - start}))
"""

# The first call of a fresh process; the second function shows what is left once all is imported.
FIRST_CALL = """
import json, time
import numpy as np, mlc
x, y = np.ones(1000, np.float32), np.ones(1000, np.float32)
def first(a, b): return np.maximum(a * b + a, 0.0)
def second(a, b): return np.minimum(a * b - b, 1.0)
times = {}
for name, function in (("first call", first), ("second function", second)):
    f = mlc.jit(function)
    start = time.perf_counter(); f(x, y); times[name] = time.perf_counter() - start
    if name == "first call":
        times["first call but tracing"] = times[name] - next(iter(f.cache_info())).trace_seconds
print(json.dumps(times))
"""

# The same of a function that needs more of NumPy than ufuncs.
FIRST_LAYER = """
import json, time
import numpy as np, mlc
x, w, b = (np.ones(shape, np.float32) for shape in ((128, 128), (128, 128), (128,)))
def layer(x, w, b): return np.maximum(x @ w + b, 0.0)
f = mlc.jit(layer)
start = time.perf_counter(); f(x, w, b)
print(json.dumps({"first call of a layer": time.perf_counter() - start}))
"""

COMPILE = """
import json, sys, time
import numpy as np, mlc
from benchmarks.functions import operators
x = np.ones((64, 64), np.float32)
mlc.jit(lambda a: a + 1)(x)
times = {}
for count in (50, 100, 200):
    f = mlc.jit(operators(count))
    start = time.perf_counter(); f(x)
    times[f"compile {count} operators"] = time.perf_counter() - start
print(json.dumps(times))
"""


@dataclass(frozen=True)
class Figure:
    """One waiting time: seconds, and the goal it is judged by where there is one."""

    name: str
    seconds: float
    spread: float
    goal: float | None = None


GOALS = {
    "import mlc": 0.150,
    "cold: first call": 0.040,
    "cached: first call but tracing": 0.005,
    "compile 100 operators": 2.0,
}


def _process(program: str, cache: Path | None) -> dict[str, float]:
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    environment.update({"MLC_CACHE": "0"} if cache is None else {"MLC_CACHE_DIR": str(cache)})
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    times: dict[str, float] = json.loads(done.stdout)
    return times


def run(repeats: int) -> list[Figure]:
    """Every figure; the kinds of process are started in turn, ``repeats`` times."""
    samples: dict[str, list[float]] = {}

    def note(times: dict[str, float], prefix: str = "") -> None:
        for name, seconds in times.items():
            samples.setdefault(prefix + name, []).append(seconds)

    for _ in range(repeats):
        note(_process(IMPORT, None))
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            note(_process(FIRST_CALL, Path(folder)), "cold: ")
            note(_process(FIRST_CALL, Path(folder)), "cached: ")
            note(_process(FIRST_LAYER, Path(folder)), "cold: ")
            note(_process(FIRST_LAYER, Path(folder)), "cached: ")
        note(_process(COMPILE, None))
    return [
        Figure(name, statistics.median(values), max(values) / min(values), GOALS.get(name))
        for name, values in samples.items()
    ]
