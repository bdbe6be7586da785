"""compact_buffers: memory for what is alive at a time, not for all that ever is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..ir.expr import Var
from ..ir.program import Allocate, Buffer, Program, Stmt, walk

Spread = Callable[[Stmt, Buffer], Stmt]


def compact_buffers(
    program: Program, spread: Spread | None = None, ranges: Mapping[Var, int] | None = None
) -> Program:
    """``with alloc(Y, 128): for j: (for l: Y[j * 4 + l] = ...; for l: ... Y[j * 4 + l] ...)`` ->
    ``for j: with alloc(Y, 4): (for l: Y[l] = ...; for l: ... Y[l] ...)``.

    An allocation moves into loops whose iterations touch boxes of it that do not overlap. Where the
    box that is touched there moves with a loop, memory for one box is enough. What calls get whole
    stays as it is. Blocks are gone already.

    ``spread`` makes of a statement what runs along with it and shares a buffer: the same on other
    threads. ``ranges`` are those of variables that come from outside.
    """
    if not any(isinstance(stmt, Allocate) for stmt in walk(program.body)):
        return program
    from .compacting import Compacter  # many programs allocate nothing

    compacter = Compacter(spread)
    body = compacter.statement(program.body, ranges or {})
    return program.with_body(body) if compacter.changed else program
