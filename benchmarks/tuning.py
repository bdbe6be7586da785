"""What tuning gains over the default schedules, how fast it tries, and what it costs itself.

``python -m benchmarks.tuning`` tunes workloads, ``--budget`` seconds each, prints a row for each,
and with ``--json`` writes the rows. Beside the default's time stands the part of the roofline that
it reaches: the least time in which this machine moves the bytes and does the arithmetic, measured.
The geometric mean is that of all, and that of those whose default is not near the roofline, where
there is something to gain. Times on a busy machine say little: so the processor time of a candidate
is given as well, that of this process (drawing, deciding) and that of the children apart.
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
from mlc.ir.program import Program
from mlc.looking.machine import this_machine
from mlc.looking.nests import nest_of
from mlc.looking.traffic import work_of

from .ceilings import Ceiling, Traffic

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


def _group_norm(x: Any) -> Any:
    mean = x.mean((-1, -2), keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean((-1, -2), keepdims=True) + np.float32(1e-5))


def _pool(x: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2].max((-1, -2))


def _blur(x: Any, w: Any) -> Any:
    """A separable filter of 7 taps along rows, then along columns."""
    rows = np.lib.stride_tricks.sliding_window_view(x, 7, axis=1) @ w
    return np.lib.stride_tricks.sliding_window_view(rows, 7, axis=0) @ w


def _jacobi(x: Any, b: Any) -> Any:
    around = x[:-2, 1:-1, 1:-1] + x[2:, 1:-1, 1:-1] + x[1:-1, :-2, 1:-1]
    around = around + x[1:-1, 2:, 1:-1] + x[1:-1, 1:-1, :-2] + x[1:-1, 1:-1, 2:]
    return (around - b) * np.float32(1 / 6)


def _polynomial(x: Any) -> Any:
    a, b, c = x[..., 0], x[..., 1], x[..., 2]
    return np.stack([b * b - 4 * a * c, a + b + c, a * b * c], -1)


def _log_sum_exp(x: Any) -> Any:
    top = x.max(0)
    return np.log(np.exp(x - top).sum(0)) + top


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
    "group norm 32x28x28": lambda: (_group_norm, (_array(32, 28, 28),)),
    "pool 32x57x57": lambda: (_pool, (_array(32, 57, 57),)),
    "blur 256x256": lambda: (_blur, (_array(262, 262), _array(7))),
    "jacobi 48x48x48": lambda: (_jacobi, (_array(50, 50, 50), _array(48, 48, 48))),
    "polynomial 40000": lambda: (_polynomial, (_array(40000, 3),)),
    "columns 300x700": lambda: (_log_sum_exp, (_array(300, 700),)),
    "gram 60x1000": lambda: (lambda a: a @ a.T, (_array(60, 1000),)),
    "mixing 16x8x40x40": lambda: (
        lambda x, w: np.einsum("ncij,dc->ndij", x, w),
        (_array(4, 8, 40, 40), _array(16, 8)),
    ),
}


NEAR = (0.6, 0.8)  # of the roofline: a default above it has little to gain
BESIDE = 2.0  # seconds for each workload that are not the search's: compiling, and the roofline


def roofline(program: Program) -> float:
    """The seconds that the arithmetic and the arrays of a program take at least, measured now."""
    facts = this_machine()
    ops = sum(work_of(leaf, facts).ops * leaf.times for leaf in nest_of(program).leaves())
    count = len(program.params) - program.outputs
    sizes = [b.size * b.dtype.itemsize for b in program.params]
    traffic = Traffic(sum(sizes[:count]), sum(sizes[count:]), int(2 * ops))
    threads = facts.threads if ops > 20_000 else 1
    ceiling = Ceiling(traffic, threads)
    return min(ceiling.sample() for _ in range(5))


def measure(name: str, budget: float, seed: int) -> dict[str, Any]:
    """One row: the speedup with its interval, and what a candidate took."""
    what, arrays = CASES[name]()
    if callable(what):
        what = mlc.jit(what)
    own, children = time.process_time(), _children_seconds()
    result = mlc.tune(what, *arrays, budget=budget, seed=seed, database=False)
    trials = max(result.trials, 1)
    speedup = result.speedup
    seconds = sum((k.default_seconds or 0.0) * k.workload.count for k in result.kernels)
    measured = all(k.default_seconds for k in result.kernels)
    least = sum(roofline(k.workload.program) * k.workload.count for k in result.kernels)
    return {
        "name": name,
        "roofline": round(least / seconds, 3) if measured else None,
        "ratio": round(speedup.ratio, 3),
        "low": round(speedup.interval[0], 3),
        "high": round(speedup.interval[1], 3),
        "verdict": speedup.verdict,
        "trials": result.trials,
        "trials_per_second": round(result.trials / result.seconds, 2),
        "searched_per_second": round(_rate(result), 2),
        "overhead": round(result.overhead, 3),
        "own_ms": round((time.process_time() - own) / trials * 1e3, 1),
        "children_ms": round((_children_seconds() - children) / trials * 1e3, 1),
        "best": ", ".join(k.best.origin for k in result.kernels),
        "default_us": [round((k.default_seconds or 0.0) * 1e6, 1) for k in result.kernels],
        "microseconds": round(seconds * 1e6, 1),
        "best_microseconds": round(seconds * 1e6 / speedup.ratio, 1),
        "kernels": [round(k.speedup.ratio, 2) for k in result.kernels],
        "counts": dict(result.counts),
    }


def _rate(result: Any) -> float:
    """Candidates a second while there were some: without start, final comparisons and end."""
    ends = sorted(trial.at for kernel in result.kernels for trial in kernel.trials)
    return (len(ends) - 1) / (ends[-1] - ends[0]) if len(ends) > 1 else 0.0


def _mean(rows: list[dict[str, Any]]) -> float:
    return exp(sum(log(row["ratio"]) for row in rows) / len(rows)) if rows else 1.0


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """The table of all workloads, or of those whose names hold one of the words given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of names; all workloads if there are none")
    time_given = parser.add_mutually_exclusive_group()
    time_given.add_argument("--budget", type=float, default=30.0, help="seconds for each workload")
    time_given.add_argument("--minutes", type=float, help="minutes for all of them together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = [n for n in CASES if not options.words or any(w in n for w in options.words)]
    if not names:
        parser.error(f"no workload is named so; there are {', '.join(CASES)}")
    budget = options.budget
    if options.minutes is not None:
        budget = options.minutes * 60 / len(names) - BESIDE
        if budget < 1:
            parser.error(
                f"{len(names)} workloads need {len(names) * (BESIDE + 1) / 60:.1f} minutes"
            )
    whole = len(names) * (budget + BESIDE)
    print(
        f"{len(names)} workloads, {budget:.3g} s each: about {whole / 60:.1f} minutes", flush=True
    )
    mlc.tune(
        mlc.jit(np.tanh), _array(64), trials=1, database=False
    )  # imports are nobody's overhead
    print(
        f"{'':22s} {'default':>9s} {'winner':>9s}  ratio (interval)     roofline before  after "
        "  tried     /s  overhead  ms own + children"
    )
    start, rows = time.perf_counter(), []
    for name in names:
        row = measure(name, budget, options.seed)
        rows.append(row)
        print(_line(row), flush=True)
    print(f"geometric mean {_mean(rows):.3f} of {len(rows)} workloads, {budget:.3g} s each")
    unmeasured = sum(row["roofline"] is None for row in rows)
    if unmeasured:
        print(f"{unmeasured} of them had no time to measure anything, and count as 1.00 here only")
    for near in NEAR:
        far = [row for row in rows if row["roofline"] < near]
        print(
            f"{_mean(far):.3f} of the {len(far)} whose default is below {near:.0%} of the roofline"
        )
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes")
    if options.json:
        data = {"commit": _commit(), "budget": budget, "mean": _mean(rows), "rows": rows}
        data["mean_far"] = {f"{near:.0%}": _mean(_far(rows, near)) for near in NEAR}
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def _far(rows: list[dict[str, Any]], near: float) -> list[dict[str, Any]]:
    """Those whose default reaches less than this part of the roofline."""
    return [row for row in rows if row["roofline"] is not None and row["roofline"] < near]


def _line(row: dict[str, Any]) -> str:
    """A row as text, and below it what won; kernels apart where there are several."""
    if row["roofline"] is None:
        return f"{row['name']:22s} nothing was measured in the time given"
    after = row["roofline"] * row["ratio"]
    text = (
        f"{row['name']:22s} {row['microseconds']:7.1f}us {row['best_microseconds']:7.1f}us  "
        f"{row['ratio']:5.2f} ({row['low']:.2f} to {row['high']:.2f})  "
        f"{row['roofline']:14.0%} {after:6.0%}   {row['trials']:5d} "
        f"{row['searched_per_second']:6.1f} {row['overhead']:9.0%}   "
        f"{row['own_ms']:.0f} + {row['children_ms']:.0f}"
    )
    ratios = f" {row['kernels']}" if len(row["kernels"]) > 1 else ""
    return f"{text}\n{'':22s} {row['verdict']}:{ratios} {row['best']}"


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
