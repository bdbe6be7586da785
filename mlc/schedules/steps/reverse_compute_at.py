"""reverse_compute_at: a block moves under a loop of a block whose result it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.affine import as_sum
from ...ir.expr import Axis, Var
from ...ir.program import Block, Program, Seq, Stmt, blocks_of, walk
from ...ir.rewrite import variables_of
from ...ir.simplify import simplify
from ...records import dataclass, replace
from ..legality.accesses import Access, accesses_of
from ..legality.blocks import late_init
from ..legality.conflict import Conflict, conflict
from ..moving import Move, Range, clipped, cover_of, nest_of, plan_move, put
from ..placement import INLINE, ROOT, combines, is_commutative, loop_numbered, overtaken, race_in
from ..refusal import Refusal, Witness
from ..regions import block_reads, region_in
from ..step import Step, block_name, find_block
from .reverse_compute_inline import ReverseComputeInline

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class ReverseComputeAt(Step):
    """The block runs at the end of each iteration of ``loop``, on what is complete by then."""

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
        between = _between(move)
        if between is None:
            return (
                f"block {self.block!r} does not come after loop {self.loop.name}; "
                "compute_at moves a block under a loop that comes after it"
            )
        domain = _domain(move)
        if domain is None:
            return (
                f"no block under loop {self.loop.name} writes what block {self.block!r} reads; "
                "take a loop around its producer"
            )
        nest, _ = nest_of(move, domain, confine=True)
        after = put(program, move, nest)
        return (
            race_in(after, (*move.shared, *move.around))
            or _too_early(move, after, between)
            or _not_once(move, domain, after)
            or _late(after, self.block)
        )

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        if isinstance(self.loop, int):
            step = self._decided(program, self.loop)
            return step.apply(program) if isinstance(step, Step) else (program, ())
        move = plan_move(program, self.block, self.loop)
        assert isinstance(move, Move)
        nest, _ = nest_of(move, _domain(move) or move.base, confine=True)
        return put(program, move, nest), ()

    def _decided(self, program: Program, number: int) -> Step | str | None:
        """The step for a place; None where the block stays, a sentence where there is no such
        place."""
        if number == ROOT:
            return None
        if number == INLINE:
            return ReverseComputeInline(self.block)
        loop = loop_numbered(program, number)
        return loop if isinstance(loop, str) else ReverseComputeAt(self.block, loop)


def _late(after: Program, name: str) -> Refusal | None:
    """Why the init of the block may come after what it ought to come before."""
    found = late_init(after, find_block(after, name))
    return None if found is None else replace(found, fix="", proven=False)


def _between(move: Move) -> list[Stmt] | None:
    """The statements from the target to the block, that with the block not among them; None if the
    block comes first."""
    if not isinstance(move.parent, Seq):
        return None
    parts = move.parent.stmts
    old = next(n for n, s in enumerate(parts) if any(n is move.block for n in walk(s)))
    new = next(n for n, s in enumerate(parts) if any(n is move.target for n in walk(s)))
    return list(parts[new:old]) if new < old else None


def _domain(move: Move) -> dict[Axis, Range] | None:
    """The points that read just what one iteration of the target writes."""
    domain = dict(move.base)
    found = False
    for region in block_reads(move.block):
        made = region_in(move.target.body, region.buffer, "write")
        if made is None:
            continue
        found = True
        for d, index in enumerate(region.starts):
            total = as_sum(index)
            if len(total.terms) != 1 or total.terms[0][1] != 1:
                continue
            axis = total.terms[0][0]
            if not isinstance(axis, Axis) or axis not in domain or region.extents[d] != 1:
                continue
            wanted = (simplify(made.starts[d] - total.constant), made.extents[d])
            cut = clipped(wanted, domain[axis])
            if domain[axis] is move.base[axis] or cut[1] < domain[axis][1]:
                domain[axis] = cut
    return domain if found else None


def _too_early(move: Move, after: Program, between: list[Stmt]) -> Refusal | None:
    """What ran before the block and would run after it must not touch the same elements."""
    names = {block.name for stmt in between for block in blocks_of(stmt)}
    beside = {block.name for block in blocks_of(_neighbours(move))} - {move.block.name}
    rows = accesses_of(after).rows
    mine = [row for row in rows if row.block == move.block.name]
    buffers = {row.buffer for row in mine}
    fixed = [f.var for f in move.shared]
    for other in rows:
        if other.buffer not in buffers or other.block not in names | beside:
            continue
        around = {f.var for f in other.loops}
        loops = [f.var for f in move.around if f.var in around]
        for row in mine:
            found = overtaken(row, other, fixed, loops)
            if found is not None:
                refusal = _incomplete(move, row, other, found[0], found[1])
                if other.block in names and _is_new(after, other.block, found[1]):
                    return refusal
                return replace(refusal, proven=False)
    return None


def _is_new(program: Program, name: str, later: Var | None) -> bool:
    """Whether a later iteration does other points of the block, not the same ones again."""
    return later is None or any(
        later is v for it in find_block(program, name).iters for v in variables_of(it.binding)
    )


def _neighbours(move: Move) -> Stmt:
    """The statement of the parent that holds the block."""
    assert isinstance(move.parent, Seq)
    return next(s for s in move.parent.stmts if any(n is move.block for n in walk(s)))


@dataclass(frozen=True)
class _Incomplete(Witness):
    """The first reads an element into which the second, later in ``loop``, combines again."""

    loop: str

    def __str__(self) -> str:
        now, then = (dict(point.values)[self.loop] for point in (self.first, self.second))
        element = ", ".join(map(str, self.element)) or "()"
        return (
            f"at {self.loop}={now} {self.buffer}[{element}] is not complete: "
            f"{self.loop}={then} combines into it again"
        )


def _incomplete(
    move: Move, row: Access, other: Access, found: Conflict, later: Var | None
) -> Refusal:
    name, loop = move.block.name, move.target.var.name
    witness = found.witness
    proven = witness is not None and found.is_certain
    if later is not None and row.kind == "read" and other.kind == "combine":
        if witness is not None:
            witness = _Incomplete(
                witness.first, witness.second, witness.buffer, witness.element, later.name
            )
        return Refusal(
            f"block {name!r} would read {other.buffer.name} inside {later.name}, over which block "
            f"{other.block!r} reduces",
            witness,
            f"move it to a loop outside {later.name}, or reorder {later.name} further in",
            proven=proven,
        )
    return Refusal(
        f"block {name!r} under loop {loop} would run before block {other.block!r} is done",
        witness,
        "move it to a loop further out",
        proven=proven,
    )


def _not_once(move: Move, domain: dict[Axis, Range], after: Program) -> Refusal | None:
    """Why the iterations together do not make the same of the block; None if they do."""
    name, loop, block = move.block.name, move.target.var.name, move.block
    cover = cover_of(move, domain)
    if not (cover.exact and cover.complete):
        return Refusal(
            f"the iterations of {loop} may not cover the domain of block {name!r}",
            fix="move it to a loop further out",
            proven=False,
        )
    places = {
        v for it in block.iters if it.axis.is_reduce for v in variables_of(domain[it.axis][0])
    }
    inner, outer = ({f.var for f in loops} for loops in (move.around, move.shared))
    if places & inner and not is_commutative(block):
        return Refusal(
            f"block {name!r} folds with a combiner that is not commutative, and its reduce axes "
            "may be combined in another order",
            proven=False,
        )
    begins_anew = block.init is not None and not places & (inner | outer)
    if not cover.repeating or not combines(block) or begins_anew:
        return None
    repeating = cover.repeating[0]
    row = next(r for r in accesses_of(after).rows if r.block == name and r.kind == "combine")
    fixed = {f.var: (0, 0) for f in (*move.shared, *move.around) if f.var is not repeating}
    found = conflict(row, row, {**fixed, repeating: (1, None)})
    witness = None if found is None else found.witness
    return Refusal(
        f"block {name!r} would combine again what it has combined already",
        witness,
        f"move it outside {repeating.name}",
        proven=witness is not None,
    )


def reverse_compute_at(s: Schedule, block: Block | str, loop: Var | int) -> None:
    """A block moves under a loop of its producer, right after what it reads is complete.

    ``s.reverse_compute_at("C", j)``::

        for j, k in T.grid(6, 5):                   for j in T.serial(6):
            with T.block("Y"): ...                      for k in T.serial(5):
        for j in T.serial(6):                ->             with T.block("Y"): ...
            with T.block("C"):                          with T.block("C"):
                vj = T.remap("S", [j])                      vj = T.remap("S", [j])
                C[vj] = T.max(Y[vj], 0.0)                   C[vj] = T.max(Y[vj], 0.0)

    In each iteration it runs on just the elements that the iteration makes. Refused where those are
    not complete by then (``loop`` lies in a reduce loop of the producer), where other things it
    reads are not there yet, and where the iterations together do not cover its domain.
    """
    s.take(ReverseComputeAt(block_name(block), loop))
