"""``python -m tests.differential --programs 20000 --seed 0``: a long run outside CI.

Draws NumPy programs, runs each with and without ``mlc.jit``, and compares values, dtypes, shapes
and what the arguments hold afterwards. What differs, or ends the process, is shrunk and printed as
a test to paste; exits with 1 if anything does.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import time
from collections import Counter

from .chunks import after_death, run_seed
from .watched import Death, each

CHUNK = 100  # programs of one process


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    kind = parser.add_mutually_exclusive_group()
    for name, text in (
        ("sizes", "compile with an open first axis"),
        ("data", "call each with other elements, too"),
        ("errors", "programs that NumPy ends with an error"),
        ("flow", "control flow over Python's lists, dicts, sets and objects"),
    ):
        kind.add_argument(f"--{name}", action="store_const", dest="kind", const=name, help=text)
    parser.set_defaults(kind="arrays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlc-differential-") as folder:
        os.environ["MLC_CACHE_DIR"] = folder
        return _run(options.kind, options.seed * 1_000_000, options.programs, options.jobs)


def _run(kind: str, first: int, programs: int, jobs: int) -> int:
    kinds, reasons, began = Counter[str](), Counter[str](), time.monotonic()
    seeds = range(first, first + programs)
    chunks = (list(seeds[n : n + CHUNK]) for n in range(0, programs, CHUNK))
    for found in each(functools.partial(run_seed, kind), chunks, jobs):
        if isinstance(found, Death):
            found = after_death(kind, found)
        kinds[found.kind] += 1
        if found.reason:
            reasons[found.reason] += 1
        if found.shown:
            print(f"\n{found.shown}", flush=True)
        if kinds.total() % 1000 == 0:
            print(f"{dict(kinds)}, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{kinds.total()} programs in {time.monotonic() - began:.0f} s: {dict(kinds)}")
    for reason, count in reasons.most_common(25):
        print(f"  refused {count:5d}  {reason}")
    return 1 if kinds["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
