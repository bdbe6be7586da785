"""Copies of statements that share no loop, axis or local buffer with what they are copies of."""

from __future__ import annotations

from typing import Any

from ..ir.expr import Axis, Expr, Load, Var, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    blocks_of,
    walk,
)
from ..ir.rewrite import rewrite
from ..records import replace


def block_names(program: Program) -> set[str]:
    """The names of all blocks."""
    return {block.name for block in blocks_of(program.body)}


def fresh_copy(stmt: Stmt, taken: set[str]) -> Stmt:
    """``stmt`` with loops, axes and local buffers of its own, and blocks under new names.

    ``taken`` holds the names that are in use; those of the new blocks are added.
    """
    return _Copy(stmt, taken).statement(stmt)


class _Copy:
    def __init__(self, stmt: Stmt, taken: set[str]) -> None:
        self.taken = taken
        self.variables: dict[Var, Var] = {}
        self.buffers: dict[Buffer, Buffer] = {}
        self.memo: dict[Expr, Expr] = {}
        for node in walk(stmt):
            match node:
                case For(var=var):
                    self.variables[var] = Var(var.name, var.dtype)
                case Block(iters=iters):
                    for it in iters:
                        axis = it.axis
                        self.variables[axis] = Axis(axis.name, axis.extent, axis.is_reduce)
                case Allocate(buffers=buffers):
                    for b in buffers:
                        self.buffers[b] = Buffer(
                            b.name, b.shape, b.dtype, b.strides, b.scope, b.aligned
                        )

    def name(self, wish: str) -> str:
        text, count = wish, 1
        while text in self.taken:
            text, count = f"{wish}_{count}", count + 1
        self.taken.add(text)
        return text

    def expr(self, root: Expr) -> Expr:
        def rule(node: Expr) -> Expr | None:
            if isinstance(node, Var):
                return self.variables.get(node)
            if isinstance(node, Load) and node.source in self.buffers:
                return load(self.buffers[node.source], node.indices)
            return None

        return rewrite(root, rule, self.memo)

    def exprs(self, roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(map(self.expr, roots))

    def buffer(self, buffer: Buffer) -> Buffer:
        return self.buffers.get(buffer, buffer)

    def region(self, region: Region) -> Region:
        return Region(self.buffer(region.buffer), self.exprs(region.starts), region.extents)

    def regions(self, regions: tuple[Region, ...] | None) -> tuple[Region, ...] | None:
        return None if regions is None else tuple(map(self.region, regions))

    def argument(self, arg: Any) -> Any:
        match arg:
            case Region():
                return self.region(arg)
            case Buffer():
                return self.buffer(arg)
            case _:
                return self.expr(arg)

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Allocate(buffers=buffers, body=body):
                return Allocate(tuple(map(self.buffer, buffers)), self.statement(body))
            case Seq(stmts=stmts):
                return Seq(tuple(map(self.statement, stmts)))
            case For(var=var, body=body):
                return replace(stmt, var=self.variables[var], body=self.statement(body))
            case While(condition=condition, body=body):
                return While(self.expr(condition), self.statement(body))
            case If(condition=condition, then=then, otherwise=otherwise):
                other = None if otherwise is None else self.statement(otherwise)
                return If(self.expr(condition), self.statement(then), other)
            case Block():
                return self.block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                return Store(self.buffer(buffer), self.exprs(indices), self.expr(value))
            case Accumulate(combiner=combiner, buffers=buffers, indices=indices, values=values):
                targets = tuple(map(self.buffer, buffers))
                return Accumulate(combiner, targets, self.exprs(indices), self.exprs(values))
            case Evaluate(name=name, args=args):
                return Evaluate(name, tuple(map(self.argument, args)))

    def block(self, stmt: Block) -> Block:
        iters = []
        for it in stmt.iters:
            axis = self.variables[it.axis]
            assert isinstance(axis, Axis)
            iters.append(Iter(axis, self.expr(it.binding)))
        return replace(
            stmt,
            name=self.name(stmt.name),
            iters=tuple(iters),
            body=self.statement(stmt.body),
            init=None if stmt.init is None else self.statement(stmt.init),
            predicate=None if stmt.predicate is None else self.expr(stmt.predicate),
            reads=self.regions(stmt.reads),
            writes=self.regions(stmt.writes),
        )
