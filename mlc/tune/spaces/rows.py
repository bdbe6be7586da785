"""Elementwise nests, folds, and rows of them: softmax, norms, chains of small steps.

Everything stands under shared loops of the last nest, or by itself.
"""

from __future__ import annotations

from ...errors import ScheduleError
from ...ir.program import blocks_of
from ...schedules.schedule import Schedule
from .contraction import alone, the_rest
from .leaves import attempt, finish, in_lanes, parallel
from .structure import Context, among, nest_of, nests_of, sampled


def inline(s: Schedule, context: Context) -> None:
    """Formulas whose results are read once are put where they are read; others, by choice."""
    for block in list(blocks_of(s.program.body)):
        if block.is_reduction or not s.consumers(block):
            continue
        readers = len(s.consumers(block))
        if sampled(s, [0, 1], [0.2, 0.8] if readers == 1 else [0.7, 0.3]):
            attempt(s, "compute_inline", block.name)


def shared_rows(s: Schedule, context: Context) -> None:
    """All blocks under the first loops of the last one: what a row needs is still at hand."""
    *before, last = [block.name for block in blocks_of(s.program.body)]
    nest = nest_of(s.program, last)
    most = max((len(nest_of(s.program, b).spatial) for b in before), default=len(nest.spatial))
    depth = min(max(most, 1), max(len(nest.all) - 1, 1))
    depths = list(range(1, depth + 1))
    count = sampled(s, depths, [2.0**d for d in depths])
    loops = s.loops(last)[:count]
    work = sum(n.points for n in nests_of(s.program)) * 0.5
    moved = []
    for name in reversed(before):
        if attempt(s, "compute_at", name, loops[-1]):
            moved.append(name)
    for name in [*reversed(moved), last]:
        finish(s, name, context, len(loops))
    outer = loops[0]
    if len(loops) > 1 and attempt(s, "fuse", *loops):
        outer = s.trace[-1].made[0]
    parallel(s, outer, context, work)
    for block in blocks_of(s.program.body):
        if block.name in before and block.name not in moved:
            alone(s, block.name, context)


def one_by_one(s: Schedule, context: Context) -> None:
    """Every block for itself."""
    for block in list(blocks_of(s.program.body)):
        nest = nest_of(s.program, block.name)
        if not nest.reduce and len(nest.all) > 1 and _walked_as_one(s, block.name):
            if sampled(s, [0, 1], [0.4, 0.6]):
                s.fuse(*s.loops(block.name))
        alone(s, block.name, context)


def chunks(s: Schedule, context: Context) -> None:
    """The longest fold in chunks, side by side on the threads; then the chunks folded."""
    nest = max((n for n in nests_of(s.program) if n.reduce), key=lambda n: n.points)
    longest = max(nest.reduce, key=lambda v: nest.extents[v])
    extent, threads = nest.extents[longest], context.facts.threads
    options = [c * threads for c in (1, 2, 4, 8, 16) if 4 * c * threads <= extent]
    if not options:
        raise ScheduleError(f"a fold of {extent} has no chunks worth a task")
    count = sampled(s, options, [1.0, 1.0, 0.7, 0.5, 0.3][: len(options)])
    chunk, _ = s.split(longest, [count, None])
    parts = s.rfactor(chunk, factor_axis=0)
    s.reorder(chunk, *(v for v in s.loops(parts) if v is not chunk))
    made = nest_of(s.program, parts)
    folded = [v for v in made.reduce if among(v, [loop.var for loop in made.all])]
    lane = made.lane_loop
    if (
        made.is_stencil
        and lane is not None
        and lane is not chunk
        and sampled(s, [0, 1], [0.4, 0.6])
    ):
        # Whole rows of results, folded in the nearest cache: memory is read in its order.
        others = [v for v in made.spatial if v is not chunk and v is not lane]
        s.reorder(*folded, *others, lane)
        in_lanes(s, lane, context.lanes(made), [1, 2, 4], 4)
    else:
        finish(s, parts, context, 1)
    parallel(s, s.loops(parts)[0], context, nest.points * 0.5)
    the_rest(s, context)


def columns(s: Schedule, context: Context) -> None:
    """The lanes run along the last spatial loop of all nests, in tiles of columns."""
    *before, last = [block.name for block in blocks_of(s.program.body)]
    nest = nest_of(s.program, last)
    loop = nest.lane_loop
    if loop is None:
        return alone(s, last, context)
    lanes = context.lanes(nest)
    options = [
        c for c in (lanes, 2 * lanes, 4 * lanes, 8 * lanes, 16 * lanes) if c <= nest.extents[loop]
    ]
    width = sampled(s, options or [nest.extents[loop]], None)
    outer, _ = s.split(loop, [None, width])
    work = sum(n.points for n in nests_of(s.program)) * 0.5
    rest = [v for v in s.loops(last) if v is not outer]
    s.reorder(outer, *rest)
    moved = [name for name in reversed(before) if attempt(s, "compute_at", name, outer)]
    for name in [*reversed(moved), last]:
        finish(s, name, context, 1)
    parallel(s, outer, context, work)
    return None


def transposed(s: Schedule, context: Context) -> None:
    """Reads that are neighbours along another loop than the writes: square tiles."""
    (block,) = blocks_of(s.program.body)
    nest = nest_of(s.program, block.name)
    writes = nest.lane_loop
    reads = next(
        v for v in nest.spatial if v is not writes and any(nest.step(a, v) == 1 for a in nest.reads)
    )
    assert writes is not None
    lanes = context.lanes(nest)
    across = sampled(s, [4, 8, 16, 32, 64], [0.3, 0.6, 1.0, 0.6, 0.3])
    along = sampled(s, [1, 2, 4], [1.0, 0.6, 0.3])
    r0, r1 = s.split(reads, [None, across])
    w0, w1, w2 = s.split(writes, [None, along, lanes])
    others = [v for v in s.loops(block) if not among(v, (r0, r1, w0, w1, w2))]
    s.reorder(*others, r0, w0, r1, w1, w2)
    s.unroll(w1)
    s.vectorize(w2)
    if sampled(s, [0, 1], [0.5, 0.5]) and across <= 16:
        s.unroll(r1)
    parallel(s, (others or [r0])[0], context, nest.points * 1.0)


def is_transposed(s: Schedule) -> bool:
    """Whether the one block reads along another loop than it writes."""
    blocks = blocks_of(s.program.body)
    if len(blocks) != 1:
        return False
    nest = nest_of(s.program, blocks[0].name)
    if nest.reduce or nest.lane_loop is None:
        return False
    return any(
        v is not nest.lane_loop and any(nest.step(a, v) == 1 for a in nest.reads)
        for v in nest.spatial
    )


def _walked_as_one(s: Schedule, name: str) -> bool:
    """Whether every access walks through memory as if the loops were one."""
    nest = nest_of(s.program, name)
    for access in (*nest.reads, *nest.writes):
        inner = 1
        for loop in reversed(nest.all):
            if nest.step(access, loop.var) != inner:
                return False
            inner *= loop.extent
    return True
