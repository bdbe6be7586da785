"""Candidates that go wrong in every way there is, and a run of many of them.

``python -m tests.tune.faults --count 1000`` mixes them with good candidates, kills workers
meanwhile, and checks that every candidate gets its one outcome, that each fault is classified as
what it is, and that the best candidate at the end is one of the good ones and right.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.tune.measure.building import traced_back

_HEAD = """@T.program
def mm(a: T.Buffer((64, 64)), b: T.Buffer((64, 64)), c: T.Buffer((64, 64))):
"""
_PRODUCT = """    for i, j, k in T.grid(64, 64, {depth}):
        with T.block("c"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                c[vi, vj] = 0.0
            c[vi, vj] += a[vi, vk] * b[vk, vj]
"""
_TOUCH = '    T.call_extern("memset", c, T.int32(0), T.int64(0))\n'
_BODIES = {
    "crash": '    T.call_extern("raise", T.int32(11))\n' + _TOUCH,
    "abort": '    T.call_extern("abort")\n' + _TOUCH,
    "outside": '    T.call_extern("memset", c, T.int32(0), T.int64(64 * 64 * 4 + 4096))\n',
    "input": '    T.call_extern("memset", a, T.int32(0), T.int64(64))\n' + _TOUCH,
    "hang": f"    for n in T.serial(2**62):\n    {_TOUCH}",
    "wrong": _PRODUCT.format(depth=63),
    "unwritten": '    T.call_extern("memset", c, T.int32(0), T.int64(64 * 63 * 4))\n',
    "special": _PRODUCT.format(depth=64).replace(
        "a[vi, vk] * b[vk, vj]",
        "T.select(a[vi, vk] == a[vi, vk], a[vi, vk], 0.0) * b[vk, vj]",
    ),
    "memory": '    t = T.alloc((2**29,), "float32")\n'
    "    for n in T.serial(2**29):\n        t[n] = 1.0\n"
    "    for n in T.serial(2**29):\n        c[0, 0] = t[2**29 - 1 - n]\n",
    "symbol": '    T.call_extern("no_such_function", c)\n',
    "compiler": _TOUCH + '    T.call_extern("memset", c)\n',
}
KINDS = (*_BODIES, "refused")


@dataclass(frozen=True)
class Faulty:
    """A candidate (see `mlc.tune.candidate`) with a program, or a trace, that is bad."""

    fault: str
    made: Program
    number: int = 0
    trace: str = ""
    origin: str = "fault"
    drawn: None = None

    @property
    def kind(self) -> str:
        return "trace" if self.trace else "program"

    def program(self, workload: Any) -> Program:
        """The bad program, whatever the workload."""
        return self.made


def faulty(fault: str, program: Program, number: int = 0) -> Faulty:
    """A candidate for the product of the tests with this fault."""
    if fault == "refused":
        s = Schedule(program)
        s.split(s.loops("c")[0], factors=[None, 4])
        trace = json.loads(s.to_json())
        trace["steps"][0]["with"]["loop"] = {"loop": ["c", 7]}
        return Faulty(fault, program, number, json.dumps(trace))
    return Faulty(fault, traced_back(_HEAD + _BODIES[fault], "mm"), number)


EXPECTED = {
    "crash": "crashed",
    "abort": "crashed",
    "outside": "crashed",
    "input": "crashed",
    "hang": "timeout",
    "wrong": "wrong result",
    "unwritten": "wrong result",
    "special": "wrong result",
    "memory": "out of memory",
    "symbol": "build failed",
    "compiler": "build failed",
    "refused": "refused",
}


def main() -> int:
    """Inject faults; 0 if nothing was lost and the answer is right."""
    from mlc.tune.candidate import DEFAULT, Candidate
    from mlc.tune.measure import Limits, Measurer
    from mlc.tune.workload import workload_of

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="faults to inject")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    workload = workload_of(traced_back(_HEAD + _PRODUCT.format(depth=64), "mm"))
    limits = Limits(build_seconds=10.0, run_seconds=1.0, memory_bytes=1 << 30, threads=1)
    start = time.monotonic()
    killed: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    problems: list[str] = []
    good: dict[Candidate, float] = {}
    kills = options.count // 10
    faults = [KINDS[n % len(KINDS)] for n in range(options.count - kills)]
    rng.shuffle(faults)
    with Measurer(workload, limits) as measurer:
        kill = _Killer(measurer, rng, killed)
        while faults:
            part, faults = faults[:12], faults[12:]
            batch: list[Any] = [faulty(f, workload.program, n) for n, f in enumerate(part)]
            batch += [_good(workload.program, rng), DEFAULT]
            rng.shuffle(batch)
            if killed.total() < kills and faults:
                kill.soon(max(1, round((kills - killed.total()) / (len(faults) / 12))))
            found = list(measurer.measure(batch))
            kill.stop()
            if [id(c) for c, _ in found] != [id(c) for c in batch]:
                problems.append("a candidate was lost")
            for candidate, outcome in found:
                fault = getattr(candidate, "fault", "none")
                counts[fault, outcome.status] += 1
                if outcome.status != EXPECTED.get(fault, "ok"):
                    problems.append(f"{fault}: {outcome.status}: {outcome.detail}")
                elif fault == "none" and candidate is not DEFAULT:
                    good[candidate] = outcome.ratio or 0.0
        kill.kill("runner")
        best = max(good, key=lambda c: good[c])
        comparison = measurer.compare(best, DEFAULT)
        pids = [*measurer._builders.pids(), *measurer.bench.runner.pids()]
    problems += _wrong_answer(best.program(workload))
    problems += [f"process {pid} is left over" for pid in pids if os.path.exists(f"/proc/{pid}")]
    for (fault, status), count in sorted(counts.items()):
        print(f"{count:>6}  {fault:<10} {status}")
    for what, count in sorted(killed.items()):
        print(f"{count:>6}  {what}")
    print(f"best: {comparison}; {time.monotonic() - start:.0f} s, {len(problems)} problems")
    for problem in problems[:20]:
        print("  ", problem)
    return 1 if problems or comparison.verdict != "faster" else 0


class _Killer:
    """Ends processes of a measurer in the middle of what they do."""

    def __init__(self, measurer: Any, rng: random.Random, killed: Counter[str]) -> None:
        self.measurer = measurer
        self.rng = rng
        self.killed = killed
        self.timers: list[threading.Timer] = []

    def soon(self, count: int) -> None:
        """``count`` processes, within the next seconds."""
        for _ in range(count):
            what = self.rng.choice(("builder", "runner"))
            timer = threading.Timer(self.rng.uniform(0.0, 0.8), self.kill, (what,))
            timer.start()
            self.timers.append(timer)

    def stop(self) -> None:
        for timer in self.timers:
            timer.join()
        self.timers.clear()

    def kill(self, what: str) -> None:
        """One process now, if there is one."""
        if what == "builder":
            pids = self.measurer._builders.pids()
        else:
            pids = self.measurer.bench.runner.pids()
        if pids:
            try:
                os.kill(self.rng.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                return
            self.killed[f"killed {what}"] += 1


def _good(program: Program, rng: random.Random) -> Any:
    from mlc.tune.candidate import Candidate

    s = Schedule(program)
    i, j, k = s.loops("c")
    io, ii = s.split(i, factors=[None, rng.choice([1, 2, 4, 8, 16])])
    jo, ji = s.split(j, factors=[None, rng.choice([4, 8, 16, 32])])
    ko, ki = s.split(k, factors=[None, rng.choice([2, 4, 8, 16, 32])])
    s.reorder(io, jo, ko, ki, ii, ji)
    s.vectorize(ji)
    return Candidate("trace", s.to_json(), "good")


def _wrong_answer(program: Program) -> list[str]:
    import numpy as np

    from mlc.compile_program import compile_program

    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal((64, 64)).astype(np.float32) for _ in range(2))
    (got,) = compile_program(program).run([a, b])
    return [] if np.allclose(got, a @ b, atol=1e-4) else ["the best candidate is wrong"]


if __name__ == "__main__":
    sys.exit(main())
