"""place_buffers: memory for everything that a program allocates."""

from __future__ import annotations

from ..ir.program import Allocate, Buffer, Program, Scope, walk
from ..records import replace

SMALL_BYTES = 32 << 10  # always on the stack
STACK_BYTES = 256 << 10  # on the stack where it was asked for, or nothing else is possible
SHARED_BYTES = 256 << 20  # that the iterations of one parallel loop may take together
# The hint of a parallel loop that names buffers of which each iteration has a part, by the first
# index, for as long as it runs: iterations that one thread runs may have the same part.
PARTS = "parts"


def place_buffers(program: Program) -> Program:
    """``with alloc(big, scope="shared"): s`` -> ``s``, with ``big`` as a parameter in front of the
    outputs: memory that the caller brings, uninitialised.

    What is small goes to the stack. What is large and stands inside a parallel loop gets a part for
    each of its iterations: ``big[i]`` -> ``big[p, i]``. Memories of accelerators are ordinary
    memory here.
    """
    if all(stays(b) for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers):
        return program
    from .placing import Placer

    placer = Placer(program)
    body = placer.statement(program.body, None)
    split = len(program.params) - program.outputs
    params = (*program.params[:split], *placer.scratch, *program.params[split:])
    return replace(program, params=params, body=body)


def span_bytes(buffer: Buffer) -> int:
    """The bytes from the first element of ``buffer`` to the end of its last one."""
    if 0 in buffer.shape:
        return 0
    steps = zip(buffer.shape, buffer.element_strides, strict=True)
    return (1 + sum((n - 1) * s for n, s in steps)) * buffer.dtype.itemsize


def stays(buffer: Buffer) -> bool:
    """Whether a buffer stays as it is: on the stack, and not too large for it."""
    return buffer.scope is Scope.STACK and span_bytes(buffer) <= STACK_BYTES
