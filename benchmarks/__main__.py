"""``python -m benchmarks [words...]``: run the cases whose names contain the words."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cases import Case
    from .harness import Result

LIMIT = "limit"

DESCRIPTION = """
Times NumPy and mlc (and other peers, if asked) on the same functions and the same arrays, round by
round in one process. A ratio is the median over rounds; '% limit' compares with the bandwidth of
the cache level that holds the case, or with the FMA peak, measured in the same rounds. 'error' is
the distance from float64 in units of what rounding explains.
"""

NOISE = 0.05  # two equal functions come out this far apart


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION)
    parser.add_argument(
        "words", nargs="*", help="parts of case or group names; also 'calls', 'startup'"
    )
    parser.add_argument("--threads", type=int, default=1, help="for NumPy's BLAS and for mlc alike")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time, more noise")
    parser.add_argument("--seconds", type=float, help="per case; 1.0 unless told, 0.2 with --quick")
    parser.add_argument("--peers", default="", help="more contenders, by comma: numba,jax; or all")
    parser.add_argument("--json", type=Path, help="where to write; benchmarks/results/ unless told")
    parser.add_argument("--plot", type=Path, help="write a chart of the ratios, a PNG")
    parser.add_argument("--list", action="store_true", help="the cases, without running them")
    return parser.parse_args()


def _limit_threads(threads: int) -> None:
    """Before NumPy is imported, since its BLAS reads these once."""
    for name in ("OPENBLAS", "OMP", "MKL", "MLC", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    os.environ["XLA_FLAGS"] = f"{flags} intra_op_parallelism_threads={threads}"
    if hasattr(os, "sched_setaffinity"):  # some make as many threads as there are cores anyway
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _points(cases: list[Case], results: list[Result]) -> list[tuple[str, float, float, float]]:
    """Where cases that compute lie in the roofline."""
    found = {result.name: result for result in results}
    points = []
    for case in cases:
        result = found[case.name]
        if not case.flops or "mlc" not in result.series or LIMIT not in result.series:
            continue
        moved = sum(array.nbytes for array in case.inputs()) + result.written
        best = result.series.get("mlc out=", result.series["mlc"])
        points.append((
            case.name, case.flops / moved, case.flops / best.median,
            case.flops / result.series[LIMIT].median,
        ))  # fmt: skip
    return points


def main() -> int:
    """Run what was asked for; 1 if a contender of ours failed or was wrong."""
    options = _arguments()
    _limit_threads(options.threads)
    from . import calls, report, startup
    from .cases import selected
    from .harness import run_case
    from .peers import PEERS

    ours = ["numpy", "mlc", "mlc out="]
    asked = PEERS if options.peers == "all" else filter(None, options.peers.split(","))
    contenders = [*ours, *(name for name in asked if name not in ours)]
    for name in contenders:
        if name not in PEERS:
            sys.exit(f"no peer called {name!r}; there are {', '.join(PEERS)}")
        if not PEERS[name].is_installed():
            sys.exit(f"{name} is not installed: pip install {' '.join(PEERS[name].needs)}")
    cases = selected(options.words)
    if options.list:
        print("\n".join(f"{case.group:<14} {case.name}" for case in cases))
        return 0
    seconds = options.seconds or (0.2 if options.quick else 1.0)
    results, figures = [], []
    about = report.machine(options.threads)
    print(f"{about['cpu']}, {options.threads} thread(s), load {about['load']:.1f}")
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "\n")
    print(report.header(contenders))
    if not options.words or "calls" in options.words:
        results.append(calls.run(seconds))
        print(report.row(results[-1], contenders))
        fresh = results[-1].series.get("numpy out=")
        if fresh:
            print(f"{'  np.add(a, b, out)':<30} {report.in_words(fresh.median):>9}")
    for case in cases:
        results.append(run_case(case, contenders, options.threads, seconds))
        print(report.row(results[-1], contenders), flush=True)
    if not options.words or "startup" in options.words:
        figures = startup.run(repeats=3 if options.quick else 7)
        print("\n" + report.startup_rows(figures))
    failures = [(r.name, name, text) for r in results for name, text in r.failures.items()]
    wrong = [f for f in failures if f[1] in ("mlc", "mlc out=") and "is a scalar" not in f[2]]
    for case_name, name, text in failures:
        if "is a scalar" not in text:
            print(f"{case_name}: {name}: {text}")
    slower = [r.name for r in results if (r.ratio("mlc") or 1.0) < 1.0 - NOISE]
    if slower:
        print(f"\nslower than NumPy: {', '.join(slower)}")
    print(report.summary(results))
    where = options.json or report.RESULTS / f"latest-t{options.threads}.json"
    report.save(report.as_data(results, figures, options.threads, seconds), where)
    print(f"\nwritten to {where}")
    if options.plot:
        report.plot(results, options.plot, "best" if len(contenders) > 3 else "numpy")
        roofline = options.plot.with_name(f"{options.plot.stem}-roofline.png")
        report.plot_roofline(_points(cases, results), roofline)
        print(f"charts in {options.plot} and {roofline}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
