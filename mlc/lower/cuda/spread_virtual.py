"""spread_virtual: virtual threads do one statement after the other side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir.expr import Expr
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    Seq,
    Stmt,
    While,
    expressions_of,
    seq,
    walk,
)
from ...ir.rewrite import loads_of, variables_of
from ...schedules.step import rebuild
from ..compacting import VIRTUAL as VIRTUAL
from ..replace_buffers import Place, is_replaceable, replace_buffers
from .kernel import BARRIER, BOUNDARY
from .overlap_stages import STAGE
from .touching import buffers_read, buffers_written

_MARKS = (BOUNDARY, BARRIER, STAGE)


def spread_virtual(stmt: Stmt) -> Stmt:
    """::

        for v in 2:                         for k in 8:
            L = alloc(4)                        boundary
            for k in 8:                         copy S(k)
                boundary                ->      boundary
                copy S(k)                       for v in 2:
                boundary                            use S(k), L[v]
                use S(k), L

    What does not depend on ``v`` is done once for all virtual threads, as real ones fill shared
    memory together; memory of what does depend on it exists once for each. A loop whose conditions
    depend on ``v``, with places in it where threads wait, stays around all that is in it.
    """

    def on(node: Stmt) -> Stmt | None:
        match node:
            case For(annotations=annotations) if VIRTUAL in dict(annotations):
                plain = replace(
                    node,
                    body=rebuild(node.body, on),
                    annotations=tuple(a for a in annotations if a[0] != VIRTUAL),
                )
                return _Spread(plain).body() if _has_mark(plain.body) else plain
        return None

    return rebuild(stmt, on)


class _Spread:
    """One loop over virtual threads, moved inwards."""

    def __init__(self, loop: For) -> None:
        self.loop = loop
        self.moved: set[Buffer] = set()  # what holds other values in each virtual thread
        self.free = True  # whether the loop may move inwards
        made = {b for node in walk(loop.body) if isinstance(node, Allocate) for b in node.buffers}
        leaves = list(_leaves(loop.body))
        grown = True
        while grown:
            grown = False
            for leaf in leaves:
                if self.depends(leaf):
                    fresh = (buffers_written(leaf) & made) - self.moved
                    self.moved |= fresh
                    grown = grown or bool(fresh)
        for node in walk(loop.body):
            if isinstance(node, (If, While)) and _has_mark(node):
                self.free = self.free and not self.asks(node.condition)
        places = {b: self.place(b) for b in self.moved}
        self.free = self.free and is_replaceable(loop.body, places)

    def body(self) -> Stmt:
        """What the loop becomes."""
        return self.statement(self.loop.body) if self.free else self.loop

    def asks(self, expr: Expr) -> bool:
        return self.loop.var in {*variables_of(expr)} or any(
            node.source in self.moved for node in loads_of(expr)
        )

    def depends(self, stmt: Stmt) -> bool:
        if not self.moved.isdisjoint(buffers_read(stmt) | buffers_written(stmt)):
            return True
        return any(self.asks(expr) for node in walk(stmt) for expr in expressions_of(node))

    def place(self, buffer: Buffer) -> Place:
        shape = (self.loop.extent, *buffer.shape)
        strides = buffer.strides
        if strides is not None:
            whole = max(n * step for n, step in zip(buffer.shape, strides, strict=True))
            strides = (whole, *strides)
        made = Buffer(buffer.name, shape, buffer.dtype, strides, buffer.scope, buffer.aligned)
        return Place(made, (self.loop.var,))

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Evaluate(name=name) if name in _MARKS:
                return stmt
            case Seq(stmts=stmts):
                return seq(*map(self.statement, stmts))
            case Allocate(buffers=buffers, body=body) if _has_mark(body):
                places = {b: self.place(b) for b in buffers if b in self.moved}
                kept = tuple(places[b].buffer if b in places else b for b in buffers)
                inner = self.statement(body)
                return Allocate(kept, replace_buffers(inner, places))
            case For() | While() if _has_mark(stmt):
                return replace(stmt, body=self.statement(stmt.body))
            case If(otherwise=otherwise) if _has_mark(stmt):
                other = None if otherwise is None else self.statement(otherwise)
                return replace(stmt, then=self.statement(stmt.then), otherwise=other)
            case _ if self.depends(stmt):
                return replace(self.loop, body=stmt)
            case _:
                return stmt


def _leaves(stmt: Stmt) -> Iterator[Stmt]:
    """The statements that stand between marks."""
    match stmt:
        case Evaluate(name=name) if name in _MARKS:
            return
        case Seq(stmts=stmts):
            for part in stmts:
                yield from _leaves(part)
        case Allocate(body=body) | For(body=body) | While(body=body) if _has_mark(stmt):
            yield from _leaves(body)
        case If(then=then, otherwise=otherwise) if _has_mark(stmt):
            yield from _leaves(then)
            if otherwise is not None:
                yield from _leaves(otherwise)
        case _:
            yield stmt


def _has_mark(stmt: Stmt) -> bool:
    return any(isinstance(node, Evaluate) and node.name in _MARKS for node in walk(stmt))
