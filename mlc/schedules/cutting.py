"""One loop as several, one after the other: what loop_partition, cut_loop and split share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..ir.bounds import interval
from ..ir.expr import Var
from ..ir.program import Block, For, Program, Stmt, blocks_of, walk
from ..ir.rewrite import variables_of
from ..records import replace
from .copying import block_names, fresh_copy
from .step import rebuild, substitute_stmt


def cut_refusal(loop: For, points: Sequence[int]) -> str | None:
    """Why ``loop`` cannot be cut at ``points``, or None.

    The order of iterations stays, so the meaning does, but for one thing: an init runs at the first
    point of the reduce axes, so it must be clear which part has that.
    """
    for block in blocks_of(loop.body):
        if block.init is None or not _feeds_reduction(block, loop.var):
            continue
        if points and _starts(block, loop, points[0]) is None:
            return (
                f"loop {loop.var.name} feeds spatial and reduce axes of block {block.name!r} at "
                "once, so several parts would initialise it; decompose_reduction first"
            )
    return None


def _feeds_reduction(block: Block, var: Var) -> bool:
    return any(it.axis.is_reduce and var in set(variables_of(it.binding)) for it in block.iters)


def _starts(block: Block, loop: For, start: int) -> bool | None:
    """Whether the iterations of ``loop`` from ``start`` on can have the first reduce point; None
    where that is not clear."""
    if not _feeds_reduction(block, loop.var):
        return True
    extents = {n.var: n.extent for n in walk(loop.body) if isinstance(n, For)}
    late = Var(loop.var.name)
    extents[late] = loop.extent - start
    for it in block.iters:
        if it.axis.is_reduce and loop.var in set(variables_of(it.binding)):
            moved = substitute_stmt(block, {loop.var: late + start})
            assert isinstance(moved, Block)
            binding = next(m.binding for m in moved.iters if m.axis is it.axis)
            if interval(binding, extents)[0] > 0:
                return False
    return None


def cut(program: Program, loop: For, points: Sequence[int]) -> tuple[list[For], set[str]]:
    """Loops over the parts of ``loop`` between 0, ``points`` and its end; the second and later are
    copies, whose blocks do not initialise again what the first has begun. Also the names in use."""
    ends = [0, *points, loop.extent]
    taken = block_names(program)
    parts: list[For] = []
    for number, (start, stop) in enumerate(pairwise(ends)):
        var = Var(f"{loop.var.name}_{number}")
        body = loop.body
        if start:
            body = _without_late_inits(body, loop, start)
        body = substitute_stmt(body, {loop.var: var + start if start else var})
        if number:
            body = fresh_copy(body, taken)
        parts.append(replace(loop, var=var, extent=stop - start, body=body))
    return parts, taken


def _without_late_inits(body: Stmt, loop: For, start: int) -> Stmt:
    def on(node: Stmt) -> Stmt | None:
        if isinstance(node, Block) and node.init is not None:
            if _starts(node, loop, start) is False:
                return replace(node, init=None)
        return None

    return rebuild(body, on)
