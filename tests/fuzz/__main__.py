"""``python -m tests.fuzz --accepted 10000 --refused 10000 --seed 0``: a long run outside CI.

Draws programs and sequences of steps until so many were accepted and so many refused, checks all of
them, and prints what came of each step. Failures are shrunk and printed as tests to paste. Nothing
is stored; exits with 1 if something failed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sequences import Tally


JUDGED = {
    "witness": "with a counter-example, which was run and holds",
    "difference": "without one, where the step would change a result",
    "rule": "for another reason",
    "lie": "with a counter-example that does not hold",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--accepted", type=int, default=1000)
    parser.add_argument("--refused", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shrink", type=float, default=20.0, help="seconds for each failure")
    parser.add_argument("--failures", type=int, default=20, help="how many to show")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    os.environ["MLC_CACHE_DIR"] = tempfile.mkdtemp(prefix="mlc-fuzz-")
    from .sequences import Tally

    total, began, shown = Tally(), time.monotonic(), Counter[str]()
    for tally in tallies(options.seed * 10_000_000, options.jobs, options.shrink):
        total.add(tally)
        for failure in tally.failures:
            kind = failure.kind.partition(" (seed")[0]
            shown[kind] += 1
            if shown[kind] <= 2 and len(shown) <= options.failures:
                print(f"\nFAILED: {failure.kind}\n{failure.text}\n\n{failure.pasted}")
            else:
                print(f"FAILED too: {failure.kind}: {failure.text.partition(chr(10))[0]}")
        spent = time.monotonic() - began
        print(
            f"{total.sequences} sequences, {total.accepted} accepted, {total.refused} refused, "
            f"{len(total.failures)} failed, {spent:.0f} s",
            flush=True,
        )
        if total.accepted >= options.accepted and total.refused >= options.refused:
            break
    report(total, shown)
    return 1 if total.failures else 0


def tallies(first: int, jobs: int, seconds: float) -> Iterator[Tally]:
    """What comes of the chunks from the seed ``first`` on, without end."""
    from .chunks import CHUNK, run_chunk

    if jobs == 1:
        for number in itertools.count():
            yield run_chunk(first + number * CHUNK, seconds)
    with ProcessPoolExecutor(jobs) as pool:
        seeds = itertools.count(first, CHUNK)
        running = {pool.submit(run_chunk, next(seeds), seconds) for _ in range(jobs)}
        try:
            while True:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(run_chunk, next(seeds), seconds) for _ in done}
                yield from (each.result() for each in done)
        finally:
            for each in running:
                each.cancel()


def report(total: Any, shown: Counter[str]) -> None:
    """Prints the counts."""
    from mlc.schedules.lookup import step_names

    columns = ("accepted", "refused", "unproven", "does not fit")
    print(f"\n{'step':<26}" + "".join(f"{c:>14}" for c in (*columns, "% accepted")))
    for name in step_names():
        counts = "".join(f"{total.per_step[name, c]:>14}" for c in columns)
        share = 100 * total.per_step[name, "accepted"] / max(total.sequences, 1)
        print(f"{name:<26}{counts}{share:>14.1f}{' seldom' if share < 1 else ''}")
    print(
        f"{'all':<26}"
        + "".join(
            f"{sum(n for (_, k), n in total.per_step.items() if k == c):>14}" for c in columns
        )
    )
    print("\nprograms run by: " + ", ".join(f"{way} {n}" for way, n in total.ways.most_common()))
    print("\nrefusals: how they are shown, what the forced step does")
    for (name, how, forced), n in sorted(total.judged.items()):
        print(f"  {name:<24}{how:<12}{forced:<12}{n:>7}")
    shown_by = Counter[str]()
    for (_, how, _), n in total.judged.items():
        shown_by[how] += n
    for how, text in JUDGED.items():
        print(f"  {text}: {shown_by[how]}")
    print("\nrefusals by a rule alone")
    for (name, rule), n in total.rules.most_common(40):
        print(f"  {n:>6} {name}: {rule}")
    print("\nfailures: " + (", ".join(f"{k} {n}" for k, n in shown.most_common()) or "none"))


if __name__ == "__main__":
    sys.exit(main())
