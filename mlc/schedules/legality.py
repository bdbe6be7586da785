"""When a step keeps the meaning: the questions that steps ask of a program."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.expr import Var
from ..ir.program import Accumulate, Block, For, LoopKind, Program, Stmt, blocks_of, walk
from ..ir.rewrite import variables_of


def block_under(stmt: Stmt) -> Block | None:
    """The one block under a chain of loops, or None."""
    while isinstance(stmt, For):
        stmt = stmt.body
    return stmt if isinstance(stmt, Block) else None


def reduce_loops(block: Block) -> set[Var]:
    """The loop variables that reach a reduce axis of ``block``."""
    return {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}


def is_commutative(block: Block) -> bool:
    """Whether everything the block accumulates may be folded in any order."""
    return all(n.combiner.commutative for n in walk(block.body) if isinstance(n, Accumulate))


def reorder_violation(block: Block, before: Sequence[Var], after: Sequence[Var]) -> str | None:
    """Why the loops may not change from order ``before`` to ``after`` around ``block``."""
    reduced = reduce_loops(block)
    old = [v for v in before if v in reduced]
    new = [v for v in after if v in reduced]
    if any(a is not b for a, b in zip(old, new, strict=True)) and not is_commutative(block):
        return (
            f"block {block.name!r} folds with a combiner that is not commutative, so its "
            f"reduce loops {', '.join(v.name for v in old)} must keep their order"
        )
    return None


def parallel_violation(program: Program, loop: For) -> str | None:
    """Why the iterations of ``loop`` are not independent, with a pair of them that clashes."""
    if any(isinstance(n, For) and n.kind is LoopKind.PARALLEL for n in walk(loop.body)):
        return f"loop {loop.var.name} holds a parallel loop already; one level of parallelism only"
    for block in blocks_of(loop.body):
        if loop.var in reduce_loops(block):
            return (
                f"loop {loop.var.name} feeds a reduce axis of block {block.name!r}: "
                f"{loop.var.name}=0 and {loop.var.name}=1 both write the same element; "
                "factor the reduction first"
            )
        used = {v for it in block.iters for v in variables_of(it.binding)}
        if loop.extent > 1 and loop.var not in used:
            return (
                f"block {block.name!r} does not use loop {loop.var.name}: {loop.var.name}=0 and "
                f"{loop.var.name}=1 both write all of its output"
            )
    return None
