"""place_buffers: memory for everything that a program allocates."""

from __future__ import annotations

from dataclasses import replace

from ..errors import UnsupportedError
from ..ir.program import (
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    While,
    seq,
    walk,
)
from .replace_buffers import Place, is_replaceable, replace_buffers

SMALL_BYTES = 32 << 10  # always on the stack
STACK_BYTES = 256 << 10  # on the stack where it was asked for, or nothing else is possible
SHARED_BYTES = 256 << 20  # that the iterations of one parallel loop may take together


def place_buffers(program: Program) -> Program:
    """``with alloc(big, scope="shared"): s`` -> ``s``, with ``big`` as a parameter in front of the
    outputs: memory that the caller brings, uninitialised.

    What is small goes to the stack. What is large and stands inside a parallel loop gets a part for
    each of its iterations: ``big[i]`` -> ``big[p, i]``. Memories of accelerators are ordinary
    memory here.
    """
    if all(_stays(b) for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers):
        return program
    placer = _Placer(program.name)
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


def _stays(buffer: Buffer) -> bool:
    return buffer.scope is Scope.STACK and span_bytes(buffer) <= STACK_BYTES


class _Placer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.scratch: list[Buffer] = []

    def statement(self, stmt: Stmt, parallel: For | None) -> Stmt:
        """``stmt`` with its buffers in their places; ``parallel`` is the loop around it, if any."""
        match stmt:
            case Allocate(buffers=buffers, body=body):
                places = self.places(buffers, body, parallel)
                held = tuple(
                    places[b].buffer if b in places else b
                    for b in buffers
                    if b not in places or places[b].buffer.scope is Scope.STACK
                )
                inner = self.statement(replace_buffers(body, places), parallel)
                return Allocate(held, inner) if held else inner
            case For(kind=LoopKind.PARALLEL):
                return replace(stmt, body=self.statement(stmt.body, stmt))
            case For() | While():
                return replace(stmt, body=self.statement(stmt.body, parallel))
            case Seq():
                return seq(*(self.statement(s, parallel) for s in stmt.stmts))
            case If():
                other = stmt.otherwise
                if other is not None:
                    other = self.statement(other, parallel)
                return If(stmt.condition, self.statement(stmt.then, parallel), other)
            case _:
                return stmt

    def places(
        self, buffers: tuple[Buffer, ...], body: Stmt, parallel: For | None
    ) -> dict[Buffer, Place]:
        """The new places of those of ``buffers`` that do not stay as they are."""
        chosen: dict[Buffer, Place] = {}
        for buffer in buffers:
            if _stays(buffer):
                continue
            size = span_bytes(buffer)
            if size <= SMALL_BYTES:
                chosen[buffer] = Place(_moved(buffer, Scope.STACK))
            elif parallel is None:
                chosen[buffer] = Place(self.hoisted(_moved(buffer, Scope.GLOBAL)))
            else:
                chosen[buffer] = self.shared_out(buffer, body, parallel)
        return chosen

    def hoisted(self, buffer: Buffer) -> Buffer:
        self.scratch.append(buffer)
        return buffer

    def shared_out(self, buffer: Buffer, body: Stmt, parallel: For) -> Place:
        """A part of a larger buffer for each iteration of ``parallel``."""
        size = span_bytes(buffer)
        step = size // buffer.dtype.itemsize
        strides = (step, *buffer.element_strides)
        shape = (parallel.extent, *buffer.shape)
        whole = Buffer(buffer.name, shape, buffer.dtype, strides, Scope.GLOBAL)
        place = Place(whole, (parallel.var,))
        if size * parallel.extent <= SHARED_BYTES and is_replaceable(body, {buffer: place}):
            self.hoisted(whole)
            return place
        if size <= STACK_BYTES:
            return Place(_moved(buffer, Scope.STACK))
        raise UnsupportedError(
            f"{buffer.name} takes {size} bytes in each of the {parallel.extent} iterations of the "
            f"parallel loop {parallel.var.name} of {self.name!r}; allocate it outside of that "
            f"loop, or compute less of it at a time"
        )


def _moved(buffer: Buffer, scope: Scope) -> Buffer:
    return Buffer(buffer.name, buffer.shape, buffer.dtype, buffer.strides, scope, buffer.aligned)
