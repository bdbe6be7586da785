"""overlap_stages: tiles of later iterations are copied while those of this one are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from ...ir.expr import Const, Expr, Load, const
from ...ir.lanes import padded_load
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    seq,
)
from ...records import dataclass
from ...schedules.step import rebuild
from ..place_buffers import span_bytes
from ..replace_buffers import Place, is_replaceable, replace_buffers
from ..simplify_program import substitute_all
from .kernel import BARRIER, BOUNDARY
from .touching import buffers_made, buffers_read, buffers_written

STAGE = "stage"  # marks the statement after it
COMMIT, WAIT = "copies_commit", "copies_wait"  # of asynchronous copies
ASYNC = "asynchronous"  # annotates a vector copy that need not be done yet
LATE = "copy_late"  # marks the store after it as such a copy, of one element
STAGES, ORDER = "software_pipeline_stage", "software_pipeline_order"
APART, CLUSTER = "software_pipeline_apart", "software_pipeline_cluster"
ALIGNMENT = 128  # bytes, of each of the copies of a buffer
WORDS = (4, 8)  # bytes of elements that are copied asynchronously one by one


def mark_stages(program: Program) -> Program:
    """The statements of a loop that is to be pipelined, each after a mark of its stage: what passes
    make of a statement stands between its mark and the next."""

    def on(stmt: Stmt) -> Stmt | None:
        match stmt:
            case For(annotations=annotations) if STAGES in dict(annotations):
                stages = tuple(dict(annotations)[STAGES])
                order = tuple(dict(annotations).get(ORDER, range(len(stages))))
                body = _marked(rebuild(stmt.body, on), stages, order)
                return None if body is None else replace(stmt, body=body)
        return None

    return program.with_body(rebuild(program.body, on))


def _marked(body: Stmt, stages: Sequence[int], order: Sequence[int]) -> Stmt | None:
    match body:
        case Allocate(body=inner):
            made = _marked(inner, stages, order)
            return None if made is None else replace(body, body=made)
        case Seq(stmts=stmts) if len(stmts) == len(stages):
            parts = zip(stages, order, stmts, strict=True)
            return Seq(tuple(s for n, place, part in parts for s in (_mark(n, place), part)))
    return None


def _mark(stage: int, place: int) -> Evaluate:
    return Evaluate(STAGE, (const(stage), const(place)))


def overlap_stages(stmt: Stmt) -> Stmt:
    """::

        for k in range(8):                      copy S(0) to S[0]; copy S(1) to S[1]
            copy S(k)                           for k in range(8):
            use S                       ->          wait until S(k) is there; barrier
                                                    if k + 2 < 8: copy S(k + 2) to S[(k + 2) % 3]
                                                    use S[k % 3]

    for a loop with the stages (0, 2): shared memory that is filled two iterations ahead exists
    three times. Copies of 4 bytes or more from global memory are asynchronous. Loops that are not
    of this form, first copies and then uses, run their statements one after the other.
    """

    def on(node: Stmt) -> Stmt | None:
        match node:
            case For(annotations=annotations) if STAGES in dict(annotations):
                made = _overlapped(node)
                return None if made is None else overlap_stages(made)
            case Evaluate(name=name) if name == STAGE:
                return Seq(())
        return None

    return rebuild(stmt, on)


def _overlapped(loop: For) -> Stmt | None:
    buffers: list[Buffer] = []
    found = staged_statements(loop.body, buffers)
    if not found:
        return None
    stages: dict[int, list[Stmt]] = {}
    for part in found:
        stages.setdefault(part.stage, []).extend(part.stmts)
    ahead = max(stages)
    in_order = all(one.place <= two.place for one, two in pairwise(found))
    if sorted(stages) != [0, ahead] or ahead < 1 or loop.extent <= ahead:
        return None
    if loop.kind is not LoopKind.SERIAL or not in_order:
        return None
    copies, uses = seq(*stages[0]), seq(*stages[ahead])
    filled = buffers_written(copies) - buffers_made(copies)
    both = {b for b in buffers if b in buffers_read(uses) | buffers_written(uses)} & (
        filled | buffers_read(copies)
    )
    if not filled <= set(buffers) or any(b.scope is not Scope.SHARED for b in both):
        return None
    if (buffers_written(uses) - buffers_made(uses)) & (filled | buffers_read(copies)):
        return None
    slots = {buffer: slots_of(buffer, ahead + 1) for buffer in filled}
    if not is_replaceable(copies, {b: Place(s, (const(0),)) for b, s in slots.items()}):
        return None

    def placed(stmt: Stmt, slot: Expr) -> Stmt:
        return replace_buffers(stmt, {b: Place(s, (slot,)) for b, s in slots.items()})

    copies = rebuild(copies, _asynchronous)
    count = ahead + 1
    early = [
        s
        for n in range(ahead)
        for s in (
            placed(substitute_all(copies, {loop.var: const(n)}), const(n)),
            Evaluate(COMMIT, ()),
        )
    ]
    later = loop.var + ahead
    body = seq(
        Evaluate(WAIT, (const(ahead - 1),)),
        Evaluate(BARRIER, ()),
        If(later < loop.extent, placed(substitute_all(copies, {loop.var: later}), later % count)),
        Evaluate(COMMIT, ()),
        placed(uses, loop.var % count),
        Evaluate(BOUNDARY, ()),
    )
    hints = {k: v for k, v in dict(loop.annotations).items() if k not in (STAGES, ORDER)}
    steady = replace(loop, body=body, annotations=tuple(sorted(hints.items())))
    rest = tuple(b for b in buffers if b not in slots)
    inner = seq(*early, Evaluate(BOUNDARY, ()), steady, Evaluate(BOUNDARY, ()))
    return Allocate((*rest, *slots.values()), inner)


@dataclass(frozen=True, eq=False)
class Staged:
    """What became of a statement that runs ``stage`` iterations late, at ``place`` among those that
    run at one time."""

    stage: int
    place: int
    stmts: list[Stmt]


def staged_statements(stmt: Stmt, buffers: list[Buffer]) -> list[Staged] | None:
    """The marked statements that ``stmt`` consists of, in its order, and the ``buffers`` that it
    allocates around them; None where others stand before them."""
    found: list[Staged] = []
    return found if _collect(stmt, buffers, found) else None


def _collect(stmt: Stmt, buffers: list[Buffer], found: list[Staged]) -> bool:
    match stmt:
        case Allocate(made, body) if not found:
            buffers.extend(made)
            return _collect(body, buffers, found)
        case Seq(stmts=stmts):
            return all(_collect(s, buffers, found) for s in stmts)
        case Evaluate(name=name, args=(Const(value=stage), Const(value=place))) if name == STAGE:
            found.append(Staged(int(stage), int(place), []))
            return True
        case Evaluate(name=name) if name == BOUNDARY and not found:
            return True
    if found:
        found[-1].stmts.append(stmt)
    return bool(found)


def slots_of(buffer: Buffer, count: int) -> Buffer:
    """``buffer``, ``count`` times."""
    size = buffer.dtype.itemsize
    step = -(-span_bytes(buffer) // ALIGNMENT) * ALIGNMENT // size
    strides = (step, *buffer.element_strides)
    return Buffer(buffer.name, (count, *buffer.shape), buffer.dtype, strides, buffer.scope)


def _asynchronous(stmt: Stmt) -> Stmt | None:
    """Copies of several elements at once, and of single words, are marked: they may be done
    later."""
    match stmt:
        case For(kind=LoopKind.VECTORIZED, annotations=annotations):
            notes = dict(annotations) | {ASYNC: True}
            return replace(stmt, annotations=tuple(sorted(notes.items())))
        case Store() if is_word_copy(stmt):
            return Seq((Evaluate(LATE, ()), stmt))
    return None


def is_word_copy(stmt: Store) -> bool:
    """Whether ``stmt`` copies an element of 4 or 8 bytes from global to shared memory, or 0 under a
    condition."""
    target, value = stmt.buffer, stmt.value
    if (padded := padded_load(value)) is not None:
        value = padded[1]
    if not isinstance(value, Load) or value.dtype is not target.dtype:
        return False
    is_fetch = target.scope is Scope.SHARED and value.source.scope is Scope.GLOBAL
    return is_fetch and target.dtype.itemsize in WORDS
