"""Where blocks stand: what they touch, what they may do without, and who would overtake whom.

The steps that move blocks from one place of a program to another share this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..ir.expr import Var
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    While,
    blocks_of,
    children_of,
    expressions_of,
    reads_of,
    seq,
    walk,
    writes_of,
)
from ..ir.rewrite import loads_of, variables_of
from ..records import replace
from .legality import carried_dependence
from .legality.accesses import Access, accesses_of
from .legality.conflict import Conflict, Steps, commute, conflict
from .refusal import Refusal

_SAME = (0, 0)


def feeding(block: Block, reduce: bool) -> set[Var]:
    """The loops that reach a reduce axis of ``block`` (or else a spatial one)."""
    return {
        v for it in block.iters if it.axis.is_reduce is reduce for v in variables_of(it.binding)
    }


def written_buffers(stmt: Stmt) -> set[Buffer]:
    """The buffers that stores and accumulations in ``stmt`` write."""
    return {buffer for buffer, _ in writes_of(stmt)}


def read_buffers(stmt: Stmt) -> set[Buffer]:
    """The buffers that ``stmt`` loads from; those it combines into are not among them."""
    return {node.source for node in reads_of(stmt)}


def touched_buffers(stmt: Stmt) -> set[Buffer]:
    """Every buffer that ``stmt`` names."""
    found = written_buffers(stmt) | read_buffers(stmt)
    for node in walk(stmt):
        if isinstance(node, Evaluate):
            for arg in node.args:
                found.add(getattr(arg, "buffer", arg))  # type: ignore[arg-type]
    return {buffer for buffer in found if isinstance(buffer, Buffer)}


def is_commutative(block: Block) -> bool:
    """Whether everything the block combines may be folded in any order."""
    return all(n.combiner.commutative for n in walk(block.body) if isinstance(n, Accumulate))


def combines(block: Block) -> bool:
    """Whether the block combines into what is there."""
    return any(isinstance(node, Accumulate) for node in walk(block.body))


def is_movable(block: Block) -> str | None:
    """Why the points of ``block`` may not run at another time or in another order; None if they
    may: it stores or combines, reads nothing that it writes, and holds no calls and blocks."""
    if len(blocks_of(block)) > 1:
        return f"block {block.name!r} holds other blocks"
    if block.writes is not None or any(isinstance(node, Evaluate) for node in walk(block)):
        return f"block {block.name!r} holds a call or declares what it touches"
    own = written_buffers(block)
    for node in walk(block):
        for expression in expressions_of(node):
            for read in loads_of(expression):
                if read.source in own:
                    return f"block {block.name!r} reads {read.source.name}, which it writes itself"
    return None


def path_to_loop(program: Program, loop: Var) -> list[Stmt]:
    """The statements around the loop over ``loop``, outermost first."""

    def search(stmt: Stmt) -> list[Stmt] | None:
        if isinstance(stmt, For) and stmt.var is loop:
            return []
        for child in children_of(stmt):
            below = search(child)
            if below is not None:
                return [stmt, *below]
        return None

    return search(program.body) or []


def without_block(stmt: Stmt, name: str) -> Stmt | None:
    """``stmt`` without the block called ``name``, and without the loops, conditions and sequences
    that held nothing else; None if nothing is left."""
    match stmt:
        case Block() if stmt.name == name:
            return None
        case For() | Allocate() | Block():
            body = without_block(stmt.body, name)
            if body is None or body is stmt.body:
                return stmt if body is not None else None
            if isinstance(stmt, Block):  # what it declared is not what it touches any more
                return replace(stmt, body=body, reads=None, writes=None)
            return replace(stmt, body=body)
        case Seq():
            parts = [without_block(s, name) for s in stmt.stmts]
            if all(a is b for a, b in zip(parts, stmt.stmts, strict=True)):
                return stmt
            kept = [p for p in parts if p is not None]
            return seq(*kept) if kept else None
        case While():
            inside = without_block(stmt.body, name)
            if inside is stmt.body or inside is None:
                return stmt if inside is stmt.body else None
            return replace(stmt, body=inside)
        case If():
            then = without_block(stmt.then, name)
            other = None if stmt.otherwise is None else without_block(stmt.otherwise, name)
            if then is stmt.then and other is stmt.otherwise:
                return stmt
            if then is None:
                return None if other is None else If(~stmt.condition, other)
            return If(stmt.condition, then, other)
        case _:
            return stmt


def overtaken(
    first: Access, second: Access, fixed: Iterable[Var], loops: Sequence[Var]
) -> tuple[Conflict, Var | None] | None:
    """An iteration of ``first`` that runs before one of ``second`` where both touch an element.

    Loops of ``fixed`` stand at the same iteration in both; ``loops`` are those around both that may
    differ, outermost first. The loop in which ``second`` is ahead comes with the answer; None
    there says that both stand at the same iteration of all of them.
    """
    if first.buffer is not second.buffer or commute(first, second):
        return None
    steps: dict[Var, tuple[int | None, int | None]] = dict.fromkeys(fixed, _SAME)
    for loop in loops:
        ahead: Steps = {**steps, loop: (1, None)}
        found = conflict(first, second, ahead)
        if found is not None:
            return found, loop
        steps[loop] = _SAME
    if first.position < second.position:
        found = conflict(first, second, steps)
        if found is not None:
            return found, None
    return None


def race_in(after: Program, loops: Iterable[For]) -> Refusal | str | None:
    """Why loops that run on several threads must not hold what they hold in ``after``.

    What is not proven is no refusal to be tried out: a serial run does not show races.
    """
    for loop in loops:
        if loop.kind not in (LoopKind.PARALLEL, LoopKind.BOUND):
            continue
        if loop.kind is LoopKind.BOUND:
            from .legality import thread_violation

            refusal = thread_violation(after, loop.var)
        else:
            refusal = carried_dependence(after, loop.var)
        if refusal is None or isinstance(refusal, str):
            if refusal is not None:
                return refusal
            continue
        if refusal.proven:
            return replace(refusal, fix=f"take this step before loop {loop.var.name} is parallel")
        return (
            f"it is not proven that the iterations of the {loop.kind.value} loop {loop.var.name} "
            "would stay independent; take this step before that one"
        )
    return None


def loops_writing(program: Program, buffers: set[Buffer]) -> list[For]:
    """The loops of ``program`` inside of which any of ``buffers`` is written."""
    found: dict[For, None] = {}
    for row in accesses_of(program).rows:
        if row.changes and row.buffer in buffers:
            found.update(dict.fromkeys(row.loops))
    return list(found)


ROOT, INLINE = -1, -2  # places that are no loops: where the block is; into the blocks around it


def loop_numbered(program: Program, number: int) -> Var | str:
    """Loop ``number`` of the program, counted from 0 in program order; a sentence if there is
    none."""
    loops = [stmt.var for stmt in walk(program.body) if isinstance(stmt, For)]
    if 0 <= number < len(loops):
        return loops[number]
    return (
        f"place {number} is none of the {len(loops)} loops of {program.name!r}, counted from 0, "
        f"nor {ROOT} (where the block is) or {INLINE} (inline)"
    )
