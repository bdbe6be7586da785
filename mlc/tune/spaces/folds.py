"""Contractions whose operands lie along what is folded: matrix times vector, rows times rows.

::

    for i, j, k in T.grid(M, N, K):     ->     for i0, j0 in T.grid(...):
        C[i, j] += A[i, k] * B[j, k]               for k0 in range(...):
                                                       rows x columns x vectors x lanes of sums
                                                   for i1, j1: C[i, j] is the sum of its lanes
"""

from __future__ import annotations

from ...errors import ScheduleError
from ...ir.expr import Var
from ...schedules.schedule import Schedule
from .contraction import the_rest
from .leaves import attempt, finish, lanes_of, parallel, prefer
from .structure import Context, Nest, among, depth_of, extent_of, nest_of, sampled

_TILES = [1, 2, 3, 4, 6, 8]


def is_along_folds(nest: Nest, lanes: int) -> bool:
    """Whether most of what is read lies along one long loop that is folded."""
    if not nest.reduce or not nest.spatial:
        return False
    loop = _fold_of(nest)
    return loop is not None and nest.extents[loop] >= 2 * lanes


def _fold_of(nest: Nest) -> Var | None:
    """The loop along which all that depends on it lies."""
    for loop in reversed(nest.reduce):
        if all(nest.step(a, loop) in (0, 1) for a in nest.reads):
            return loop
    return None


def folds(s: Schedule, name: str, context: Context) -> None:
    """Partial sums in lanes for several results at once, which share what they load."""
    nest = nest_of(s.program, name)
    loop = _fold_of(nest)
    if loop is None:
        raise ScheduleError(f"nothing of what {name} reads lies along a loop that is folded")
    lanes, registers = context.lanes(nest), context.facts.registers
    widths = [v for v in (1, 2, 4, 8) if 2 * v * lanes <= nest.extents[loop]] or [1]
    vectors = int(sampled(s, widths, prefer(widths, 2)))
    left = max((registers - 2) // vectors, 1)
    work = nest.points / lanes
    _, part = s.split(loop, [None, vectors * lanes])
    parts = s.rfactor(part, factor_axis=len(nest.writes[0].indices))
    nest = nest_of(s.program, name)
    tiled = nest.spatial[-2:]
    outer, inner = list(nest.spatial[: -len(tiled)]), list[Var]()
    for var in tiled:
        options = [t for t in _TILES if t <= min(left, nest.extents[var])]
        size = int(sampled(s, options, prefer(options, 4)))
        left //= size
        if size == 1:
            outer.append(var)
        else:
            first, second = s.split(var, [None, size])
            outer.append(first)
            inner.append(second)
    s.reorder(*outer, *inner, *(v for v in s.loops(name) if not among(v, (*outer, *inner))))
    s.compute_at(parts, outer[-1])
    _sums(s, parts, len(outer), lanes)
    lanes_of(s, s.loops(name)[-1], lanes)
    consumers = [b for b in s.consumers(name) if not b.is_reduction]
    if len(consumers) == 1 and attempt(s, "reverse_compute_at", consumers[0].name, outer[-1]):
        following = consumers[0].name
        finish(s, following, context, depth_of(s, following, outer[-1]))
    if len(outer) > 1 and extent_of(s, outer[0]) < 2 * context.facts.threads:
        if attempt(s, "fuse", *outer):
            outer = [s.trace[-1].made[0]]
    parallel(s, outer[0], context, work)
    the_rest(s, context)


def _sums(s: Schedule, parts: str, outside: int, lanes: int) -> None:
    """The results of a tile and their vectors, innermost and written out."""
    made = nest_of(s.program, parts)
    own = [loop.var for loop in made.all[outside:]]
    part = made.lane_loop
    assert part is not None, "partial sums are neighbours"
    results = [v for v in own if not among(v, (*made.reduce, part)) and made.extents[v] > 1]
    reduce = [v for v in own if among(v, made.reduce)]
    units = [v for v in own if made.extents[v] == 1]
    s.reorder(*units, *reduce, *results, part)
    for var in results:
        s.unroll(var)
    lanes_of(s, part, lanes)
    if reduce:
        s.decompose_reduction(parts, reduce[0])
