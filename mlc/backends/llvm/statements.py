"""Statements to code: loops, conditions, stores, accumulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...dtypes import int64
from ...errors import CompileError
from ...ir.expr import Apply, Const, Expr
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Seq,
    Stmt,
    Store,
    While,
)
from ...records import replace
from .addressing import address_of, stack_pointer, write
from .emitter import Emitter
from .expressions import both, invert
from .types import Value

if TYPE_CHECKING:
    from .registers import LoopPhi

# A loop that carries this many vectors leaves no register for loads that LLVM moves upwards.
_CROWDED = 16
# It waits for nothing but instructions, which are fetched in lines.
_ALIGNED = '!0 = distinct !{!0, !{!"llvm.loop.align", i32 64}}'


def emit_stmt(e: Emitter, stmt: Stmt) -> None:
    """Write ``stmt`` at the current place."""
    match stmt:
        case Seq(stmts=stmts):
            _seq(e, stmts)
        case For():
            _for(e, stmt)
        case While():
            from .branches import emit_while

            emit_while(e, stmt)
        case If():
            _if(e, stmt)
        case Store():
            _store(e, stmt)
        case Accumulate():
            from .accumulation import accumulate

            accumulate(e, stmt)
        case Allocate(buffers=buffers, body=body):
            unseen: frozenset[Buffer] = frozenset()
            if e.lane is None:
                from .unseen_lanes import unseen_lanes  # most kernels allocate nothing

                unseen = unseen_lanes(stmt)
            for buffer in buffers:
                from .registers import register_file

                file = register_file(e.facts, buffer)
                if file is None:
                    e.pointers[buffer] = stack_pointer(e, buffer)
                else:
                    file.is_unseen = buffer in unseen
                    e.registers[buffer] = file
            emit_stmt(e, body)
            for buffer in buffers:
                e.registers.pop(buffer, None)
        case Evaluate():
            _evaluate(e, stmt)
        case _:
            raise CompileError(f"LLVM code cannot be generated for a {type(stmt).__name__}")


def _seq(e: Emitter, stmts: Sequence[Stmt]) -> None:
    outer = e.overlaps
    if e.lane is None and e.target.shares_lines and sum(map(_is_vector, stmts)) > 1:
        from .overlaps import overlaps_in

        e.overlaps = overlaps_in(e, stmts)
    done = 0
    for n, part in enumerate(stmts):
        if n < done:
            continue
        if isinstance(part, Store) and e.lane is None and n + 1 < len(stmts):
            if _is_vector(stmts[n + 1]) and isinstance(part.value, Const):
                from .lane_sums import TOGETHER, sum_lanes

                if sum_lanes(e, stmts, n):
                    done = n + 2 * TOGETHER
                    continue
        emit_stmt(e, part)
    e.overlaps = outer


def _is_vector(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and stmt.kind is LoopKind.VECTORIZED


def _vectors(e: Emitter, loop: For) -> None:
    if e.lane is not None:
        raise CompileError("a vectorized loop stands inside another one")
    outer = e.overlaps
    if not outer and e.target.shares_lines:
        from .overlaps import overlaps_in

        e.overlaps = overlaps_in(e, (loop,))
    e.lane, e.lanes, e.fixed[loop.var] = loop.var, loop.extent, loop.extent
    emit_stmt(e, loop.body)
    e.lane, e.lanes, e.overlaps = None, 0, outer


def _evaluate(e: Emitter, call: Evaluate) -> None:
    """Calls, of which few programs have any."""
    from ...ir.call_names import is_gufunc, is_intrinsic

    if is_intrinsic(call.name):
        from .intrinsics import emit_intrinsic_call

        emit_intrinsic_call(e, call)
    elif is_gufunc(call.name):
        from .gufuncs import emit_gufunc_call

        emit_gufunc_call(e, call.name, call.args)
    else:
        from .branches import evaluate

        evaluate(e, call.name, call.args)


def _for(e: Emitter, loop: For) -> None:
    if loop.extent <= 0:
        return
    if loop.extent == 1 or loop.kind is LoopKind.UNROLLED:
        for i in range(loop.extent):
            e.fixed[loop.var] = i
            emit_stmt(e, loop.body)
    elif loop.kind is LoopKind.VECTORIZED:
        _vectors(e, loop)
    elif e.lane is not None:
        raise CompileError("a loop inside a vectorized loop must be unrolled")
    elif loop.kind is LoopKind.PARALLEL and e.parallel is None:
        from .parallel import emit_parallel

        emit_parallel(e, loop, emit_loop)
    elif id(loop) in e.ends:
        emit_loop(e, loop, "0", e.ends[id(loop)][1])
    elif (found := _bounded(e, loop)) is not None:
        from .branches import bounded_loop

        bounded_loop(e, *found)
    elif e.beside is None or not e.beside.emit(e, loop, emit_loop):
        emit_loop(e, loop, "0", str(loop.extent))


def emit_loop(e: Emitter, loop: For, begin: str, end: str) -> None:
    """The loop from ``begin`` to ``end``, which is greater: the test comes after the body."""
    if e.target.moves_bytes:
        from .copies import emit_copy

        if emit_copy(e, loop, begin, end):
            return
    name = e.name("l")
    counter = f"%{name}i"
    written = e.facts.written(loop.body)
    e.enter(written)
    e.line(f"br label %{name}p")
    e.label(f"{name}p")
    e.line(f"br label %{name}")
    e.label(name)
    e.line(f"{counter} = phi i64 [ {begin}, %{name}p ], [ {counter}n, %{name}e ]")
    phis: list[LoopPhi] = []
    if e.registers:
        from .registers import open_phis

        phis = open_phis(e, written)
    e.bind(loop.var, Value(counter, int64))
    if loop.annotations:
        from .prefetch import emit_prefetches

        emit_prefetches(e, loop)
    volatile = e.volatile
    crowded = e.volatile = sum(phi.file.lanes > 1 for phi in phis) >= _CROWDED
    emit_stmt(e, loop.body)
    e.volatile = volatile
    e.leave()
    e.line(f"br label %{name}e")
    e.label(f"{name}e")
    for phi in phis:
        phi.close(f"{name}p", f"{name}e")
    e.line(f"{counter}n = add nuw nsw i64 {counter}, 1")
    more = e.raw(f"icmp ult i64 {counter}n, {end}")
    hint = ""
    if crowded:
        e.declare(_ALIGNED)
        e.crowded, hint = True, ", !llvm.loop !0"
    e.line(f"br i1 {more}, label %{name}, label %{name}x{hint}")
    e.label(f"{name}x")


def _bounded(e: Emitter, loop: For) -> tuple[For, Expr] | None:
    """``for i in range(n): if i < stop: s`` as (the loop over ``s`` alone, ``stop``), where nothing
    in the loop changes ``stop``."""
    match loop.body:
        case If(condition=Apply("lt", (var, stop)), then=body, otherwise=None) if var is loop.var:
            known = e.facts.of(stop)
            if any(v is var for v in known.variables) or known.reads & e.facts.written(body):
                return None
            return replace(loop, body=body), stop
    return None


def _if(e: Emitter, stmt: If) -> None:
    test = e.value(stmt.condition)
    if test.const is not None:
        side = stmt.then if test.const else stmt.otherwise
        if side is not None:
            emit_stmt(e, side)
        return
    if test.lanes:
        _masked(e, stmt, test)
    else:
        from .branches import branch

        branch(e, stmt, test)


def _masked(e: Emitter, stmt: If, test: Value) -> None:
    outer, level = e.mask, e.mask_level
    top = len(e.regions) - 1
    e.mask = both(e, outer, test)
    e.mask_level = e.guarded_level(stmt.condition) if outer is None else top
    emit_stmt(e, stmt.then)
    if stmt.otherwise is not None:
        e.mask, e.mask_level = both(e, outer, invert(e, test)), top
        emit_stmt(e, stmt.otherwise)
    e.mask, e.mask_level = outer, level


def _store(e: Emitter, stmt: Store) -> None:
    buffer, indices = stmt.buffer, stmt.indices
    value = e.value(stmt.value)
    file = e.registers.get(buffer)
    if file is not None:
        from .registers import write_register

        write_register(e, file, indices, value, e.mask)
    else:
        e.check_bounds(buffer, indices)
        blends = False
        if e.mask is not None and e.mask.lanes:
            from .blends import may_blend

            blends = may_blend(e, buffer, indices)
        write(e, address_of(e, buffer, indices), value, e.mask, blends)
    e.stored(buffer)
