"""The innermost loops of a block: lanes, unrolling, and partial sums for folds along memory."""

from __future__ import annotations

import contextlib
from typing import Any

from ...errors import ScheduleError
from ...ir.expr import Var
from ...looking.nests import depends
from ...schedules.schedule import Schedule
from .structure import Context, Nest, among, depth_of, extent_of, nest_of, sampled


def prefer(options: list[int], best: int) -> list[float]:
    """Weights that fall with the distance from ``best`` in the list."""
    if not options:
        return []
    place = min(range(len(options)), key=lambda n: abs(options[n] - best))
    return [round(1.0 / (1 + abs(n - place)), 3) for n in range(len(options))]


def in_lanes(s: Schedule, loop: Var, lanes: int, unrolled: list[int], best: int) -> Var:
    """Splits ``loop`` into outer, unrolled vectors and lanes; returns the outer loop."""
    extent = extent_of(s, loop)
    width = min(lanes, 1 << (extent - 1).bit_length())
    if extent <= width:
        outer, lane = s.split(loop, [None, extent]) if extent < 2 else s.split(loop, [1, extent])
        s.vectorize(lane)
        return outer  # type: ignore[no-any-return]
    options = [u for u in unrolled if u * width <= extent] or [1]
    vectors = sampled(s, options, prefer(options, best))
    factors = [None, width] if vectors == 1 else [None, vectors, width]
    outer, *vector, lane = _with_tail(s, loop, factors, extent % (vectors * width))
    for var in vector:
        s.unroll(var)
    s.vectorize(lane)
    return outer  # type: ignore[no-any-return]


def _with_tail(s: Schedule, loop: Var, factors: list[int | None], left: int) -> tuple[Any, ...]:
    """The loop split; where points are left over, by choice in a last tile that begins earlier."""
    if left and sampled(s, [0, 1], [0.6, 0.4]):
        with contextlib.suppress(ScheduleError):  # some blocks do not bear being done twice
            return s.split(loop, factors, tail="shift")  # type: ignore[no-any-return]
    return s.split(loop, factors)  # type: ignore[no-any-return]


def finish(s: Schedule, name: str, context: Context, outside: int) -> Var | None:
    """Schedules what is inside the outermost ``outside`` loops of a block: in lanes along spatial
    loops where results are neighbours, else with partial sums along what is folded. Returns the
    outermost loop of its own that can be parallel."""
    nest = nest_of(s.program, name)
    shared = {loop.var for loop in nest.all[:outside]}
    own = [loop.var for loop in nest.all[outside:]]
    spatial = [v for v in nest.spatial if v not in shared]
    reduce = [v for v in nest.reduce if v not in shared]
    lanes = context.lanes(nest)
    loop = nest.lane_loop
    if loop is not None and (loop in shared or nest.extents[loop] < min(lanes, 4)):
        loop = None
    along = [v for v in reduce if any(nest.step(a, v) == 1 for a in nest.reads)]
    is_folded = bool(along) and nest.extents[along[-1]] >= 2 * lanes
    if loop is not None and not (is_folded and not nest.is_stencil):
        return _spatial_lanes(s, nest, own, spatial, reduce, loop, lanes)
    if is_folded:
        return _folded_lanes(s, nest, along[-1], context, outside)
    if len(spatial) == 1 and not reduce and own[-1] is spatial[-1]:
        return in_lanes(s, spatial[-1], lanes, [1, 2, 4], 1)
    return spatial[0] if spatial else None


def _spatial_lanes(
    s: Schedule,
    nest: Nest,
    own: list[Var],
    spatial: list[Var],
    reduce: list[Var],
    loop: Var,
    lanes: int,
) -> Var | None:
    others = [v for v in spatial if v is not loop]
    units = [v for v in own if not among(v, [*spatial, *reduce])]
    if not reduce:
        if own[-1] is not loop:
            s.reorder(*units, *others, loop)
        together = _rows_together(s, nest, others[-1]) if others else 1
        if together > 1:
            others[-1], row = s.split(others[-1], [None, together])
            s.reorder(others[-1], loop, row)
            s.unroll(row)
        outer = in_lanes(s, loop, lanes, [1, 2, 4, 8], 2 if together > 1 else 4)
        return others[0] if others else outer
    extent = extent_of(s, loop)
    width = min(lanes, 1 << (extent - 1).bit_length())
    options = [u for u in (1, 2, 4, 8) if u * width <= extent] or [1]
    vectors = sampled(s, options, prefer(options, 8))
    outer, vector, lane = s.split(loop, [None, vectors, width])
    s.reorder(*units, *others, outer, *reduce, vector, lane)
    s.unroll(vector)
    s.vectorize(lane)
    return others[0] if others else outer


def _rows_together(s: Schedule, nest: Nest, row: Var) -> int:
    """How many neighbours along ``row`` are computed at once: where results next to each other come
    from some of the same elements, as in a stencil, those are loaded once."""
    read = [a.buffer for a in nest.reads if depends(a, row)]
    if len(read) == len({id(b) for b in read}):
        return 1
    options = [n for n in (1, 2, 4) if nest.extents[row] % n == 0]
    return int(sampled(s, options, prefer(options, 1)))


def _folded_lanes(s: Schedule, nest: Nest, loop: Var, context: Context, outside: int) -> Var | None:
    """``vectors * lanes`` partial results along ``loop``, folded in the end."""
    lanes = context.lanes(nest)
    options = [u for u in (1, 2, 4, 8) if 2 * u * lanes <= nest.extents[loop]] or [1]
    vectors = sampled(s, options, prefer(options, 4))
    _, part = s.split(loop, [None, int(vectors) * lanes])
    parts = s.rfactor(part, factor_axis=len(nest.writes[0].indices))
    left = [loop.var for loop in nest_of(s.program, nest.name).all[outside:]]
    spatial = [v for v in nest_of(s.program, nest.name).spatial if among(v, left)]
    if spatial:  # the parts of one result at a time
        s.compute_at(parts, spatial[-1])
        outside = depth_of(s, parts, spatial[-1])
    made = nest_of(s.program, parts)
    inner = [loop.var for loop in made.all[outside:]]
    part = next(v for v in made.spatial if among(v, inner))
    s.reorder(*(v for v in inner if v is not part), part)
    lanes_of(s, part, lanes)
    last = s.loops(nest.name)[-1]
    lanes_of(s, last, lanes)
    return spatial[0] if spatial else None


def lanes_of(s: Schedule, loop: Var, lanes: int) -> None:
    """The loop in lanes, written out where it has more."""
    extent = extent_of(s, loop)
    if extent > lanes:
        vector, loop = s.split(loop, [None, lanes])
        s.unroll(vector)
    s.vectorize(loop)


def parallel(s: Schedule, loop: Var | None, context: Context, nanoseconds: float) -> None:
    """Runs ``loop`` on the threads, if there are some and the work is worth it."""
    if loop is None or context.facts.threads < 2:
        return
    extent = extent_of(s, loop)
    if extent < 2 or nanoseconds < 5_000:
        return
    if not sampled(s, [0, 1], [0.2, 0.8] if nanoseconds > 20_000 else [0.6, 0.4]):
        return
    most = extent // context.facts.threads
    least = max(int(5_000 * extent / nanoseconds), 1)
    options = [g for g in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if least // 2 <= g <= most]
    if not options:
        s.parallel(loop)
        return
    s.parallel(loop, grain=sampled(s, options, prefer(options, 2 * least)))


def attempt(s: Schedule, name: str, *args: object) -> bool:
    """Takes a step if it is legal; whether it was."""
    try:
        getattr(s, name)(*args)
    except ScheduleError:
        return False
    return True
