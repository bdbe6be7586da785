"""place_private: arrays of a thread that are too large for it go to global memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ...errors import UnsupportedError
from ...ir.expr import Expr
from ...ir.program import Allocate, Buffer, For, If, Scope, Seq, Stmt, While, seq
from ..place_buffers import span_bytes
from ..replace_buffers import Place, is_replaceable, replace_buffers
from .kernel import PER_BLOCK, Thread

THREAD_BYTES = 4 << 10  # that one array of a thread may take
TOGETHER_BYTES = 256 << 20  # that the arrays of all threads may take


def place_private(
    body: Stmt, threads: Sequence[Thread], name: str
) -> tuple[Stmt, tuple[Buffer, ...]]:
    """``with alloc(W, 100000): s`` -> ``s``, with ``W[bx, tx]`` for ``W``: global memory with a
    part for each thread. Returns these buffers too."""
    placer = _Placer(threads, name)
    return placer.statement(body), tuple(placer.made)


class _Placer:
    def __init__(self, threads: Sequence[Thread], name: str) -> None:
        self.threads = [t for t in threads if t.extent > 1]
        self.name = name
        self.made: list[Buffer] = []

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Allocate(buffers=buffers, body=body):
                places = {
                    b: self.place(b, body)
                    for b in buffers
                    if b.scope not in PER_BLOCK and span_bytes(b) > THREAD_BYTES
                }
                kept = tuple(b for b in buffers if b not in places)
                inner = self.statement(replace_buffers(body, places))
                return Allocate(kept, inner) if kept else inner
            case For() | While():
                return replace(stmt, body=self.statement(stmt.body))
            case Seq(stmts=stmts):
                return seq(*map(self.statement, stmts))
            case If(otherwise=otherwise):
                other = None if otherwise is None else self.statement(otherwise)
                return replace(stmt, then=self.statement(stmt.then), otherwise=other)
            case _:
                return stmt

    def place(self, buffer: Buffer, body: Stmt) -> Place:
        shape = tuple(t.extent for t in self.threads)
        before: tuple[Expr, ...] = tuple(t.var for t in self.threads)
        whole = Buffer(buffer.name, (*shape, *buffer.shape), buffer.dtype, None, Scope.GLOBAL)
        place = Place(whole, before)
        together = span_bytes(buffer) * prod(shape)
        if together > TOGETHER_BYTES or not is_replaceable(body, {buffer: place}):
            raise UnsupportedError(
                f"{buffer.name} of {self.name} takes {span_bytes(buffer)} bytes in each of "
                f"{prod(shape)} threads; compute less of it at a time, or put it into shared "
                f"memory"
            )
        self.made.append(whole)
        return place
