"""compute_inline: what a block computes is computed where it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Expr, Load
from ...ir.program import Allocate, Block, Program, map_exprs
from ...ir.rewrite import substitute, substitute_loads
from ...records import dataclass
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
from ..placement import loops_writing, race_in, read_buffers
from ..refusal import Refusal
from ..step import Step, block_name, find_block, path_to

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class ComputeInline(Step):
    """Loads of what the block stores become the value that it would store there."""

    block: str

    def check(self, program: Program) -> Refusal | str | None:
        block = find_block(program, self.block)
        formula = formula_of(block)
        if isinstance(formula, str):
            return f"{formula}; only a block that stores one value at its axes can be inlined"
        name = formula.buffer.name
        if any(formula.buffer is param for param in program.params):
            return f"{name} is a parameter of the program: block {self.block!r} has to store it"
        problem = guards_only(block)
        if problem is not None:
            return f"{problem}: what it does not store cannot be inlined"
        other = other_writer(program, formula.buffer, self.block)
        if other is not None:
            return f"block {other!r} writes {name}, too, or hands it to a call"
        inputs = read_buffers(block)
        for stmt in path_to(program, self.block):
            if isinstance(stmt, Allocate) and inputs.intersection(stmt.buffers):
                first, last = accesses_of(program).spans[stmt]
                outside = _reader_outside(program, formula, range(first, last))
                if outside is not None:
                    return (
                        f"block {outside!r} reads {name} where the memory that block "
                        f"{self.block!r} reads is gone"
                    )
        after = _inlined(program, formula)
        race = race_in(after, loops_writing(after, inputs))
        if race is not None:
            return race
        hit = overwrites_between(program, self.block, inputs, after, None)
        if hit is None:
            return None
        write, found = hit
        return Refusal(
            f"block {write.block!r} overwrites {write.buffer.name}, which block {self.block!r} "
            f"reads, before {name} is read",
            found.witness,
            f"use cache_read on {write.buffer.name} first",
            proven=False,
        )

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        formula = formula_of(find_block(program, self.block))
        assert isinstance(formula, Formula)
        return _inlined(program, formula), ()


def _reader_outside(program: Program, formula: Formula, within: range) -> str | None:
    """A block that reads the result outside of these accesses."""
    for row in accesses_of(program).rows:
        if row.buffer is formula.buffer and not row.changes and row.position not in within:
            return row.block
    return None


def _inlined(program: Program, formula: Formula) -> Program:
    def on_load(node: Load) -> Expr | None:
        if node.source is not formula.buffer:
            return None
        return substitute(formula.value, formula.at(node.indices))

    body = map_exprs(program.body, lambda e: substitute_loads(e, on_load))
    return without_buffer(dropped(program.with_body(body), formula.block.name), formula.buffer)


def compute_inline(s: Schedule, block: Block | str) -> None:
    """A block vanishes, and its formula stands where its result was read.

    ``s.compute_inline("p")``::

        for i in T.serial(8):                        for i in T.serial(8):
            with T.block("p"):                           with T.block("q"):
                vi = T.remap("S", [i])                       vi = T.remap("S", [i])
                p[vi] = x[vi] * 2.0              ->          q[vi] = x[vi] * 2.0 + 1.0
        for i in T.serial(8):
            with T.block("q"):
                vi = T.remap("S", [i])
                q[vi] = p[vi] + 1.0

    Refused for reductions, for outputs, for blocks that do more than one store, and where something
    that the block reads is overwritten before its result is read.
    """
    s.take(ComputeInline(block_name(block)))
