"""Where each buffer goes that a program allocates, for `place_buffers`."""

from __future__ import annotations

from collections import Counter

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
from ..records import replace
from .place_buffers import PARTS, SHARED_BYTES, SMALL_BYTES, STACK_BYTES, span_bytes, stays
from .replace_buffers import Place, is_replaceable, replace_buffers


class Placer:
    """Finds the places; ``scratch`` is the memory that the caller brings."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.scratch: list[Buffer] = []
        inside = (b for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers)
        self.named = Counter(b.name for b in (*program.params, *inside))

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
                before = len(self.scratch)
                body = self.statement(stmt.body, stmt)
                named = tuple(b.name for b in self.scratch[before:])
                hints = (*stmt.annotations, (PARTS, named)) if named else stmt.annotations
                return replace(stmt, body=body, annotations=hints)
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
            if stays(buffer):
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
        name = buffer.name
        if self.named[name] > 1:  # the hint means this one alone
            from ..schedules.boxes import unique_name

            name = unique_name(f"{name}_parts", set(self.named))
        whole = Buffer(name, shape, buffer.dtype, strides, Scope.GLOBAL)
        place = Place(whole, (parallel.var,))
        if size * parallel.extent <= SHARED_BYTES and is_replaceable(body, {buffer: place}):
            self.named[name] += 1
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
