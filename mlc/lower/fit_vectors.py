"""fit_vectors: vectorized loops in the form that a code generator takes."""

from __future__ import annotations

from ..ir.expr import Var
from ..ir.program import (
    Accumulate,
    Allocate,
    Evaluate,
    For,
    LoopKind,
    Program,
    Stmt,
    Store,
    reads_of,
    walk,
)
from ..ir.rewrite import variables_of

VECTOR_BYTES = 64  # of a whole chunk; narrower registers take it in several parts
WIDEST_BYTES = 4 * VECTOR_BYTES  # of one vectorized loop that stays whole
UNROLLED_CHUNKS = 8  # at most; more are a loop


def fit_vectors(program: Program) -> Program:
    """``for j in T.vectorized(100): for k: s`` ->
    ``for k: for jo in T.unrolled(6): for ji in T.vectorized(16): s`` and the rest in 4 lanes.

    Loops inside a vectorized one move out of it, since its iterations are independent; what it
    allocates gets an element for each lane; what is wider than a few registers is cut. Where that
    cannot be done the loop becomes serial.
    """
    loops = [s for s in walk(program.body) if isinstance(s, For)]
    if all(s.kind is not LoopKind.VECTORIZED or is_simple(s.body) and fits(s) for s in loops):
        return program
    from .vector_chunks import in_chunks

    return program.with_body(in_chunks(program.body))


def is_simple(stmt: Stmt) -> bool:
    """Whether a vectorized loop can stand right around ``stmt``."""
    return not any(
        isinstance(s, (Allocate, Evaluate))
        or (isinstance(s, For) and s.kind is not LoopKind.UNROLLED)
        for s in walk(stmt)
    )


def fits(loop: For) -> bool:
    size = loop.extent * item_bytes(loop.body, loop.var)
    return size <= VECTOR_BYTES or size <= WIDEST_BYTES and loop.extent.bit_count() == 1


def item_bytes(stmt: Stmt, lane: Var) -> int:
    """The size of the largest element that ``stmt`` touches, of those that differ by ``lane``."""
    sizes = [1]
    for node in walk(stmt):
        match node:
            case Store(buffer=buffer):
                sizes.append(buffer.dtype.itemsize)
            case Accumulate(buffers=buffers):
                sizes.extend(b.dtype.itemsize for b in buffers)
            case _:
                continue
    # What is the same in all lanes takes no vector.
    reads = (read for read in reads_of(stmt) if any(v is lane for v in variables_of(read)))
    sizes.extend(read.dtype.itemsize for read in reads)
    return max(sizes)
