"""``python -m tests.differential --programs 20000 --seed 0``: a long run outside CI.

Draws NumPy programs, runs each with and without ``mlc.jit``, and compares values, dtypes, shapes
and what the arguments hold afterwards. What differs is shrunk and printed as a test to paste; exits
with 1 if anything does.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from .chunks import CHUNK, run_chunk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sizes", action="store_true", help="compile with an open first axis")
    options = parser.parse_args()
    os.environ["MLC_CACHE_DIR"] = tempfile.mkdtemp(prefix="mlc-differential-")
    kinds, reasons, began = Counter[str](), Counter[str](), time.monotonic()
    first = options.seed * 1_000_000
    seeds = range(first, first + options.programs, CHUNK)
    run = functools.partial(run_chunk, sizes=options.sizes)
    with ProcessPoolExecutor(options.jobs) as pool:
        for more, told, failures in pool.map(run, seeds):
            kinds += more
            reasons += told
            for failure in failures:
                print(f"\n{failure}", flush=True)
            if kinds.total() % (20 * CHUNK) == 0:
                print(f"{dict(kinds)}, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{kinds.total()} programs in {time.monotonic() - began:.0f} s: {dict(kinds)}")
    for reason, count in reasons.most_common(25):
        print(f"  refused {count:5d}  {reason}")
    return 1 if kinds["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
