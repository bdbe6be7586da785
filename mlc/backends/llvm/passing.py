"""Stores that pass the caches by: of results that no cache holds until they are read.

An ordinary store to memory far away brings the line first, and sends it back later; one that passes
by writes it alone. It needs a whole line at once, which begins where lines do::

    if address % 64 == 0: store past the caches     else: store

Where vectors are shorter than lines, a line comes in parts of 16 bytes at least, one after the
other, and processors gather them: there a result may begin where any array of NumPy's does::

    if address % 16 == 0: store past the caches     else: store

The lines are under way when the function returns, so it waits for them: other threads look.
"""

from __future__ import annotations

from ...ir.call_names import intrinsic_named, is_intrinsic
from ...ir.program import (
    Accumulate,
    Buffer,
    Evaluate,
    Program,
    Scope,
    expressions_of,
    walk,
)
from ...ir.rewrite import loads_of
from .emitter import Emitter
from .target import Target
from .types import Value

LINE, PART = 64, 16
HINT = "!nontemporal !{i32 1}"
FENCE = "llvm.x86.sse.sfence"


def passing(program: Program, target: Target) -> frozenset[Buffer]:
    """The params that ``program`` writes to memory far away, and never reads; ``target`` has
    vectors of whole or of half lines."""
    far = {
        b
        for b in program.params[len(program.params) - program.outputs :]
        if b.scope is Scope.GLOBAL and b.size * b.dtype.itemsize > target.past_bytes
    }
    if not far:
        return frozenset()
    for stmt in walk(program.body):
        match stmt:
            case Accumulate(buffers=buffers):
                far.difference_update(buffers)
            case Evaluate(name=name) if is_intrinsic(name):
                from ...ir.intrinsic import PAST, call_effects

                reads, writes = call_effects(stmt)
                has_way = PAST in intrinsic_named(name).implementations
                far.difference_update(r.buffer for r in (reads if has_way else (*reads, *writes)))
            case Evaluate(args=args):
                far.difference_update(b for b in args if isinstance(b, Buffer))
        for expr in expressions_of(stmt):
            far.difference_update(load.source for load in loads_of(expr))
    return frozenset(far)


def store_past(e: Emitter, raw: Value, pointer: str, align: int) -> None:
    """Store as much as whole lines past the caches, if it begins where it may; what is less, as
    usual."""
    if raw.lanes * raw.dtype.itemsize % LINE:
        e.line(f"store {raw}, ptr {pointer}, align {align}")
        return
    name = e.name("s")
    begin = LINE if e.target.vector_bits >= 8 * LINE else PART
    number = e.raw(f"ptrtoint ptr {pointer} to i64")
    inside = e.raw(f"and i64 {number}, {begin - 1}")
    whole = e.raw(f"icmp eq i64 {inside}, 0")
    e.line(f"br i1 {whole}, label %{name}w, label %{name}p")
    e.label(f"{name}w")
    e.line(f"store {raw}, ptr {pointer}, align {begin}, {HINT}")
    e.line(f"br label %{name}x")
    e.label(f"{name}p")
    e.line(f"store {raw}, ptr {pointer}, align {align}")
    e.line(f"br label %{name}x")
    e.label(f"{name}x")
    e.passed = True


def wait_for_stores(e: Emitter) -> None:
    """At the end of a function that stored past the caches: all of it is there for all to see."""
    e.declare(f"declare void @{FENCE}()")
    e.line(f"call void @{FENCE}()")
