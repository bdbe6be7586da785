"""Candidates that go wrong in every way there is, and a run of many of them.

``python -m tests.tune.faults --count 1000`` mixes them with good candidates, kills workers
meanwhile, and checks that every candidate gets its one outcome, that each fault is classified as
what it is, and that the best candidate at the end is one of the good ones and right.
"""

from __future__ import annotations

import json
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
    "memory": '    t = T.alloc((2**40,), "float32")\n'
    "    for n in T.serial(2**40):\n        t[n] = 1.0\n"
    "    for n in T.serial(2**40):\n        c[0, 0] = t[2**40 - 1 - n]\n",
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
