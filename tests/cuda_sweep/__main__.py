"""``python -m tests.cuda_sweep``: a long run outside CI.

Runs every operator of the tables, the programs of the benchmarks, the examples, and random graphs,
nests and NumPy programs as CUDA kernels on the processor; compares them with NumPy; and compiles
each kernel for cards. Exits with 1 if one of them differs, fails, or is refused though the
processor takes it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from .judge import GOOD, Outcome, judge
from .subjects import KINDS, SEEDS, names

CHUNK = 20
LIMIT = 600  # seconds a subject may take


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cuda_sweep", description=__doc__)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--only", default="", help="subjects whose name has this in it")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--examples", type=int, default=2, help="inputs for each operator")
    parser.add_argument("--every", type=int, default=1, help="take one subject of so many")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--unchecked", action="store_true", help="do not watch every access")
    parser.add_argument("--no-cards", action="store_true", help="do not compile for cards")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return _child(options)
    subjects = [s for kind in options.kinds for s in names(kind, options.seeds)]
    subjects = [s for s in subjects if options.only in s][:: options.every]
    chunks = [subjects[n : n + CHUNK] for n in range(0, len(subjects), CHUNK)]
    flags = ["--examples", str(options.examples)]
    flags += ["--unchecked"] * options.unchecked + ["--no-cards"] * options.no_cards
    counts, modules, began = Counter[str](), 0, time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcomes in pool.map(lambda chunk: list(_run_chunk(chunk, flags)), chunks):
            for outcome in outcomes:
                counts[f"{outcome.subject.partition('/')[0]}: {outcome.kind}"] += 1
                modules += outcome.modules
                if outcome.kind not in GOOD:
                    print(f"\n{outcome.kind}: {outcome.subject}\n{outcome.text}", flush=True)
    seconds = time.monotonic() - began
    print(f"\n{len(subjects)} subjects, {modules} modules in {seconds:.0f} s")
    for kind, count in sorted(counts.items()):
        print(f"{count:6d}  {kind}")
    return 0 if all(kind.partition(": ")[2] in GOOD for kind in counts) else 1


def _run_chunk(subjects: Sequence[str], flags: Sequence[str]) -> Iterator[Outcome]:
    """Outcomes from a process of their own; what kills it is an outcome too."""
    left = list(subjects)
    while left:
        command = [sys.executable, "-m", "tests.cuda_sweep", "--child", *flags]
        done = subprocess.run(
            command, input="\n".join(left), capture_output=True, text=True, check=False
        )
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                yield Outcome(**json.loads(line))
                left.pop(0)
        if left:
            yield Outcome(left.pop(0), "error", f"exit {done.returncode}\n{done.stderr[-2000:]}")


def _child(options: argparse.Namespace) -> int:
    architectures = () if options.no_cards else ("sm_80", "sm_90a")
    for subject in sys.stdin.read().split("\n"):
        outcome = judge(subject, options.examples, not options.unchecked, architectures)
        print(json.dumps(asdict(outcome)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
