"""Loops whose iterations combine into the same elements at once: threads of a block do so together,
blocks of a grid by atomic operations."""

from __future__ import annotations

from dataclasses import replace

from ...dtypes import DType
from ...ir.expr import Var
from ...ir.program import (
    Accumulate,
    Block,
    For,
    LoopKind,
    Program,
    Stmt,
    Store,
    blocks_of,
    reads_of,
    walk,
)
from ...ir.rewrite import conjuncts, variables_of
from ..refusal import Refusal
from .accesses import accesses_of
from .dependence import carried_dependence
from .starts import starts_once

ATOMIC = "atomic"  # the hint of a loop over blocks that combine at once
ATOMIC_FUNCTIONS = ("add", "maximum", "minimum")


def is_team_fold(loop: Stmt) -> bool:
    """Whether the threads of ``loop`` fold one element together::

        for tx in T.thread_binding(32, "threadIdx.x"):
            t[i] += x[i, tx]

    It is bound to threadIdx and holds nothing but loops over more of the reduction, and a block or
    an update whose combiner is commutative and whose elements no such loop moves.
    """
    if not isinstance(loop, For) or loop.kind is not LoopKind.BOUND or loop.extent < 2:
        return False
    if not str(dict(loop.annotations).get("thread", "")).startswith("threadIdx"):
        return False
    return folds_alone(loop)


def is_atomic_fold(loop: Stmt) -> bool:
    """Whether the blocks of ``loop`` combine into the same elements by atomic operations, in
    whatever order they come: the last digits of floats may differ from run to run."""
    return (
        isinstance(loop, For)
        and loop.kind is LoopKind.BOUND
        and bool(dict(loop.annotations).get(ATOMIC))
    )


def folds_alone(loop: For) -> bool:
    """Whether ``loop`` holds one fold, and loops that feed nothing but its reduction."""
    folded: dict[Var, int] = {}
    threads: list[object] = []
    stmt: Stmt = loop
    while isinstance(stmt, For):
        if stmt.kind not in (LoopKind.SERIAL, LoopKind.UNROLLED, LoopKind.BOUND):
            return False
        if stmt.kind is LoopKind.BOUND:
            threads.append(dict(stmt.annotations).get("thread"))
        folded[stmt.var] = stmt.extent
        stmt = stmt.body
    if len(set(threads)) < len(threads):
        return False
    match stmt:
        case Block(body=Accumulate() as update) if len(blocks_of(stmt)) == 1:
            axes = [it.axis for it in stmt.iters if not it.axis.is_reduce]
            used = {v for i in update.indices for v in variables_of(i)}
            spatial = [it.binding for it in stmt.iters if not it.axis.is_reduce]
            moved = {v for binding in spatial for v in variables_of(binding)}
            if not used <= set(axes) or stmt.reads is not None or stmt.writes is not None:
                return False
            if stmt.init is not None and not starts_once(stmt, folded):
                return False
            for test in conjuncts(stmt.predicate):  # else some elements may have no threads at all
                asked = set(variables_of(test))
                if not asked.isdisjoint(folded.keys()) and not asked.isdisjoint(moved):
                    return False
        case Accumulate() as update:
            moved = {v for i in update.indices for v in variables_of(i)}
        case _:
            return False
    if not update.combiner.commutative or not moved.isdisjoint(folded.keys()):
        return False
    written = set(update.buffers)
    return all(node.source not in written for node in reads_of(update))


def atomic_violation(program: Program, loop: For) -> Refusal | str | None:
    """Why the blocks of ``loop`` must not combine by atomic operations what they combine."""
    rows = [row for row in accesses_of(program).of(loop) if row.kind == "combine"]
    if not rows:
        return f"loop {loop.var.name} combines nothing, so there is nothing to be atomic"
    able = frozenset(
        row.buffer
        for row in rows
        if row.combiner is not None and has_atomic(row.combiner.fn, row.buffer.dtype)
    )
    inits = {n for b in blocks_of(loop.body) if b.init is not None for n in walk(b.init)}
    stores = [n for n in walk(loop.body) if isinstance(n, Store) and n not in inits]
    whole = {stmt.buffer for stmt in stores}
    whole |= {buffer for row in rows for buffer in row.group}  # parts that must fit together
    able -= whole
    refusal = carried_dependence(program, loop.var, atomic=able)
    if refusal is None or refusal.witness is None:
        return refusal
    unable = {row.buffer.name: row for row in rows if row.buffer not in able}
    row = unable.get(refusal.witness.buffer)
    if row is None or row.combiner is None or row.buffer in whole:
        return refusal
    fix = "leave atomic out, and use s.rfactor for two steps"
    rule = f"no atomic operation combines {row.buffer.dtype} by {row.combiner.name}"
    return replace(refusal, rule=rule, fix=fix)


def has_atomic(fn: str, dtype: DType) -> bool:
    """Whether a card combines such elements by an atomic operation."""
    if fn not in ATOMIC_FUNCTIONS:
        return False
    wide = dtype.itemsize >= 4
    return wide or dtype.is_float or dtype.itemsize == 2 and fn != "add"
