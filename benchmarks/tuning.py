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
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

import mlc
from mlc.ir.program import Program
from mlc.looking.machine import this_machine
from mlc.looking.nests import nest_of
from mlc.looking.traffic import work_of
from mlc.tune.result import likely_ratio

from .ceilings import Ceiling, Traffic
from .tuning_cases import CASES

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


def product(seed: int, seconds: float = 60.0, size: int = 1024) -> None:
    """How near schedules from the generic space come to the default one of a large product."""
    print(f"{size}^3 float32 product, {seconds:.3g} s", flush=True)
    arrays = [np.random.default_rng(n).uniform(-1, 1, (size, size)) for n in range(2)]
    a, b = (array.astype(np.float32) for array in arrays)
    result = mlc.tune(mlc.jit(lambda a, b: a @ b), a, b, budget=seconds, seed=seed, database=False)
    (kernel,) = result
    rate = 2 * size**3 / (kernel.default_seconds or float("inf")) * 1e-9
    share = roofline(kernel.workload.program) / (kernel.default_seconds or float("inf"))
    print(f"default {rate:.0f} GFLOP/s, {share:.0%} of the roofline")
    best: dict[str, Any] = {}
    for trial in kernel.trials[1:]:
        name = trial.candidate.origin.partition(":")[0]
        if trial.outcome.is_ok and (
            name not in best or likely_ratio(trial.outcome) > likely_ratio(best[name].outcome)
        ):
            best[name] = trial
    for name, trial in sorted(best.items()):
        low, high = trial.outcome.ratio_interval
        print(
            f"{name:14s} {trial.outcome.ratio:.3f} of its speed ({low:.3f} to {high:.3f}), "
            f"after {trial.at:.0f} s"
        )
    print(f"result: {result.speedup}; {result.trials} candidates")


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
    parser.add_argument(
        "--product",
        action="store_true",
        help="the 1024 x 1024 float32 product instead, from the generic space, for 60 s",
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = [n for n in CASES if not options.words or any(w in n for w in options.words)]
    if not names:
        parser.error(f"no workload is named so; there are {', '.join(CASES)}")
    budget = options.budget
    if options.product:
        product(options.seed)
        return
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
        mlc.jit(np.tanh), np.zeros(64, np.float32), trials=1, database=False
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
