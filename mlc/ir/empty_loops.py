"""Reductions over nothing: their inits still run."""

from __future__ import annotations

from .parts import has_empty_loops
from .program import Program


def fill_empty_reductions(program: Program) -> Program:
    """A loop of extent 0 that feeds a reduce axis becomes the init of its block, in spatial loops.

    ``for i, k in grid(n, 0): block(init: C[i] = 0; ...)`` -> ``for i in serial(n): C[i] = 0``.
    Executors that run an init at the first reduce iteration need this; there is no first one here.
    """
    if not has_empty_loops(program):
        return program
    from .empty_reductions import fill

    return program.with_body(fill(program.body))
