"""What a user waits for: import, first calls with a cold and a warm disk cache, compile time.

Each figure is taken in processes of its own, several of them, and is the median. What a call takes
once all is there (`first_calls`) is no part of it.
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
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

IMPORT = """
import json, time
start = time.perf_counter(); import numpy
middle = time.perf_counter(); import mlc
end = time.perf_counter()
print(json.dumps({"import numpy": middle - start, "import mlc beyond numpy": end - middle,
                  "import mlc": end - start}))
"""

# What processes call first: the first process of each pair finds an empty disk cache, the second
# one what the first has left there. All but the last function are there to load what they load.
PROCESSES = (
    ("elementwise",),
    ("relu(x @ w + b) 128",),
    ("matmul 1024",),
    ("attention 12x512x64",),
    ("elementwise", "another"),
    ("elementwise", "relu(x @ w + b) 128"),
    *(("elementwise", f"matmul {n}") for n in (64, 256, 1024, 2048)),
    ("elementwise", "attention 12x512x64"),
    ("elementwise", "small functions"),
)
GROWING = ("elementwise", "50 operators", "100 operators", "200 operators")


@dataclass(frozen=True)
class Figure:
    """One waiting time: seconds, and the goal it is judged by where there is one."""

    name: str
    seconds: float
    spread: float
    goal: float | None = None


GOALS = {
    "import mlc": 0.150,
    "cold: elementwise": 0.040,
    "cold: matmul 1024": 0.060,
    "cold: attention 12x512x64": 0.150,
    "cached: elementwise but tracing": 0.005,
    "cold, later: relu(x @ w + b) 128": 0.050,
    **{f"cold, later: matmul {n}": 0.060 for n in (64, 256, 1024, 2048)},
    **{f"cached, later: matmul {n} but tracing": 0.003 for n in (64, 256, 1024, 2048)},
    "cached, later: attention 12x512x64 but tracing": 0.003,
    "cold, later: 100 operators": 2.0,
}


def _process(cache: Path | None, *arguments: str) -> Any:
    """What a process of Python prints. Modules are read as they are after an installation: without
    what was compiled of them, loading them is most of what is seen."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.update({"MLC_CACHE": "0"} if cache is None else {"MLC_CACHE_DIR": str(cache)})
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


def _first_calls(names: tuple[str, ...], cache: Path | None) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = _process(cache, "-m", "benchmarks.first_calls", *names)
    return found


def run(repeats: int) -> list[Figure]:
    """Every figure; the kinds of process are started in turn, ``repeats`` times."""
    samples: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        samples.setdefault(name, []).append(seconds)

    _first_calls(GROWING[:1], None)  # Python compiles what it has not compiled yet
    for round_ in range(repeats + 1):
        if round_ == 1:
            samples.clear()
        for name, seconds in _process(None, "-c", IMPORT).items():
            note(name, seconds)
        for names in PROCESSES:
            later = ", later" if len(names) > 1 else ""
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                for kind in ("cold", "cached"):
                    times = _first_calls(names, Path(folder))[names[-1]]
                    label = f"{kind}{later}: {names[-1]}"
                    note(label, times["all"])
                    if kind == "cached":
                        note(f"{label} but tracing", times["all"] - times["tracing"])
        for name, times in list(_first_calls(GROWING, None).items())[1:]:
            note(f"cold, later: {name}", times["all"])
    return [
        Figure(name, statistics.median(values), max(values) / min(values), GOALS.get(name))
        for name, values in samples.items()
    ]
