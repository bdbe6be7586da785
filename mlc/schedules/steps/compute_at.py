"""compute_at: a block moves under a loop of the blocks that read its result."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...ir.affine import as_sum
from ...ir.expr import Axis, Var, const
from ...ir.program import (
    Allocate,
    Block,
    Buffer,
    For,
    LoopKind,
    Program,
    Region,
    Scope,
    Seq,
    Stmt,
    walk,
)
from ...ir.rewrite import variables_of
from ...ir.simplify import simplify
from ...records import dataclass, replace
from ..legality import is_thread
from ..legality.accesses import Access, accesses_of
from ..moving import Cover, Move, Range, clipped, cover_of, nest_of, plan_move, put
from ..placement import (
    INLINE,
    ROOT,
    combines,
    loop_numbered,
    overtaken,
    race_in,
    read_buffers,
    written_buffers,
)
from ..refusal import Refusal
from ..regions import block_writes, region_in, span_of
from ..step import Step, block_name, find_block, rebuild

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class ComputeAt(Step):
    """Each iteration of ``loop`` computes just what the blocks inside it read of the block."""

    block: str
    loop: Var | int  # a number is a place that sample_compute_location has chosen

    def check(self, program: Program) -> Refusal | str | None:
        if isinstance(self.loop, int):
            find_block(program, self.block)
            step = self._decided(program, self.loop)
            return step.check(program) if isinstance(step, Step) else step
        move = plan_move(program, self.block, self.loop)
        if isinstance(move, str):
            return move
        if not _comes_first(move):
            return (
                f"block {self.block!r} does not come before loop {self.loop.name}; "
                "reverse_compute_at moves a block under a loop that comes before it"
            )
        own = written_buffers(move.block)
        if all(region_in(move.target.body, buffer) is None for buffer in own):
            return (
                f"no block under loop {self.loop.name} reads what block {self.block!r} writes; "
                "take a loop around its consumers"
            )
        if combines(move.block) and move.block.init is None:
            return (
                f"block {self.block!r} goes on from what another block has initialised; compute_at "
                "comes before decompose_reduction"
            )
        return (
            _misplaced_access(program, move, own)
            or _racing(program, move)
            or _uncovered(program, move)
            or _left_behind(program, move)
            or _overwritten(program, move)
        )

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        if isinstance(self.loop, int):
            step = self._decided(program, self.loop)
            return step.apply(program) if isinstance(step, Step) else (program, ())
        move = plan_move(program, self.block, self.loop)
        assert isinstance(move, Move)
        return _moved(program, move), ()

    def _decided(self, program: Program, number: int) -> Step | str | None:
        """The step for a place; None where the block stays, a sentence where there is no such
        place."""
        if number == ROOT:
            return None
        if number == INLINE:
            from .compute_inline import ComputeInline

            return ComputeInline(self.block)
        loop = loop_numbered(program, number)
        return loop if isinstance(loop, str) else ComputeAt(self.block, loop)


@lru_cache(maxsize=16)
def _moved(program: Program, move: Move) -> Program:
    domain = _domain(move)
    nest, block = nest_of(move, domain, confine=False)
    own = written_buffers(block)
    cover = _cover(move)
    once = cover.exact and not cover.repeating
    factor = 1.0 if once else recompute_factor(move, domain)
    if factor > 1:
        marked = replace(
            block,
            annotations=(
                *(a for a in block.annotations if a[0] != "recompute"),
                ("recompute", round(factor, 2)),
            ),
        )
        nest = rebuild(nest, lambda s: marked if s is block else None)
    out = put(program, move, nest, own)
    if once or any(row.buffer in own for row in _outside(out, move.target.var)):
        return out
    return with_memory_inside(out, own - set(program.params), move.target.var)


@lru_cache(maxsize=16)
def _cover(move: Move) -> Cover:
    return cover_of(move, _domain(move))


def _outside(program: Program, loop: Var) -> list[Access]:
    """The accesses that are not under the loop."""
    found = accesses_of(program)
    first, last = found.spans[found.loops[loop][-1]]
    return found.rows[:first] + found.rows[last:]


def recompute_factor(move: Move, domain: dict[Axis, Range]) -> float:
    """How many points run for each point that ran before."""
    now = before = 1.0
    for loop in move.around:
        now *= loop.extent
    for axis, (_, extent) in domain.items():
        now *= extent
        before *= move.base[axis][1]
    return now / before if before else 1.0


def with_memory_inside(program: Program, buffers: set[Buffer], loop: Var) -> Program:
    """The program with ``buffers`` allocated in each iteration of ``loop``, inside of which all
    their uses are."""
    ordered: list[Buffer] = []

    def on(stmt: Stmt) -> Stmt | None:
        if not isinstance(stmt, Allocate) or not buffers.intersection(stmt.buffers):
            return None
        ordered.extend(b for b in stmt.buffers if b in buffers)
        rest = tuple(b for b in stmt.buffers if b not in buffers)
        body = rebuild(stmt.body, on)
        return replace(stmt, buffers=rest, body=body) if rest else body

    def inside(stmt: Stmt) -> Stmt | None:
        if isinstance(stmt, For) and stmt.var is loop:
            return replace(stmt, body=Allocate(tuple(ordered), stmt.body))
        return None

    body = rebuild(program.body, on)
    return program.with_body(rebuild(body, inside)) if ordered else program


def _comes_first(move: Move) -> bool:
    if not isinstance(move.parent, Seq):
        return False
    for part in move.parent.stmts:
        for node in walk(part):
            if node is move.block:
                return True
            if node is move.target:
                return False
    return False


@lru_cache(maxsize=16)
def _domain(move: Move) -> dict[Axis, Range]:
    """The points whose results one iteration of the target reads; where that is open, all those of
    the iteration of the shared loops."""
    wanted: dict[Axis, list[Range]] = {}
    for written in block_writes(move.block):
        read = region_in(move.target.body, written.buffer)
        if read is None:
            continue
        if written.buffer.scope is Scope.SHARED:
            read = _of_all_threads(read, move)
        for axis, span in _axes_from(written, read).items():
            wanted.setdefault(axis, []).append(span)
    domain = dict(move.base)
    for axis, spans in wanted.items():
        if axis in domain and all(a is spans[0][0] and n == spans[0][1] for a, n in spans):
            domain[axis] = clipped(spans[0], (const(0), axis.extent))
    return domain


def _of_all_threads(read: Region, move: Move) -> Region:
    """What all threads of a block read together."""
    threads = {loop.var: loop.extent for loop in move.around if is_thread(loop)}
    spans = [span_of(start, threads) for start in read.starts] if threads else []
    if not spans or any(span is None for span in spans):
        return read
    starts = tuple(span[0] for span in spans if span is not None)
    extents = tuple(s[1] + n - 1 for s, n in zip(spans, read.extents) if s is not None)
    return Region(read.buffer, starts, extents)


def _axes_from(written: Region, read: Region) -> dict[Axis, Range]:
    """The axes of the writing block for which it writes ``read``."""
    found: dict[Axis, Range] = {}
    for d, index in enumerate(written.starts):
        total = as_sum(index)
        if len(total.terms) != 1 or total.terms[0][1] != 1 or written.extents[d] != 1:
            continue
        axis = total.terms[0][0]
        if isinstance(axis, Axis) and axis not in found:
            found[axis] = simplify(read.starts[d] - total.constant), read.extents[d]
    return found


def _misplaced_access(program: Program, move: Move, own: set[Buffer]) -> Refusal | str | None:
    """Everything else that touches the result must read it, under the loop."""
    found = accesses_of(program)
    first = next(row for row in found.of(move.block) if row.buffer in own and row.changes)
    start, end = found.spans[move.target]
    name, loop = move.block.name, move.target.var.name
    for row in found.rows:
        if row.buffer not in own or row.block == name:
            continue
        if row.changes:
            return (
                f"block {row.block!r} writes {row.buffer.name}, too; compute_at moves blocks that "
                "alone make their result"
            )
        if start <= row.position < end:
            continue
        witness = None
        hit = overtaken(first, row, [], []) if first.position < row.position else None
        if hit is not None:
            witness = hit[0].witness
        return Refusal(
            f"block {row.block!r} reads {row.buffer.name}, too, and stands outside of loop {loop}, "
            f"where it would not be computed",
            witness,
            "move that block under the loop first, or compute at a loop around both",
            proven=witness is not None and row.position < start,
        )
    return None


def _racing(program: Program, move: Move) -> Refusal | str | None:
    """Loops that run on several threads must stay independent."""
    loops = [f for f in (*move.shared, *move.around) if f.kind is not LoopKind.SERIAL]
    return race_in(_moved(program, move), loops) if loops else None


def _uncovered(program: Program, move: Move) -> Refusal | None:
    """A result that leaves the program must be computed whole, and what a shared iteration reads
    must be its own."""
    block, domain = move.block, _domain(move)
    cover = _cover(move)
    outputs = written_buffers(block).intersection(program.params)
    names = ", ".join(sorted(buffer.name for buffer in outputs))
    loop = move.target.var.name
    if outputs and not (cover.exact and cover.complete):
        return Refusal(
            f"{names} is an output, and the iterations of {loop} do not read all of it: what they "
            "do not read would not be computed",
            fix=f"leave block {block.name!r} where it is, or use cache_write first",
            proven=False,
        )
    shared = {loop.var for loop in move.shared}
    partial = next((a for a in domain if a.is_reduce and move.base[a][0] is not const(0)), None)
    if partial is not None and not (cover.exact and not cover.repeating):
        return Refusal(
            f"block {block.name!r} would combine again what it has combined already: iterations of "
            f"{loop} repeat points of {partial.name}, which {move.base[partial][0]!r} leaves to "
            "loops that stay outside",
            fix=f"reorder so that the loops of {partial.name} stand inside",
            proven=False,
        )
    for axis, (start, extent) in domain.items():
        base_start, base_extent = move.base[axis]
        if not shared.intersection(variables_of(base_start)):
            continue
        shift = as_sum(simplify(start - base_start))
        if shift.terms or shift.constant < 0 or shift.constant + extent > base_extent:
            return Refusal(
                f"the blocks under {loop} may read parts of axis {axis.name} of block "
                f"{block.name!r} that other iterations of {base_start!r} have computed",
                proven=False,
            )
    return None


def _left_behind(program: Program, move: Move) -> Refusal | None:
    """What later iterations of the loops that the block leaves write, it must not have read."""
    assert isinstance(move.parent, Seq)
    inputs, found = read_buffers(move.block), accesses_of(program)
    fixed = [loop.var for loop in move.shared]
    own = next(s for s in move.parent.stmts if any(n is move.block for n in walk(s)))
    reads = [r for r in found.of(move.block) if not r.changes]
    for row in found.of(own):
        if row.buffer not in inputs or not row.changes or row.block == move.block.name:
            continue
        for read in reads:
            common = [x.var for x, y in zip(row.loops, read.loops) if x is y]
            hit = overtaken(read, row, fixed, common[len(fixed) :])
            if hit is None:
                continue
            witness = hit[0].witness
            return Refusal(
                f"block {move.block.name!r} would leave the loops that it shares with block "
                f"{row.block!r}, whose later iterations write {row.buffer.name} after it has read "
                "it",
                witness,
                f"use cache_read on {row.buffer.name} first",
                proven=witness is not None and hit[0].is_certain,
            )
    return None


def _overwritten(program: Program, move: Move) -> Refusal | None:
    """What the block reads must not be written between its old place and its new one."""
    inputs = read_buffers(move.block)
    before = accesses_of(program)
    outermost = move.around[0]  # what follows the target in it comes before its later iterations
    first, last = before.spans[move.block][1], before.spans[outermost][1]
    names = {r.block for r in before.rows[first:last] if r.changes and r.buffer in inputs}
    if not names:
        return None
    rows = accesses_of(_moved(program, move)).rows
    fixed = [loop.var for loop in move.shared]
    reads = [r for r in rows if r.block == move.block.name and not r.changes]
    for row in rows:
        if row.block not in names or not row.changes:
            continue
        around = {loop.var for loop in row.loops}
        loops = [loop.var for loop in move.around if loop.var in around]
        for read in reads:
            hit = overtaken(row, read, fixed, loops)
            if hit is None:
                continue
            witness = hit[0].witness
            return Refusal(
                f"block {row.block!r} overwrites {row.buffer.name} before block "
                f"{move.block.name!r} would read it under loop {move.target.var.name}",
                witness,
                f"use cache_read on {row.buffer.name} first",
                proven=witness is not None and hit[0].is_certain,
            )
    return None


def compute_at(s: Schedule, block: Block | str, loop: Var | int) -> None:
    """A block moves under a loop of its consumers, right before the first of them.

    ``s.compute_at("p", i)``::

        for i in T.serial(10):                       for i in T.serial(8):
            with T.block("p"):                           for i_1 in T.serial(3):
                vi = T.remap("S", [i])                       with T.block("p"):
                p[vi] = x[vi] * 2.0              ->              vi = T.axis.spatial(10, i + i_1)
        for i in T.serial(8):                                    p[vi] = x[vi] * 2.0
            with T.block("q"):                           with T.block("q"):
                vi = T.remap("S", [i])                       vi = T.remap("S", [i])
                q[vi] = p[vi] + p[vi + 2]                    q[vi] = p[vi] + p[vi + 2]

    Each iteration computes the box of elements that it reads. Where the boxes overlap, elements are
    computed again: the block's annotation ``recompute`` says how many points run for one that ran
    before, and the result lives in memory of the iteration. Refused where somebody outside the loop
    reads the result, where it is an output of which the loop reads a part only, and where something
    that the block reads is overwritten in between.

    Memory of the scope "shared" is filled with what all threads of the block read, where ``loop``
    stands inside loops that are bound to them: they do so together once the loops of the block are
    bound to the same threads.

    ``loop`` may be a place that :func:`sample_compute_location` has chosen.
    """
    s.take(ComputeAt(block_name(block), loop))
