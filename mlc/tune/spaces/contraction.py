"""Contractions and stencils: tiles in registers, panels in caches, operands copied into panels.

::

    for i, j, k in T.grid(M, N, K):     ->     for j0, i0, k0, j1, i1 in T.grid(...):
        C[i, j] += A[i, k] * B[k, j]               for k1 in range(...):
                                                       rows x vectors x lanes of C
"""

from __future__ import annotations

from ...ir.expr import Var
from ...ir.program import blocks_of
from ...ir.rewrite import variables_of
from ...looking.nests import depends
from ...schedules.legality.accesses import Access
from ...schedules.schedule import Schedule
from .leaves import attempt, finish, parallel, prefer
from .structure import Context, Nest, depth_of, extent_of, nest_of, sampled
from .uneven import fitted

_ROWS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 14]


def contraction(s: Schedule, name: str, context: Context) -> None:
    """Schedules the block ``name``, what is applied to its result, and what makes its operands."""
    for rest in _tiled(s, name, context):
        _tiled(s, rest, context)  # what is left over there is guarded
    the_rest(s, context)


def _tiled(s: Schedule, name: str, context: Context) -> tuple[str, ...]:
    """One block in tiles; returns the blocks of what was cut off."""
    nest = nest_of(s.program, name)
    column = nest.lane_loop
    if column is None:
        return ()  # one column is left over
    others = [v for v in nest.spatial if v is not column]
    rows, vectors, lanes, row = _register_tile(s, nest, column, others, context)
    made = fitted(s, name, [(column, vectors * lanes), (row, rows)])
    nest, (fitting, row) = made.nest, made.loops
    assert fitting is not None
    column, others = fitting, [v for v in nest.spatial if v is not fitting]
    facts = context.facts
    tile = (*_split_rows(s, row, rows), *_split_columns(s, column, vectors, lanes))
    row_0, row_1, row_2, column_0, column_1, vector, lane = tile
    outer = [v for v in others if v is not row]
    reduce = list(nest.reduce)
    folds_0, folds = _split_folds(s, nest, reduce, lanes * vectors, facts.l1)
    is_columns_first = bool(row_0) and bool(sampled(s, [0, 1], [0.4, 0.6] if outer else [0.3, 0.7]))
    first = [column_0, *row_0] if is_columns_first else [*row_0, column_0]
    inner = [*row_2, *([vector] if vector is not None else []), lane]
    second = [*row_1, *([column_1] if column_1 is not None else [])]
    # Part of the fold for all rows, then the next: less of the columns' operand is at hand at once.
    is_by_parts = is_columns_first and bool(folds_0) and bool(sampled(s, [0, 1], [0.8, 0.2]))
    order = [first[0], *folds_0, *first[1:]] if is_by_parts else [*first, *folds_0]
    s.reorder(*outer, *order, *second, *folds, *inner)
    for var in inner[:-1]:
        s.unroll(var)
    s.vectorize(lane)
    if folds and rows * vectors <= 16:
        folds[-1] = _written_out(s, nest, row, folds[-1])
    work = nest.points * 2.0 / (lanes * 2 * 3)
    whole = first[:1] if is_by_parts else first
    _epilogues(s, name, whole, second, bool(folds_0), context)
    s.decompose_reduction(name, (folds_0 or folds)[0])
    is_ahead = _pack_ahead(s, nest, name, column, row, vectors * lanes, context)
    if is_columns_first and not is_ahead:
        _pack(s, nest, name, order[: 1 + is_by_parts], column, row, context)
    share(s, [*outer, *whole], context, work)
    return made.rest


def _register_tile(
    s: Schedule, nest: Nest, column: Var, others: list[Var], context: Context
) -> tuple[int, int, int, Var | None]:
    """Rows, vectors and lanes of the tile that is summed in registers, and the loop of the rows."""
    extent, registers = nest.extents[column], context.facts.registers
    lanes = min(context.lanes(nest), 1 << (extent - 1).bit_length())
    most = max(-(-extent // lanes), 1)
    widths = [v for v in (1, 2, 3, 4, 6) if v <= most]
    vectors = int(sampled(s, widths, prefer(widths, 4 if registers >= 32 else 2)))
    if not others:
        return 1, vectors, lanes, None
    # Rows of what the lanes read again: the more reads stay the same, the better.
    ranked = sorted(others, key=lambda v: (_saves(nest, column, v), nest.extents[v] > 1))
    place = sampled(s, list(range(len(ranked))), [4.0**n for n in range(len(ranked))])
    row = ranked[place]
    fitting = [
        r for r in _ROWS if r <= nest.extents[row] and r * vectors + vectors + 1 <= registers
    ] or [1]
    rows = nest.extents[row]
    best = max(fitting, key=lambda r: rows / -(-rows // r))  # what is computed for nothing counts
    return int(sampled(s, fitting, prefer(fitting, best))), vectors, lanes, row


def _saves(nest: Nest, column: Var, row: Var) -> int:
    """How many of the vectors that are loaded stay the same from row to row."""
    return sum(depends(a, column) and not depends(a, row) for a in nest.reads)


def _split_rows(s: Schedule, row: Var | None, rows: int) -> tuple[list[Var], list[Var], list[Var]]:
    """Outer, middle and unrolled loops."""
    if row is None:
        return [], [], []
    extent = extent_of(s, row)
    tiles = -(-extent // rows)
    middle = [m for m in (1, 2, 4, 8, 16, 32) if m <= tiles]
    chosen = sampled(s, middle, prefer(middle, 1))
    if chosen == 1:
        outer, inner = s.split(row, [None, rows])
        return [outer], [], [inner]
    outer, between, inner = s.split(row, [None, chosen, rows])
    return [outer], [between], [inner]


def _split_columns(
    s: Schedule, column: Var, vectors: int, lanes: int
) -> tuple[Var, Var | None, Var | None, Var]:
    """Outer, middle, unrolled and vectorized loops."""
    extent = extent_of(s, column)
    tiles = -(-extent // (vectors * lanes))
    middle = [m for m in (1, 2, 4, 8) if m <= tiles]
    chosen = sampled(s, middle, prefer(middle, 1))
    factors = [None, *([chosen] if chosen > 1 else []), *([vectors] if vectors > 1 else []), lanes]
    loops = s.split(column, factors)
    return (
        loops[0],
        loops[1] if chosen > 1 else None,
        loops[-2] if vectors > 1 else None,
        loops[-1],
    )


def _split_folds(
    s: Schedule, nest: Nest, reduce: list[Var], columns: int, l1: int
) -> tuple[list[Var], list[Var]]:
    """The reduce loops outside and inside of the middle loops."""
    longest = max(reduce, key=lambda v: nest.extents[v])
    extent = nest.extents[longest]
    best = max(l1 // 2 // (columns * nest.itemsize), 1)
    options = [k for k in (64, 128, 256, 512, 1024) if k < extent and extent % k == 0]
    whole = [0, *options]
    weights = [2.0 if extent <= 4 * best else 1.0, *(w * 0.5 for w in prefer(options, best))]
    chosen = sampled(s, whole, weights)
    if not chosen:
        return [], reduce
    outer, inner = s.split(longest, [None, chosen])
    return [outer], [inner if v is longest else v for v in reduce]


def _written_out(s: Schedule, nest: Nest, row: Var | None, fold: Var) -> Var:
    """All of a short fold is written out, or a part of a long one: what one row loads at a step,
    another may have loaded before. Returns the outermost loop of it."""
    extent = extent_of(s, fold)
    options = [1, *(u for u in (2, 3, 4, 8, 11) if u < extent and extent % u == 0)]
    if extent <= 8:
        options.append(extent)
    slides = row is not None and any(_slides(nest, a, row) for a in nest.reads)
    chosen = sampled(s, options, [1.0, *([1.0 if slides else 0.25] * (len(options) - 1))])
    if chosen == extent:
        s.unroll(fold)
    elif chosen > 1:
        fold, part = s.split(fold, [None, chosen])
        s.unroll(part)
    return fold


def _slides(nest: Nest, access: Access, row: Var) -> bool:
    """Whether what one row reads at some step of a fold, another row reads at another step."""
    along = nest.step(access, row)
    return bool(along) and any(nest.step(access, fold) == along for fold in nest.reduce)


def _epilogues(
    s: Schedule, name: str, first: list[Var], second: list[Var], is_split: bool, context: Context
) -> None:
    """What is applied to the result moves to where a part of it is complete."""
    places = [*first, *(() if is_split else second)]
    here = name
    while True:
        following = [b for b in s.consumers(here) if not b.is_reduction]
        if len(following) != 1:
            return
        here = following[0].name
        chosen = sampled(s, list(range(len(places))), prefer(list(range(len(places))), 99))
        if not attempt(s, "reverse_compute_at", here, places[chosen]):
            return
        finish(s, here, context, depth_of(s, here, places[chosen]))


def _pack_ahead(
    s: Schedule,
    nest: Nest,
    name: str,
    column: Var,
    row: Var | None,
    width: int,
    context: Context,
) -> bool:
    """An operand that never changes is copied into panels of ``width`` as a whole, which is done
    before the first call: ``B[k, j]`` -> ``P[j // width, k, j % width]``."""
    wanted = [a for a in nest.reads if depends(a, column) and (row is None or not depends(a, row))]
    if len(wanted) != 1 or not context.is_constant(s, wanted[0]):
        return False
    along = [
        d for d, i in enumerate(wanted[0].indices) if any(v is column for v in variables_of(i))
    ]
    shape = wanted[0].buffer.shape
    if len(along) != 1 or shape[along[0]] % width or not sampled(s, [0, 1], [0.2, 0.8]):
        return False
    with s.part("packing"):
        copy = s.cache_read(name, wanted[0].buffer, "global", [name])
        names = [f"i{d}" for d in range(len(shape))]
        own = names[along[0]]
        others = [n for n in names if n != own]
        order = ", ".join([f"{own} // {width}", *others, f"{own} % {width}"])
        s.transform_layout(copy, 0, f"lambda {', '.join(names)}: ({order})")
        finish(s, copy, context, 0)
    return True


def _pack(
    s: Schedule,
    nest: Nest,
    name: str,
    places: list[Var],
    column: Var,
    row: Var | None,
    context: Context,
) -> None:
    """The operand that the lanes load is copied into a panel once for all rows, in one of
    ``places``."""
    wanted = [a for a in nest.reads if depends(a, column) and (row is None or not depends(a, row))]
    if len(wanted) != 1:
        return
    is_apart = nest.step(wanted[0], column) != 1
    if not sampled(s, [0, 1], [0.1, 0.9] if is_apart else [0.3, 0.7]):
        return
    outer = places[sampled(s, list(range(len(places))))]
    with s.part("packing"):
        copy = s.cache_read(name, wanted[0].buffer, "local", [name])
        s.compute_at(copy, outer)
        if is_apart:
            _lay_out(s, copy, wanted[0], column)
        finish(s, copy, context, depth_of(s, copy, outer))


def _lay_out(s: Schedule, copy: str, access: Access, column: Var) -> None:
    """The copy has the dimensions last that the lanes run along."""
    dims = range(len(access.indices))
    along = [d for d in dims if any(v is column for v in variables_of(access.indices[d]))]
    order = [*(d for d in dims if d not in along), *along]
    names = ", ".join(f"i{d}" for d in dims)
    moved = ", ".join(f"i{d}" for d in order)
    s.transform_layout(copy, 0, f"lambda {names}: ({moved})")


def share(s: Schedule, loops: list[Var], context: Context, work: float) -> None:
    """Outer loops on threads: one of the first, or the first ones as one."""
    threads = context.facts.threads
    if threads < 2 or not loops:
        return
    fused = loops[0]
    for following in loops[1:]:
        if extent_of(s, fused) >= 2 * threads or not attempt(s, "fuse", fused, following):
            break
        fused = s.trace[-1].made[0]
    parallel(s, fused, context, work)


def the_rest(s: Schedule, context: Context) -> None:
    """Blocks whose loops nothing was done to yet get lanes and threads."""
    for block in blocks_of(s.program.body):
        loops = s.loops(block)
        if not loops or any(
            loop.kind.value != "serial" for loop in nest_of(s.program, block.name).all
        ):
            continue
        alone(s, block.name, context)


def alone(s: Schedule, name: str, context: Context) -> None:
    """A nest with loops of its own: lanes inside, threads outside."""
    nest = nest_of(s.program, name)
    work = nest.points * 0.5
    outer = finish(s, name, context, 0)
    loops = s.loops(name)
    if outer is not None and loops and outer is loops[0]:
        parallel(s, outer, context, work)
