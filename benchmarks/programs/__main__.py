"""``python -m benchmarks.programs [names...]``: classic programs under every compiler at hand."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DESCRIPTION = """
Runs each program under NumPy, mlc, Numba (parallel, fastmath) and JAX: checked against NumPy first,
then timed in turns, on fresh copies of the arguments. A time is the least of all turns (the medians
are in the JSON file); a figure is how many times faster than NumPy. Each program has a process of
its own. Where the unchanged function is not for Numba or JAX, a version written for them runs.
"""

CONTENDERS = ("numpy", "mlc", "numba", "jax")
RESULTS = Path(__file__).parent.parent / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.programs", description=DESCRIPTION)
    parser.add_argument("names", nargs="*", help="parts of program names; all unless told")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time, more noise")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--peers", default=",".join(CONTENDERS[1:]), help="who, by comma")
    parser.add_argument("--limit", type=int, default=240, help="seconds for one program")
    parser.add_argument("--json", type=Path, default=RESULTS / "programs.json")
    return parser.parse_args()


def _in_child(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The rows of one program, measured in a process with its threads limited."""
    threads = str(options.threads)
    limited = {f"{p}_NUM_THREADS": threads for p in ("OPENBLAS", "OMP", "MKL", "MLC", "NUMBA")}
    words = [sys.executable, "-m", "benchmarks.programs.child", name, options.peers]
    try:
        done = subprocess.run(
            [*words, "0.4" if options.quick else "2.0"],
            env={**os.environ, **limited, "JAX_PLATFORMS": "cpu"},
            capture_output=True, text=True, timeout=options.limit,
        )  # fmt: skip
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        return {"name": name, "failures": {"all": f"took more than {options.limit} s"}}
    except (IndexError, ValueError):
        return {"name": name, "failures": {"all": (done.stderr or "no output")[-300:]}}


def _mean(values: list[float]) -> float:
    from math import exp, log

    return exp(sum(map(log, values)) / len(values)) if values else float("nan")


def _row(found: dict[str, Any], names: list[str]) -> str:
    best, failures = found.get("best", {}), found["failures"]
    cells = [f"{found['name']:<22}", f"{best.get('numpy', float('nan')) * 1e3:>9.2f} ms"]
    for name in names:
        changed = "*" if name in found.get("changed", ()) else " "
        ratio = best["numpy"] / best[name] if name in best else None
        cells.append(f"{ratio:>8.2f}{changed}" if ratio else f"{'cannot':>8} ")
    compiled = found.get("compiled", {}).get("mlc")
    cells.append(f"{compiled:>8.2f} s" if compiled is not None else "")
    for name, text in failures.items():
        if name in ("mlc", "all"):
            cells.append(f"  {name}: {text}")
    return " ".join(cells)


def main() -> int:
    """Run what was asked for; 1 if mlc failed anywhere or was wrong."""
    options = _arguments()
    from .table import names_of_programs

    chosen = [
        n for n in names_of_programs() if not options.names or any(w in n for w in options.names)
    ]
    peers = options.peers.split(",")
    print(f"{'':<22} {'NumPy':>12} " + " ".join(f"{p:>8} " for p in peers) + "  mlc's first call")
    rows = []
    for name in chosen:
        rows.append(_in_child(name, options))
        print(_row(rows[-1], peers), flush=True)
    print()
    timed = [r["best"] for r in rows if "best" in r]
    for name in peers:
        ratios = [b["numpy"] / b[name] for b in timed if name in b]
        print(f"{name}: {len(ratios)} programs, {_mean(ratios):.2f} times NumPy", end="")
        both = [b[name] / b["mlc"] for b in timed if name in b and "mlc" in b]
        print(f"; mlc is {_mean(both):.2f} times as fast" if name != "mlc" else "")
    slower = [
        r["name"] for r in rows if "best" in r and r["best"].get("mlc", 0) > r["best"]["numpy"]
    ]
    print(f"slower than NumPy: {', '.join(slower) or 'none'}")
    for row in rows:
        for name, text in row["failures"].items():
            print(f"{row['name']}: {name} cannot: {text[:160]}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"threads": options.threads, "programs": rows}, indent=1))
    print(f"written to {options.json}; * is a version written for that compiler")
    return 1 if any({"mlc", "all"} & set(r["failures"]) for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
