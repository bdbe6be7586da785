"""A scheduled program as a few numbers: what decides how fast it runs."""

from __future__ import annotations

from math import log2

import numpy as np

from ...errors import MlcError
from ...ir.program import Block, For, LoopKind, Program, Stmt, children_of
from ...looking.cost import cost
from ...looking.machine import Facts

Features = np.ndarray[tuple[int], np.dtype[np.float64]]
_LEAST = 1e-9  # seconds; what takes less is as good as nothing


def features(program: Program, facts: Facts) -> Features | None:
    """Logarithms of the predicted time, of what each resource needs, of statements that are written
    out, of the share of lanes in use, of tasks for the threads; None where nothing is known."""
    try:
        found = cost(program, facts)
    except MlcError:
        return None
    speed = speed_of_threads(program, facts.threads)
    shape = _Shape()
    shape.visit(program.body, 1, 1)
    rows = [
        _log(found.seconds / speed),
        *(_log(seconds / speed) for _, seconds in found.times),
        log2(1 + shape.written_out),
        log2(1 + shape.lanes),
        log2(speed),
        log2(1 + shape.tasks),
    ]
    return np.array(rows)


def _log(seconds: float) -> float:
    return log2(max(seconds, _LEAST))


def speed_of_threads(program: Program, threads: int) -> float:
    """How many times faster than one thread the parallel loops run at best: what is left over when
    tasks do not divide among threads counts."""
    shape = _Shape()
    shape.visit(program.body, 1, 1)
    if not shape.parallel:
        return 1.0
    tasks = max(shape.parallel)
    return max(tasks / -(-tasks // threads), 1.0)


class _Shape:
    """The most statements that one iteration writes out, the widest lanes, and the tasks."""

    def __init__(self) -> None:
        self.written_out = 0
        self.lanes = 1
        self.parallel: list[int] = []

    @property
    def tasks(self) -> int:
        return max(self.parallel, default=0)

    def visit(self, stmt: Stmt, copies: int, lanes: int) -> None:
        match stmt:
            case For(kind=LoopKind.UNROLLED):
                copies *= stmt.extent
            case For(kind=LoopKind.VECTORIZED):
                lanes *= stmt.extent
            case For(kind=LoopKind.PARALLEL):
                grain = max(int(dict(stmt.annotations).get("grain", 1)), 1)
                self.parallel.append(-(-stmt.extent // grain))
            case Block():
                self.written_out = max(self.written_out, copies)
                self.lanes = max(self.lanes, lanes)
        for child in children_of(stmt):
            self.visit(child, copies, lanes)
