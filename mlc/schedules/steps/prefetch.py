"""prefetch: memory is asked for some iterations before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Allocate, Block, Buffer, Program, reads_of, walk
from ...records import dataclass
from ..refusal import Refusal
from ..step import Step, block_name, find_block, find_loop, loops_around
from .annotate import with_annotation

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Prefetch(Step):
    """What ``block`` reads of ``buffer`` is asked for ``distance`` iterations of ``loop`` ahead."""

    block: str
    buffer: str
    loop: Var
    distance: int = 1
    part: int = 0
    parts: int = 1
    in_order: bool = False
    last: bool = False
    chosen: bool = False

    def check(self, program: Program) -> Refusal | str | None:
        block = find_block(program, self.block)
        read = {load.source.name for load in reads_of(block)}
        read |= {region.buffer.name for region in block.reads or ()}
        if self.buffer not in read:
            known = ", ".join(sorted(read)) or "nothing"
            return f"block {self.block!r} does not read {self.buffer!r}; it reads {known}"
        inside = walk(find_loop(program, self.loop).body)
        if all(loop.var is not self.loop for loop in loops_around(program, self.block)):
            return f"loop {self.loop.name} does not stand around block {self.block!r}"
        fresh = [b for s in inside if isinstance(s, Allocate) for b in s.buffers]
        if any(b.name == self.buffer for b in fresh):
            return (
                f"each iteration of loop {self.loop.name} makes {self.buffer!r} anew, so nothing "
                "of it is there to be asked for early; prefetch what that is computed of"
            )
        if self.distance < 1:
            return f"distance must be at least one iteration, got {self.distance}"
        if not 0 <= self.part < self.parts:
            return f"part must be one of 0 to parts - 1 = {self.parts - 1}, got {self.part}"
        if self.last and (self.in_order or self.parts > 1):
            return "the last row is asked for alone: neither in order with others nor in parts"
        if self.chosen and (self.in_order or self.last or self.parts > 1):
            return "rows that data choose are asked for one by one: whole, and in no other order"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        hints = dict(find_loop(program, self.loop).annotations)
        old = tuple(h for h in hints.get("prefetch", ()) if h[:2] != (self.block, self.buffer))
        share: tuple[Any, ...] = (self.part, self.parts) if self.parts > 1 else ()
        if self.in_order:
            share = self.part, self.parts, "in order"
        if self.last:
            share = 0, 1, "last"
        if self.chosen:
            share = 0, 1, "chosen"
        value = (*old, (self.block, self.buffer, self.distance, *share))
        return with_annotation(program, self.loop, "prefetch", value), ()


def prefetch(
    s: Schedule, block: Block | str, buffer: Buffer | str, loop: Var, distance: int = 1,
    part: int = 0, parts: int = 1, in_order: bool = False, last: bool = False,
    chosen: bool = False,
) -> None:  # fmt: skip
    """What ``block`` reads of ``buffer`` may be asked for some iterations of ``loop`` early.

    ``s.prefetch("B", "A", i, 4)``::

        for i in range(64):  ->  for i in T.serial(64, annotations={'prefetch': (('B', 'A', 4),)}):

    A hint: the meaning stays. Native code asks for the cache lines at the begin of an iteration, up
    to 32 of each read; indices that depend on data are left out. Refused where the block does not
    read the buffer, the loop is not around it, or holds the memory of the buffer.

    Where several loops go over the same elements, each may ask for one of ``parts`` equal shares.
    Where rows are read side by side whose ends meet the begins of the next ones, ``in_order`` asks
    for as many lines, but one behind the other, as they lie in memory: with ``distance`` the number
    of iterations that all of these rows would take one after the other, for those of the next rows.
    Where all rows but the ``last`` one were read a step before, as those of a stencil, it is asked
    for alone. Where data have ``chosen`` the rows, ``loop`` goes along one of them, and asks, place
    by place, for the one that comes ``distance`` rows later.
    """
    name = buffer if isinstance(buffer, str) else buffer.name
    s.take(Prefetch(block_name(block), name, loop, distance, part, parts, in_order, last, chosen))
