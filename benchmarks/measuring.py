"""How many candidates a second are built, checked and timed, and how much of that is overhead.

``python -m benchmarks.measuring`` draws schedules of a small product by chance. Overhead is what is
neither building, on all workers at once, nor running.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import Any

from mlc import script as T
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.measure import Limits, Measurer
from mlc.tune.workload import workload_of


@T.program
def product(a: T.Buffer((64, 64)), b: T.Buffer((64, 64)), c: T.Buffer((64, 64))):
    for i, j, k in T.grid(64, 64, 64):
        with T.block("c"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                c[vi, vj] = 0.0
            c[vi, vj] += a[vi, vk] * b[vk, vj]


def drawn(program: Any, rng: random.Random) -> Candidate:
    """One tiling by chance."""
    s = Schedule(program)
    i, j, k = s.loops("c")
    io, ii = s.split(i, factors=[None, rng.choice([1, 2, 4, 8, 16])])
    jo, ji = s.split(j, factors=[None, rng.choice([4, 8, 16, 32])])
    ko, ki = s.split(k, factors=[None, rng.choice([2, 4, 8, 16, 32])])
    s.reorder(io, jo, ko, ki, ii, ji)
    s.vectorize(ji)
    return Candidate("trace", s.to_json(), "drawn")


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=90)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    rng = random.Random(0)
    found: set[Candidate] = set()
    while len(found) < min(options.count, 100):
        found.add(drawn(product, rng))
    limits = Limits(threads=1, workers=options.workers)
    with Measurer(workload_of(product), limits) as measurer:
        list(measurer.measure([DEFAULT]))  # the children are there
        start = time.perf_counter()
        outcomes = [outcome for _, outcome in measurer.measure(found)]
        wall = time.perf_counter() - start
    building = sum(o.build_seconds for o in outcomes) / options.workers
    running = sum(o.run_seconds for o in outcomes)
    right = sum(o.is_ok for o in outcomes)
    print(
        f"{len(outcomes) / wall:.0f} candidates/s ({right} of {len(outcomes)} right): "
        f"building {building / wall:.0%}, running {running / wall:.0%}, "
        f"overhead {1 - (building + running) / wall:.0%}"
    )


if __name__ == "__main__":
    main()
