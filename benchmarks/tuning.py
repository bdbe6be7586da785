"""What tuning gains over the default schedules, how fast it tries, and what it costs itself.

``python -m benchmarks.tuning`` tunes ten workloads whose default schedules are not at the roofline,
``--budget`` seconds each, prints a row for each and the geometric mean, and with ``--json`` writes
the rows. Times on a busy machine say little: so the processor time of a candidate is given as well,
that of this process (drawing, deciding) and that of the children (building, running) apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

import mlc
from mlc import te

Case = tuple[Callable[..., Any], tuple[np.ndarray[Any, Any], ...]]
_RNG = np.random.default_rng(0)


def _array(*shape: int) -> np.ndarray[Any, Any]:
    return _RNG.uniform(-1, 1, shape).astype(np.float32)


def _conv2d(x: Any, w: Any) -> Any:
    n = x.shape[1] - 2
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    assert windows.shape[1] == n
    return np.einsum("chwij,ocij->ohw", windows, w)


def _depthwise(x: Any, w: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.einsum("chwij,cij->chw", windows, w)


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _attention(q: Any, k: Any, v: Any) -> Any:
    return _softmax(q @ k.T * np.float32(0.125)) @ v


def _distances(x: Any, y: Any) -> Any:
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def _stencil(x: Any) -> Any:
    out = x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    return out * np.float32(0.2)


def _soft_threshold(x: Any, w: Any) -> Any:
    """A user's own: rows weighed by a gate of another reduction."""
    gate = np.tanh((x * w).mean(-1, keepdims=True))
    return np.sign(x) * np.maximum(np.abs(x) - gate, 0)


def _operator() -> Any:
    """A user's te operator: the largest difference of rows, as a fold of its own."""
    a = te.placeholder((256, 512), "float32", name="a")
    b = te.placeholder((64, 512), "float32", name="b")
    k = te.reduce_axis((0, 512), name="k")
    made = te.compute(
        (256, 64), lambda i, j: te.max(te.abs(a[i, k] - b[j, k]), axis=k), name="chebyshev"
    )
    return [a, b, made]


CASES: dict[str, Callable[[], tuple[Any, tuple[Any, ...]]]] = {
    "matvec 300x500": lambda: (lambda a, x: a @ x, (_array(300, 500), _array(500))),
    "skinny 8x512x512": lambda: (lambda a, b: a @ b.T, (_array(8, 512), _array(512, 512))),
    "conv2d 16x32x32 3x3": lambda: (_conv2d, (_array(16, 34, 34), _array(16, 16, 3, 3))),
    "depthwise 32x56x56": lambda: (_depthwise, (_array(32, 58, 58), _array(32, 3, 3))),
    "softmax 256x512": lambda: (_softmax, (_array(256, 512),)),
    "attention 128x64": lambda: (_attention, (_array(128, 64), _array(128, 64), _array(128, 64))),
    "te chebyshev": lambda: (_operator(), ()),
    "distances 256x256x32": lambda: (_distances, (_array(256, 32), _array(256, 32))),
    "stencil 512x512": lambda: (_stencil, (_array(512, 512),)),
    "batched 64x24x24": lambda: (lambda a, b: a @ b, (_array(64, 24, 24), _array(64, 24, 24))),
    "gate 256x512": lambda: (_soft_threshold, (_array(256, 512), _array(512))),
}


def measure(name: str, budget: float, seed: int) -> dict[str, Any]:
    """One row: the speedup with its interval, and what a candidate took."""
    what, arrays = CASES[name]()
    if callable(what):
        what = mlc.jit(what)
    own, children = time.process_time(), _children_seconds()
    result = mlc.tune(what, *arrays, budget=budget, seed=seed, database=False)
    trials = max(result.trials, 1)
    speedup = result.speedup
    return {
        "name": name,
        "ratio": round(speedup.ratio, 3),
        "low": round(speedup.interval[0], 3),
        "high": round(speedup.interval[1], 3),
        "verdict": speedup.verdict,
        "trials": result.trials,
        "trials_per_second": round(result.trials / result.seconds, 2),
        "overhead": round(result.overhead, 3),
        "own_ms": round((time.process_time() - own) / trials * 1e3, 1),
        "children_ms": round((_children_seconds() - children) / trials * 1e3, 1),
        "best": ", ".join(k.best.origin for k in result.kernels),
        "default_us": [round((k.default_seconds or 0.0) * 1e6, 1) for k in result.kernels],
        "kernels": [round(k.speedup.ratio, 2) for k in result.kernels],
        "counts": dict(result.counts),
    }


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """The table of all workloads, or of those whose names hold one of the words given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = [n for n in CASES if not options.words or any(w in n for w in options.words)]
    rows = []
    for name in names:
        row = measure(name, options.budget, options.seed)
        rows.append(row)
        print(
            f"{name:22s} {row['ratio']:5.2f} ({row['low']:.2f} to {row['high']:.2f}) "
            f"{row['verdict']:12s} {row['trials']:4d} tried, {row['trials_per_second']:5.1f} /s, "
            f"overhead {row['overhead']:4.0%}, {row['own_ms']:.0f} + {row['children_ms']:.0f} ms "
            f"each; {row['default_us']} us, {row['kernels']}: {row['best']}",
            flush=True,
        )
    mean = exp(sum(log(row["ratio"]) for row in rows) / len(rows))
    print(f"geometric mean {mean:.3f} of {len(rows)} workloads, {options.budget:g} s each")
    if options.json:
        data = {"commit": _commit(), "budget": options.budget, "mean": mean, "rows": rows}
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return found.stdout.strip()


if __name__ == "__main__":
    main()
