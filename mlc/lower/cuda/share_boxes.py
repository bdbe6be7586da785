"""share_boxes: what neighbouring blocks would both load, each loads a part of, for all of them."""

from __future__ import annotations

from dataclasses import replace

from ...intrinsics.boxes import box_loaded, load_box
from ...ir.expr import Expr, Var
from ...ir.intrinsic import kept_dimensions
from ...ir.program import Evaluate, Region, Stmt
from ...ir.rewrite import substitute, variables_of
from ...ir.simplify import simplify
from ...schedules.step import rebuild
from .kernel import Thread

LEAST_ROWS = 8  # of a box, after which its rows are mixed as before


def share_boxes(loads: Stmt, along: Thread, blocks: int) -> Stmt:
    """For clusters of two blocks along x::

        load_box_128x64(S, A, k, x // 2 * 128) ->
            load_box_64x64_for_2(S[x % 2 * 64], A, k, x // 2 * 128 + x % 2 * 64)

    A box stays as it is where the blocks of a cluster do not ask for the same one.
    """

    def on(stmt: Stmt) -> Stmt | None:
        match stmt:
            case Evaluate(name=name, args=(Region() as source, Region() as target)):
                rows, dtype = box_loaded(name)
                if rows % (blocks * LEAST_ROWS) or not _is_same(source, along, blocks):
                    return None
                part, rank = rows // blocks, along.var % blocks
                parts = (_part(region, part, rank) for region in (source, target))
                return Evaluate(load_box(dtype, part, blocks), tuple(parts))
        return None

    return rebuild(loads, on)


def _is_same(source: Region, along: Thread, blocks: int) -> bool:
    """Whether all blocks of a cluster mean the same region."""
    cluster, rank = Var("cluster"), Var("rank")
    place = {along.var: cluster * blocks + rank}
    ranges = {cluster: along.extent // blocks, rank: blocks}
    starts = (simplify(substitute(start, place), ranges) for start in source.starts)
    return not any(rank is var for start in starts for var in variables_of(start))


def _part(region: Region, rows: int, rank: Expr) -> Region:
    """The rows of a box that the block of this rank asks for."""
    axis = kept_dimensions(region.extents)[-2]
    starts, extents = list(region.starts), list(region.extents)
    starts[axis], extents[axis] = starts[axis] + rank * rows, rows
    return replace(region, starts=tuple(starts), extents=tuple(extents))
