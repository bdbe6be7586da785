"""storage_align: the rows of a buffer begin at chosen distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.program import Block, Buffer, Program
from ...records import dataclass
from ..buffers import (
    allocated_violation,
    chosen_buffer,
    find_buffer,
    replace_buffer,
    untouched,
)
from ..refusal import Refusal
from ..step import Step, block_name, find_block

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class StorageAlign(Step):
    """See :func:`storage_align`. ``buffer`` is the key of a buffer that ``block`` writes."""

    block: str
    buffer: str
    axis: int
    factor: int
    offset: int = 0

    def check(self, program: Program) -> Refusal | str | None:
        find_block(program, self.block)
        buffer = find_buffer(program, self.buffer)
        if not 0 <= self.axis < buffer.ndim:
            return f"{buffer!r} has axes 0 to {buffer.ndim - 1}; there is no axis {self.axis}"
        if self.factor < 1 or not 0 <= self.offset < self.factor:
            return f"wanted is 0 <= offset < factor, got offset {self.offset}, factor {self.factor}"
        strides, shape = buffer.element_strides, buffer.shape
        for d in range(self.axis):
            if strides[d] != strides[d + 1] * shape[d + 1]:
                return (
                    f"axis {d} of {buffer.name} is aligned already and would move; "
                    f"align axis {self.axis} before it"
                )
        problem = untouched(program, self.block, buffer, "writes")
        return problem or allocated_violation(program, buffer, "how it lies in memory")

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        old = find_buffer(program, self.buffer)
        strides = list(old.element_strides)
        strides[self.axis] += (self.offset - strides[self.axis]) % self.factor
        for d in reversed(range(self.axis)):
            strides[d] = strides[d + 1] * old.shape[d + 1]
        new = Buffer(old.name, old.shape, old.dtype, tuple(strides), old.scope, old.aligned)
        return replace_buffer(program, old, new), ()


def storage_align(
    s: Schedule,
    block: Block | str,
    buffer: Buffer | str | int,
    axis: int,
    factor: int,
    offset: int = 0,
) -> None:
    """Pads the strides of a buffer so that ``stride[axis] % factor == offset``.

    ``s.storage_align("t", "t", 0, 32, 1)``::

        t = T.alloc((8, 32), "float32")    ->    t = T.alloc((8, 32), "float32", strides=(33, 1))

    Rows that are 33 elements apart lie in different banks of a memory, or in different sets of a
    cache. ``buffer`` is one that ``block`` writes. Which elements there are stays the same, so the
    meaning does. Parameters are refused.
    """
    name = block_name(block)
    key = chosen_buffer(s.program, find_block(s.program, name), buffer, "writes")
    s.take(StorageAlign(name, key, axis, factor, offset))
