"""The lowering pipeline: THE list of passes, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from ..ir.program import Accumulate, Allocate, Evaluate, Program, walk
from ..records import dataclass
from .bind_blocks import bind_blocks
from .bind_threads import bind_threads
from .expand_math import expand_math_program
from .fit_vectors import fit_vectors
from .limit_unrolling import limit_unrolling
from .partition_loops import partition_loops
from .place_buffers import place_buffers
from .simplify_program import simplify_program
from .unroll_loops import unroll_loops
from .unroll_partly import unroll_partly

Pass = Callable[[Program], Program]


def _where(kind: type, name: str) -> Pass:
    """The pass of that name, whose file is loaded for programs with statements of a ``kind``: it
    leaves others as they are."""

    def step(program: Program) -> Program:
        if not any(isinstance(stmt, kind) for stmt in walk(program.body)):
            return program
        made: Program = getattr(import_module(f"{__package__}.{name}"), name)(program)
        return made

    step.__name__ = name
    return step


compact_buffers = _where(Allocate, "compact_buffers")

PASSES: tuple[Pass, ...] = (
    _where(Evaluate, "expand_intrinsics"),
    bind_threads,
    bind_blocks,
    compact_buffers,
    limit_unrolling,
    fit_vectors,
    place_buffers,
    partition_loops,
    unroll_loops,
    _where(Accumulate, "promote_registers"),
    unroll_partly,
    simplify_program,
    expand_math_program,
)


@dataclass
class Trace:
    """What each pass did: its name, its seconds, and the program after it."""

    stages: list[tuple[str, float, Program]]


def lower(program: Program, trace: Trace | None = None, without: tuple[Pass, ...] = ()) -> Program:
    """``program`` as flat loops: no blocks, conditions at the edges, accumulators in registers.

    Passes ``without`` which the program does as well are left out.
    """
    for step in PASSES:
        if step in without:
            continue
        start = time.perf_counter()
        program = step(program)
        if trace is not None:
            trace.stages.append((step.__name__, time.perf_counter() - start, program))
    return program
