"""Long copies: one instruction that moves bytes, and need not read what it writes over.

A loop that stores what it loads, element for element, is no loop on processors where that is slower
than the instruction, which it is wherever the first cache does not hold both::

    for i in range(n): c[i] = a[i + 3]  ->  rep movsb: 4 * n bytes from &a[3] to &c[0]
"""

from __future__ import annotations

from ...dtypes import boolean
from ...ir.expr import Expr, Load, Var, const
from ...ir.program import Buffer, For, LoopKind, Seq, Stmt, Store
from ...ir.rewrite import substitute, variables_of
from ...records import dataclass
from .addressing import address_of, gep
from .emitter import Emitter
from .facts import Indices
from .types import memory_type

LEAST_BYTES = 32 << 10
_MOVE = (
    'call { ptr, ptr, i64 } asm sideeffect "rep movsb", '
    '"={di},={si},={cx},0,1,2,~{memory},~{dirflag},~{fpsr},~{flags}"'
)


@dataclass(frozen=True, eq=False)
class _Side:
    """Where a store writes, or what it reads: ``buffer`` from element ``start`` on, and what the
    other ``terms`` add up to; an iteration later ``step`` elements further on."""

    buffer: Buffer
    indices: Indices
    terms: tuple[tuple[Expr, int], ...]
    step: int
    start: int


def emit_copy(e: Emitter, loop: For, begin: str, end: str) -> bool:
    """Write the iterations from ``begin`` to ``end`` of ``loop`` as one copy, if they are one."""
    parts = _parts(loop.body)
    lengths = [1 if lane is None else lane.extent for _, lane in parts]
    if e.sites is not None or not parts:
        return False
    size, step = parts[0][0].buffer.dtype.itemsize, sum(lengths)
    if loop.extent * step * size < LEAST_BYTES:
        return False
    moves = []
    for (store, lane), length in zip(parts, lengths, strict=True):
        inner = {loop.var, *([] if lane is None else [lane.var])}
        to = _side(e, store.buffer, store.indices, loop.var, inner)
        assert isinstance(store.value, Load)
        of = _side(e, store.value.source, store.value.indices, loop.var, inner)
        if to is None or of is None or to.buffer in e.passing:
            return False
        moves.append((to, of, length))
    moves.sort(key=lambda move: move[0].start)
    first = moves[0]
    done = 0
    for to, of, length in moves:
        for side, origin in ((to, first[0]), (of, first[1])):
            if side.buffer is not origin.buffer or side.terms != origin.terms:
                return False
            if side.step != step or side.start != origin.start + done:
                return False
        done += length
    pointers = []
    for side in first[:2]:
        zeros: dict[Var, Expr] = dict.fromkeys(
            (loop.var, *(lane.var for _, lane in parts if lane is not None)), const(0)
        )
        indices = tuple(substitute(i, zeros) for i in side.indices)
        pointer = address_of(e, side.buffer, indices).pointer
        if begin != "0":
            there = e.raw(f"mul i64 {begin}, {step}")
            pointer = gep(e, memory_type(side.buffer.dtype), pointer, there).text
        pointers.append(pointer)
    count = end if begin == "0" else e.raw(f"sub i64 {end}, {begin}")
    nbytes = e.raw(f"mul i64 {count}, {step * size}")
    e.raw(f"{_MOVE}(ptr {pointers[0]}, ptr {pointers[1]}, i64 {nbytes})")
    e.stored(first[0].buffer)
    return True


def _parts(body: Stmt) -> list[tuple[Store, For | None]]:
    """The stores of what is loaded, each with the loop over its lanes; none where there is
    anything else."""
    found: list[tuple[Store, For | None]] = []
    for stmt in body.stmts if isinstance(body, Seq) else (body,):
        lane = None
        if isinstance(stmt, For) and stmt.kind is LoopKind.VECTORIZED:
            lane, stmt = stmt, stmt.body
        if not isinstance(stmt, Store) or not isinstance(stmt.value, Load):
            return []
        if stmt.value.source is stmt.buffer or stmt.buffer.dtype is boolean:
            return []
        found.append((stmt, lane))
    return found


def _side(e: Emitter, buffer: Buffer, indices: Indices, loop: Var, inner: set[Var]) -> _Side | None:
    """One side of a store; None where it does not go on by numbers."""
    if buffer in e.registers or buffer in e.parts:
        return None
    terms, start = e.facts.linear(buffer, indices)
    step, lane, others = 0, 1, []
    for atom, c in terms:
        if atom is loop:
            step = c
        elif isinstance(atom, Var) and atom in inner:
            lane = c
        elif isinstance(atom, Var) and atom in e.fixed:
            start += c * e.fixed[atom]
        elif inner & set(variables_of(atom)):
            return None
        else:
            others.append((atom, c))
    return _Side(buffer, indices, tuple(others), step, start) if lane == 1 else None
