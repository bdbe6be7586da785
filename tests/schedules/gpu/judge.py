"""What must hold of a schedule for graphics processors, and what a test may ask about it."""

from __future__ import annotations

import numpy as np

import mlc
from mlc.ir.interpret import interpret
from mlc.ir.program import Allocate, For, LoopKind, Program, walk
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.schedules.schedule import Schedule
from mlc.testing.checking import arrays_for, is_close

SMALL = GpuMachine(warp=4, most_threads=64, processors=2)


def judged(program: Program, machine: GpuMachine | None = None, orders: int = 2) -> Schedule:
    """The default schedule, after hardware would run it without a fault and to the same result."""
    s = default_gpu_schedule(program, machine)
    got = arrays_for(program)
    want = [array.copy() for array in got]
    interpret(program, *want)
    outputs = program.params[len(program.params) - program.outputs :]
    mlc.simulate(s.program, *got, in_out=[b.name for b in outputs], orders=orders)
    for buffer, a, b in zip(program.params, got, want, strict=True):
        assert is_close(a, b, 256), f"{buffer.name}\n{a}\n{b}\n{s.program.script()}"
    return s


def threads(s: Schedule) -> list[tuple[str, int]]:
    """(thread, extent) of each bound loop, in program order."""
    loops = [n for n in walk(s.program.body) if isinstance(n, For)]
    return [
        (dict(loop.annotations)["thread"], loop.extent)
        for loop in loops
        if loop.kind is LoopKind.BOUND
    ]


def extents(s: Schedule, kind: LoopKind) -> list[int]:
    """The extents of the loops of one kind."""
    return [n.extent for n in walk(s.program.body) if isinstance(n, For) and n.kind is kind]


def scopes(s: Schedule) -> dict[str, str]:
    """Where each buffer that the program allocates lives."""
    found = [n for n in walk(s.program.body) if isinstance(n, Allocate)]
    return {b.name: b.scope.value for n in found for b in n.buffers}


def largest_block(s: Schedule) -> int:
    """The most threads that a block has."""
    return int(np.max([n for name, n in threads(s) if name.startswith("thread")], initial=1))
