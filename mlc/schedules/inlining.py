"""Blocks that are plain formulas: one store of a value that every point computes from others."""

from __future__ import annotations

from ..ir.expr import Axis, Expr, Var, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    Program,
    Region,
    Stmt,
    Store,
    children_of,
)
from ..ir.rewrite import conjuncts, loads_of
from ..records import dataclass, replace
from .legality.accesses import Access, accesses_of
from .legality.conflict import Conflict
from .moving import is_guard
from .placement import overtaken, without_block
from .step import rebuild


@dataclass(frozen=True, eq=False)
class Formula:
    """``buffer[axes] = value``: each axis of the block is one index; indices that are constants
    belong to no axis."""

    block: Block
    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr

    def at(self, indices: tuple[Expr, ...]) -> dict[Var, Expr]:
        """What the axes are where the element at ``indices`` is computed."""
        unit: dict[Var, Expr] = {it.axis: const(0) for it in self.block.iters}
        return unit | {
            axis: index
            for axis, index in zip(self.indices, indices, strict=True)
            if isinstance(axis, Axis)
        }


def formula_of(block: Block) -> Formula | str:
    """The formula that ``block`` is, or a sentence why it is none."""
    name = block.name
    if block.is_reduction or block.init is not None:
        return f"block {name!r} is a reduction: its value is complete only after many points"
    if not isinstance(block.body, Store):
        return f"block {name!r} does more than one store"
    store = block.body
    if any(
        read.source is store.buffer for e in (store.value, *store.indices) for read in loads_of(e)
    ):
        return f"block {name!r} reads {store.buffer.name}, which it writes itself"
    axes = {it.axis for it in block.iters}
    for index, extent in zip(store.indices, store.buffer.shape, strict=True):
        if isinstance(index, Axis) and index in axes:
            if index.extent != extent:
                return f"block {name!r} makes only a part of {store.buffer.name}"
            axes.remove(index)
        elif extent != 1:
            return (
                f"block {name!r} stores at {store.buffer.name}[{index!r}]; every index must be an "
                "axis of its own"
            )
    left = next((axis for axis in axes if axis.extent != 1), None)
    if left is not None:
        return f"axis {left.name} of block {name!r} is no index of {store.buffer.name}"
    return Formula(block, store.buffer, store.indices, store.value)


def other_writer(program: Program, buffer: Buffer, name: str) -> str | None:
    """The name of a block other than ``name`` that writes ``buffer`` or hands it to a call."""

    def search(stmt: Stmt, around: str) -> str | None:
        match stmt:
            case Block():
                around = stmt.name
            case Store(buffer=target) if target is buffer and around != name:
                return around
            case Accumulate(buffers=targets) if buffer in targets and around != name:
                return around
            case Evaluate(args=args):
                named = {a.buffer if isinstance(a, Region) else a for a in args}
                if buffer in named:
                    return around
        for child in children_of(stmt):
            found = search(child, around)
            if found is not None:
                return found
        return None

    return search(program.body, "")


def without_buffer(program: Program, buffer: Buffer) -> Program:
    """The program without the allocation of ``buffer``; declared regions of it are forgotten."""

    def on(stmt: Stmt) -> Stmt | None:
        match stmt:
            case Allocate(buffers=buffers) if buffer in buffers:
                rest = tuple(b for b in buffers if b is not buffer)
                body = rebuild(stmt.body, on)
                return Allocate(rest, body) if rest else body
            case Block(reads=reads) if reads and any(r.buffer is buffer for r in reads):
                return rebuild(replace(stmt, reads=None), on)
            case _:
                return None

    return program.with_body(rebuild(program.body, on))


def dropped(program: Program, name: str) -> Program:
    """The program without the block called ``name``."""
    body = without_block(program.body, name)
    assert body is not None
    return program.with_body(body)


def overwrites_between(
    program: Program, earlier: str, inputs: set[Buffer], after: Program, later: str | None
) -> tuple[Access, Conflict] | None:
    """A write of ``inputs`` after a read of them by the block ``earlier`` in ``program``, and
    before one by ``later`` (None: any other block) in ``after``."""
    old, new = accesses_of(program).rows, accesses_of(after).rows
    writes = [row for row in old if row.changes and row.buffer in inputs]
    if not writes:
        return None
    for write in writes:
        reads = [r for r in old if r.block == earlier and not r.changes]
        first = _first([(read, write) for read in reads])
        if first is None:
            continue
        copies = [r for r in new if r.changes and r.buffer is write.buffer]
        uses = [r for r in new if not r.changes and r.block == (later or r.block)]
        if _first([(copy, use) for copy in copies for use in uses]) is not None:
            return write, first
    return None


def _first(pairs: list[tuple[Access, Access]]) -> Conflict | None:
    for a, b in pairs:
        common = [x.var for x, y in zip(a.loops, b.loops, strict=False) if x.var is y.var]
        found = overtaken(a, b, [], common)
        if found is not None:
            return found[0]
    return None


def guards_only(block: Block) -> str | None:
    """Why the predicate of ``block`` is more than a guard of its axes; None if it is not."""
    for test in conjuncts(block.predicate):
        if not any(is_guard(test, it) for it in block.iters):
            return f"block {block.name!r} has the condition {test!r}"
    return None
