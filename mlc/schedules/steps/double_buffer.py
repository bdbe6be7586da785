"""double_buffer: a local buffer exists twice, to be filled while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.program import Accumulate, Allocate, Block, Evaluate, Program, walk, writes_of
from ...records import dataclass
from ..refusal import Refusal
from ..step import Step, block_name, find_block
from .annotate import with_annotation

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class DoubleBuffer(Step):
    """What ``block`` writes exists twice, in turns."""

    block: str

    def check(self, program: Program) -> Refusal | str | None:
        block = find_block(program, self.block)
        written = {buffer for buffer, _ in writes_of(block)}
        if block.writes is not None:
            written = {region.buffer for region in block.writes}
        nodes = list(walk(block))
        if any(isinstance(n, Evaluate) for n in nodes) and block.writes is None:
            return f"block {self.block!r} calls a function and does not declare what it writes"
        if len(written) != 1:
            names = ", ".join(sorted(b.name for b in written)) or "nothing"
            return f"block {self.block!r} must write one buffer, it writes {names}"
        (buffer,) = written
        if any(isinstance(n, Accumulate) for n in nodes):
            return (
                f"block {self.block!r} combines into {buffer.name}, so it needs what it left "
                "there; double_buffer a block that writes it anew"
            )
        local = any(isinstance(n, Allocate) and buffer in n.buffers for n in walk(program.body))
        if not local:
            return (
                f"{buffer.name} is a parameter, which exists once; cache_read or cache_write "
                "makes a local copy"
            )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return with_annotation(program, self.block, "double_buffer_scope", 0), ()


def double_buffer(s: Schedule, block: Block | str) -> None:
    """What ``block`` writes may exist twice, so that one half is filled while the other is read.

    ``s.double_buffer("A_shared")``::

        with T.block("A_shared"):      ->      with T.block("A_shared"):
            v0 = T.remap("S", [ax0])               v0 = T.remap("S", [ax0])
            A_shared[v0] = A[v0]                   T.annotate({'double_buffer_scope': 0})
                                                   A_shared[v0] = A[v0]

    A hint, which pipeline takes into account. Refused for parameters, and for blocks that write
    several buffers or combine into one.
    """
    s.take(DoubleBuffer(block_name(block)))
