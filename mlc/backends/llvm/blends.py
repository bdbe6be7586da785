"""Stores under a mask by way of what is there already.

::

    if m[i]:            ->   x[i] = v if m[i] else x[i]
        x[i] = v

Processors without AVX-512 have no store under a mask, or one that takes as long as a dozen others
(AMD's before Zen 4 have 18 and more steps for it). It may be done wherever all lanes are elements
of the buffer, and nobody else writes those that the mask leaves out meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.expr import Expr
from ...ir.program import Accumulate, Allocate, Buffer, For, Scope, Seq, Stmt, Store, walk
from ...lower.meetings import extents_in, meet_once, touches, writes
from .emitter import Emitter
from .types import Value, memory_type

MOST = 64  # places that are compared with each other


def may_blend(e: Emitter, buffer: Buffer, indices: tuple[Expr, ...]) -> bool:
    """Whether ``buffer[indices]`` may be stored under a mask by way of what is there."""
    if "+avx512f" in e.target.features:
        return False
    if not all(map(e.facts.proven, indices, buffer.shape)):
        return False  # lanes beyond the end of a row are elements of the next one
    if buffer.scope is Scope.GLOBAL and buffer not in e.facts.settled:
        return False  # an argument, perhaps, that a thread of the user's writes to as well
    return e.parallel is None or e.facts.of_one_thread(e.parallel, buffer)


def blend(e: Emitter, value: Value, pointer: str, align: int, mask: Value) -> None:
    """Store the lanes of ``value`` where ``mask`` holds, and what was there elsewhere."""
    kind = memory_type(value.dtype, e.lanes)
    # Of a load that may be moved LLVM makes a store under a mask again.
    old = e.op(f"load volatile {kind}, ptr {pointer}, align {align}", value.dtype, e.lanes)
    chosen = e.op(f"select {mask.type} {mask.text}, {value}, {old}", value.dtype, e.lanes)
    e.line(f"store {chosen}, ptr {pointer}, align {align}")


def settled(stmt: Stmt) -> Iterator[Buffer]:
    """The buffers that ``stmt`` writes whatever the data are."""
    match stmt:
        case Store(buffer=buffer):
            yield buffer
        case Accumulate(buffers=buffers):
            yield from buffers
        case For(body=body) | Allocate(body=body):
            yield from settled(body)
        case Seq(stmts=stmts):
            for part in stmts:
                yield from settled(part)


def is_of_one_thread(loop: For, buffer: Buffer) -> bool:
    """Whether each element of ``buffer`` that ``loop`` writes is touched in one iteration alone."""
    body = loop.body
    if any(isinstance(s, Allocate) and buffer in s.buffers for s in walk(body)):
        return True
    written = {place for b, place in writes(body) if b is buffer}
    touched = {place for b, place in touches(body) if b is buffer}
    inside = extents_in(body)
    return len(written) * len(touched) <= MOST and all(
        any(meet_once(a, b, loop.var, inside) for a, b in zip(one, other))
        for one in written
        for other in touched
    )
