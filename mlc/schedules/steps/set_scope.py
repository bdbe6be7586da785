"""set_scope: a buffer that the program allocates moves into another memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.program import Block, Buffer, Program, Scope
from ...records import dataclass
from ..buffers import (
    allocated_violation,
    buffer_key,
    chosen_buffer,
    find_buffer,
    has_buffer,
    replace_buffer,
    scope_violation,
)
from ..refusal import Refusal
from ..step import Step, find_block

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class SetScope(Step):
    """See :func:`set_scope`. ``buffer`` is the key of a buffer of the program."""

    buffer: str
    scope: str

    def check(self, program: Program) -> Refusal | str | None:
        buffer = find_buffer(program, self.buffer)
        return scope_violation(self.scope) or allocated_violation(
            program, buffer, "in which memory it is"
        )

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        old = find_buffer(program, self.buffer)
        new = Buffer(old.name, old.shape, old.dtype, old.strides, Scope(self.scope), old.aligned)
        return replace_buffer(program, old, new), ()


def set_scope(
    s: Schedule, target: Block | Buffer | str, scope: str, buffer: Buffer | str | int = 0
) -> None:
    """Moves a buffer into the memory ``scope``.

    ``s.set_scope("t", "local")``::

        t = T.alloc((8,), "float32")    ->    t = T.alloc((8,), "float32", scope="local")

    ``target`` is the buffer or its name; or a block or its name, and then the buffer is the one it
    writes (``buffer`` says which, if it writes several). Keeps the meaning; that threads of a card
    read no other one's private memory is proven when their kernel is made. Parameters of the
    program are refused: their memory is the caller's.
    """
    program = s.program
    if isinstance(target, str) and not has_buffer(program, target):
        target = find_block(program, target)
    if isinstance(target, Block):
        key = chosen_buffer(program, find_block(program, target.name), buffer, "writes")
    else:
        key = buffer_key(program, target) if isinstance(target, Buffer) else target
    s.take(SetScope(key, scope))
