"""The lowering pipeline: THE list of passes, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from ..ir.program import Accumulate, Allocate, Evaluate, For, LoopKind, Program, Stmt, walk
from ..records import dataclass
from .bind_blocks import bind_blocks
from .expand_math import expand_math_program
from .fit_vectors import fit_vectors
from .limit_unrolling import limit_unrolling
from .partition_loops import partition_loops
from .simplify_program import simplify_program
from .unroll_loops import unroll_loops

Pass = Callable[[Program], Program]


def _where(has: Callable[[Stmt], bool], name: str) -> Pass:
    """The pass of that name, whose file is loaded for programs with a statement that it ``has`` an
    eye on: it leaves others as they are."""

    def step(program: Program) -> Program:
        if not any(map(has, walk(program.body))):
            return program
        made: Program = getattr(import_module(f"{__package__}.{name}"), name)(program)
        return made

    step.__name__ = name
    return step


def _calls(stmt: Stmt) -> bool:
    return isinstance(stmt, Evaluate)


def _allocates(stmt: Stmt) -> bool:
    return isinstance(stmt, Allocate)


def _accumulates(stmt: Stmt) -> bool:
    return isinstance(stmt, Accumulate)


def _runs_at_once(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and stmt.kind in (LoopKind.BOUND, LoopKind.PARALLEL)


def _is_hinted(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and bool(stmt.annotations)


def _is_pipelined(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and any(
        k == "software_pipeline_stage" for k, _ in stmt.annotations
    )


compact_buffers = _where(_allocates, "compact_buffers")

PASSES: tuple[Pass, ...] = (
    _where(_calls, "expand_intrinsics"),
    _where(lambda stmt: _runs_at_once(stmt) or _calls(stmt), "bind_threads"),
    bind_blocks,
    compact_buffers,
    _where(_is_pipelined, "overlap_copies"),
    limit_unrolling,
    fit_vectors,
    _where(_allocates, "place_buffers"),
    partition_loops,
    unroll_loops,
    _where(_accumulates, "promote_registers"),
    _where(_is_hinted, "unroll_partly"),
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
