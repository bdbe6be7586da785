"""reverse_compute_inline: what is done to each element is done where the element is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Axis, Expr, Load, Var, const
from ...ir.program import (
    Allocate,
    Block,
    Buffer,
    Program,
    Store,
    blocks_of,
    writes_of,
)
from ...ir.rewrite import loads_of, substitute, substitute_loads
from ...records import dataclass, replace
from ..inlining import (
    Formula,
    dropped,
    formula_of,
    guards_only,
    other_writer,
    overwrites_between,
    without_buffer,
)
from ..legality.accesses import accesses_of
from ..placement import feeding, loops_writing, race_in, read_buffers, touched_buffers
from ..refusal import Point, Refusal, Witness
from ..step import Step, block_name, find_block, loops_around, path_to, replace_block

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True, eq=False)
class _Fold:
    """``consumer`` reads elements of ``buffer`` at ``indices``, its axes; ``producer`` stores
    them."""

    consumer: Formula
    buffer: Buffer
    indices: tuple[Expr, ...]
    producer: Block


@dataclass(frozen=True)
class ReverseComputeInline(Step):
    """The producer of what the block reads stores the block's result instead of its own."""

    block: str

    def check(self, program: Program) -> Refusal | str | None:
        fold = _fold_of(program, self.block)
        return fold if not isinstance(fold, _Fold) else _unsafe(program, fold)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        fold = _fold_of(program, self.block)
        assert isinstance(fold, _Fold)
        return _folded(program, fold), ()


def _fold_of(program: Program, name: str) -> _Fold | str:
    block = find_block(program, name)
    formula = formula_of(block)
    if isinstance(formula, str):
        return f"{formula}; only a block that stores one value at its axes can be folded"
    problem = guards_only(block)
    if problem is not None:
        return f"{problem}: it would be lost"
    made = [b for b in read_buffers(block) if not any(b is p for p in program.params)]
    if not made:
        return f"block {name!r} reads nothing that another block makes"
    answers = [_fold_into(program, formula, buffer) for buffer in made]
    return next((a for a in answers if isinstance(a, _Fold)), answers[0])


def _fold_into(program: Program, formula: Formula, buffer: Buffer) -> _Fold | str:
    name = formula.block.name
    loads = [node for node in loads_of(formula.value) if node.source is buffer]
    axes = {it.axis for it in formula.block.iters if it.axis.extent > 1}
    indices = loads[0].indices
    named = [i for i, n in zip(indices, buffer.shape, strict=True) if n > 1]
    if len(loads) > 1 or len({*named}) < len(named) or {*named} != axes:
        return (
            f"block {name!r} does not read {buffer.name} element by element: each of its axes must "
            f"be just one index of it, got {', '.join(map(repr, loads))}"
        )
    if any(isinstance(i, Axis) and i.extent != n for i, n in zip(indices, buffer.shape)):
        return f"block {name!r} reads a part of {buffer.name} only"
    writers = [b for b in blocks_of(program.body) if buffer in {w for w, _ in writes_of(b)}]
    if len(writers) != 1 or other_writer(program, buffer, writers[0].name) is not None:
        return f"{buffer.name} is made by {len(writers)} blocks; there must be just one"
    producer = writers[0]
    if producer.is_reduction:
        return _partial(program, formula, buffer, producer)
    if not isinstance(producer.body, Store):
        return f"block {producer.name!r} does more than one store"
    for row in accesses_of(program).rows:
        if row.buffer is buffer and not row.changes and row.block != name:
            return f"block {row.block!r} reads {buffer.name}, too"
    return _Fold(formula, buffer, indices, producer)


def _partial(program: Program, formula: Formula, buffer: Buffer, producer: Block) -> str:
    """A reduction's value is complete only after its last point."""
    around = loops_around(program, producer.name)
    reduced = feeding(producer, reduce=True)
    loop = next((f for f in around if f.var in reduced and f.extent > 1), None)
    if loop is None:
        return f"block {producer.name!r} is a reduction; {formula.block.name!r} cannot be folded in"
    zero = tuple((f.var.name, 0) for f in around)
    later = tuple((f.var.name, int(f is loop)) for f in around)
    name = producer.name
    witness = Witness(
        Point(name, zero, "combines into"),
        Point(name, later, "combines into"),
        buffer.name,
        (0,) * buffer.ndim,
    )
    refusal = Refusal(
        f"block {name!r} reduces over {loop.var.name}: folded into it, block "
        f"{formula.block.name!r} would be applied to parts of the value",
        witness,
        f"use reverse_compute_at({formula.block.name!r}, a loop outside {loop.var.name})",
    )
    return str(refusal)  # no program would come of it, not even a wrong one


def _unsafe(program: Program, fold: _Fold) -> Refusal | str | None:
    """The result must have its place, and other inputs their values, when the producer runs."""
    name, target = fold.consumer.block.name, fold.consumer.buffer
    producer = fold.producer.name
    other = other_writer(program, target, name)
    if other is not None:
        return f"block {other!r} writes {target.name}, too, or hands it to a call"
    after = _folded(program, fold)
    present = set(program.params)
    for stmt in path_to(program, producer):
        present.update(stmt.buffers if isinstance(stmt, Allocate) else ())
    for buffer in touched_buffers(find_block(after, producer)) - present:
        return f"{buffer.name} does not exist yet where block {producer!r} stands"
    inputs = read_buffers(fold.consumer.block) - {fold.buffer}
    race = race_in(after, loops_writing(after, inputs))
    if race is not None:
        return race
    found = accesses_of(program)
    start = found.spans[fold.consumer.block][0]
    for row in found.rows[:start]:
        if row.buffer is target:
            return Refusal(
                f"block {row.block!r} reads {target.name} before block {name!r} stores it",
                proven=False,
            )
    back = overwrites_between(after, producer, inputs, program, name)
    if back is None:
        return None
    write, conflict = back
    return Refusal(
        f"block {write.block!r} writes {write.buffer.name}, which block {name!r} reads, after "
        f"block {producer!r}",
        conflict.witness,
        f"move block {write.block!r} in front of block {producer!r}",
        proven=False,
    )


def _folded(program: Program, fold: _Fold) -> Program:
    formula, store = fold.consumer, fold.producer.body
    assert isinstance(store, Store)
    made = store.value
    place: dict[Var, Expr] = {
        axis: index
        for axis, index in zip(fold.indices, store.indices, strict=True)
        if isinstance(axis, Axis)
    }
    unit = formula.at(formula.indices)
    place = {it.axis: const(0) for it in formula.block.iters if it.axis.extent == 1} | place
    mapping = {axis: place.get(axis, value) for axis, value in unit.items()}

    def on_load(node: Load) -> Expr | None:
        return made if node.source is fold.buffer else None

    value = substitute_loads(substitute(formula.value, mapping), on_load)
    indices = tuple(substitute(index, mapping) for index in formula.indices)
    body = Store(formula.buffer, indices, value)
    program = dropped(program, formula.block.name)
    program = replace_block(
        program, fold.producer.name, lambda b: replace(b, body=body, reads=None, writes=None)
    )
    return without_buffer(program, fold.buffer)


def reverse_compute_inline(s: Schedule, block: Block | str) -> None:
    """A block vanishes, and the one that made its input applies its formula right away.

    ``s.reverse_compute_inline("q")``::

        for i in T.serial(8):                        for i in T.serial(8):
            with T.block("p"):                           with T.block("p"):
                vi = T.remap("S", [i])                       vi = T.remap("S", [i])
                p[vi] = x[vi] * 2.0              ->          q[vi] = x[vi] * 2.0 + 1.0
        for i in T.serial(8):
            with T.block("q"):
                vi = T.remap("S", [i])
                q[vi] = p[vi] + 1.0

    The block must read each element once, at its own axes. Refused where the producer is a
    reduction (the formula would be applied to parts of the value), where its result is read
    elsewhere, and where other things that the block reads are written after the producer.
    """
    s.take(ReverseComputeInline(block_name(block)))
