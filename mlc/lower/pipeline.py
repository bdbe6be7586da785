"""The lowering pipeline: THE list of passes, in order."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..ir.program import Accumulate, Program, walk
from ..records import dataclass
from .bind_blocks import bind_blocks
from .bind_threads import bind_threads
from .compact_buffers import compact_buffers
from .expand_intrinsics import expand_intrinsics
from .expand_math import expand_math_program
from .fit_vectors import fit_vectors
from .limit_unrolling import limit_unrolling
from .partition_loops import partition_loops
from .place_buffers import place_buffers
from .simplify_program import simplify_program
from .unroll_loops import unroll_loops
from .unroll_partly import unroll_partly

Pass = Callable[[Program], Program]


def promote_registers(program: Program) -> Program:
    """See `mlc.lower.promote_registers`, which is loaded for programs that accumulate."""
    if not any(isinstance(stmt, Accumulate) for stmt in walk(program.body)):
        return program
    from .promote_registers import promote_registers

    return promote_registers(program)


PASSES: tuple[Pass, ...] = (
    expand_intrinsics,
    bind_threads,
    bind_blocks,
    compact_buffers,
    limit_unrolling,
    fit_vectors,
    place_buffers,
    partition_loops,
    unroll_loops,
    promote_registers,
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
