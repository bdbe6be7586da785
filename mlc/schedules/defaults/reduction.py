"""Reductions: which axis the lanes run along, and how the fold is arranged for them."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from ...ir.expr import Axis, Load, Reduce, Var
from ...ir.program import Block
from ...ir.rewrite import variables_of
from ...te.factor import factor_reduction
from ...te.program import Nest
from ..schedule import Schedule
from .access import loads_in, point_cost, points, reduce_axes, step
from .folds import is_foldable, vector_axis
from .machine import Machine
from .vectors import (
    extent_of,
    fuse_contiguous,
    lanes_for,
    next_power_of_two,
    private_loops,
    split_roles,
    unroll_for,
)

COLUMNS = 4096  # elements of a row that one tile of a column reduction spans
ROWS = 8  # that a column reduction reads side by side
PAGE = 1024  # the same of several results, where rows of them would not stay near
TOGETHER = 2  # vectors of each of them at a time
FEW_ROWS = 4  # that are multiplied, each with a number of its own, where their sums are near
FEW_BYTES = 8 << 10  # of short rows there are more, as many as have these
MORE_TOGETHER = 4  # vectors of such rows
SHORT_ROW = 1 << 10  # bytes of a row of which so many vectors would be too many
ROW_BLOCKS = 16  # that a fold of rows is cut into; fixed, so that bits are too
HELD_BYTES = 32 << 10  # of results, and what else a row is combined with, that stay near
HELD_ALONE = 128 << 10  # the same, where that is one number for each column
MANY_ROWS = 32  # that can be shared out among threads as they are
CHAINS = 8  # of sums that keep multiply-adds busy
SHORT = 8  # steps of a fold that are written out
WRITTEN = 32  # vector operations of such steps, where there are several vectors
CHUNK = 1 << 15  # elements folded by one task of a full reduction; fixed, so that bits are too


def factor_lanes(nest: Nest, axis: Axis, machine: Machine) -> list[Nest]:
    """``sum_k v`` -> several vectors of partial sums, added up at the end in a fixed order."""
    lanes = lanes_for(nest, axis.extent, machine)
    if axis.extent <= lanes:
        return [nest]
    unroll = unroll_for(nest, axis.extent, lanes, most=8 if point_cost(nest) <= 6 else 4)
    if unroll > 1:
        steps = -(-axis.extent // (unroll * lanes))
        first, rest = factor_reduction(nest, axis, (steps, unroll, lanes), (1, 2), "lanes")
        second, final = _fold_unrolled(rest)
        return [first, second, final]
    steps = -(-axis.extent // lanes)
    first, final = factor_reduction(nest, axis, (steps, lanes), (1,), "lanes")
    return [first, final]


def _fold_unrolled(nest: Nest) -> tuple[Nest, Nest]:
    """``s = sum_{u, l} p[u, l]`` -> ``q[l] = sum_u p[u, l]`` and ``s = sum_l q[l]``."""
    lanes = reduce_axes(nest)[1]
    return factor_reduction(nest, lanes, (lanes.extent,), (0,), "lane")


def factor_parts(
    nest: Nest, machine: Machine, is_apart: bool, reads_inputs: bool
) -> tuple[Nest, Nest] | None:
    """Partial results in loops of their own, and what puts them together: if the nest ``is_apart``
    from all others anyway, or ``reads_inputs`` alone, down the columns of these."""
    chunks = None
    if is_apart or reads_inputs and is_of_columns(nest):
        chunks = factor_chunks(nest, machine)
    return factor_rows(nest, machine) if chunks is None and reads_inputs else chunks


def factor_chunks(nest: Nest, machine: Machine) -> tuple[Nest, Nest] | None:
    """A reduction with few outputs and many points -> one partial result for each fixed chunk."""
    outputs = 1
    for extent in (a.extent for a in nest.compute.axes):
        outputs *= extent
    if not is_foldable(nest) or outputs > 256 or points(nest) < 4 * CHUNK:
        return None
    axis = reduce_axes(nest)[0]
    aside = is_of_columns(nest)
    if not aside and outputs >= MANY_ROWS:
        return None
    per_iteration = points(nest) // axis.extent
    inner = max(CHUNK // max(per_iteration, 1), 1)
    if inner >= axis.extent:
        return None
    if per_iteration == 1:
        inner = next_power_of_two(inner)
    rows = rows_in_vectors(nest, lanes_for(nest, machine.vector_bytes, machine)) if aside else 1
    if rows > 1 and inner >= rows:
        steps = _even_steps(axis.extent, inner // rows, rows)
        parts = -(-axis.extent // (steps * rows)), steps, rows
        return factor_reduction(nest, axis, parts, (0, 2), "chunk", is_outermost=True)
    chunks = -(-axis.extent // inner), inner
    return factor_reduction(nest, axis, chunks, (0,), "chunk", is_outermost=aside)


def is_of_columns(nest: Nest) -> bool:
    """Whether results lie beside each other in memory, parts of a fold below each other."""
    columns = nest.compute.axes
    return bool(columns) and vector_axis(nest, columns) is columns[-1]


def factor_rows(nest: Nest, machine: Machine) -> tuple[Nest, Nest] | None:
    """A fold of the rows of a large array into one row -> one for each of a fixed number of blocks
    of rows, in which memory is read in order; None where the results of a whole row would not stay
    in the nearest cache."""
    wide, fold = [a for a in nest.compute.axes if a.extent > 1], reduce_axes(nest)
    if len(wide) != 1 or len(fold) != 1 or not _is_streamed(nest, wide[0].extent, machine):
        return None
    rows, columns = fold[0].extent, wide[0].extent
    if not _is_held(nest, columns) or rows < ROW_BLOCKS**2:
        return None
    if vector_axis(nest, tuple(nest.compute.axes)) is not wide[0]:
        return None
    parts = ROW_BLOCKS, -(-rows // ROW_BLOCKS)
    return factor_reduction(nest, fold[0], parts, (0,), "rows", is_outermost=True)


def _is_streamed(nest: Nest, columns: int, machine: Machine) -> bool:
    """Whether memory gives the pace of a fold of rows."""
    long = columns > 8 * lanes_for(nest, columns, machine)
    return long and len(reduce_axes(nest)) == 1 and points(nest) * widest(nest) > machine.l2


def rows_in_vectors(nest: Nest, lanes: int) -> int:
    """How many short rows, one behind the other, fill whole vectors of ``lanes``, as many as keep
    additions busy; 1 where one row does, or where rows lie apart."""
    axis, wide = nest.compute.axes[-1], [a for a in nest.compute.axes if a.extent > 1]
    fold = reduce_axes(nest)
    if len(wide) != 1 or len(fold) != 1 or axis.extent >= 4 * lanes or axis.extent % lanes == 0:
        return 1
    if any(step(n, fold[0]) not in (0, axis.extent) or step(n, axis) != 1 for n in loads_in(nest)):
        return 1
    rows = lanes // gcd(axis.extent, lanes)
    vectors = rows * axis.extent // lanes
    return rows << max(CHAINS // vectors, 2).bit_length() - 1


def _even_steps(extent: int, about: int, rows: int) -> int:
    """``about`` so many steps of ``rows``, so that parts of as many leave nothing over, if that can
    be: what is left over would have to be told from the rest at each step."""
    whole = extent // rows
    near = range(about, max(about // 2, 1) - 1, -1)
    return next((n for n in near if whole % n == 0), about) if extent % rows == 0 else about


def schedule_reduction(
    s: Schedule, name: str, nest: Nest, shared: int, machine: Machine, written: int = WRITTEN
) -> Var | None:
    """Order and mark the private loops of a reduction, short ones of at most ``written`` vector
    operations written out; returns its outermost spatial loop, if any."""
    block = s.block(name)
    loops = private_loops(s, block, shared)
    spatial, reduce = split_roles(s, block, loops, nest)
    private = nest.compute.axes[len(nest.compute.axes) - len(spatial) :] if spatial else ()
    axis = vector_axis(nest, private)
    units = [v for v in spatial if extent_of(s, v) == 1]
    if units and len(units) < len(spatial):  # axes of one point stay out of the way
        spatial = [v for v in spatial if extent_of(s, v) > 1]
        s.reorder(*units, *spatial)
    if axis is not None and axis.is_reduce and is_foldable(nest):
        bound = {id(it.axis): it.binding for it in block.iters}
        var = bound[id(axis)]
        assert isinstance(var, Var)
        lanes = lanes_for(nest, axis.extent, machine)
        if axis.extent <= lanes and reduce and var is reduce[-1]:
            if axis.extent == lanes:
                s.vectorize(var)
            else:
                s.vectorize(s.split(var, [None, lanes])[1])
        return spatial[0] if spatial else None
    if not spatial or extent_of(s, spatial[-1]) == 1:
        return spatial[0] if spatial else None
    threads = 1 if shared else machine.threads
    return _schedule_columns(s, block, nest, spatial, reduce, threads, machine, written)


def _schedule_columns(
    s: Schedule,
    block: Block,
    nest: Nest,
    spatial: list[Var],
    reduce: list[Var],
    threads: int,
    machine: Machine,
    written: int,
) -> Var:
    """Lanes along the last spatial axis. Few steps or short rows: the fold stays in registers; many
    steps over long rows: as memory gives them (see `_schedule_streams`)."""
    spatial = fuse_contiguous(s, block, spatial)
    last = spatial[-1]
    extent = extent_of(s, last)
    lanes = lanes_for(nest, extent, machine)
    if len(reduce) == 1 and _is_streamed(nest, extent, machine):
        return _schedule_streams(s, nest, spatial, reduce[0], lanes, threads, machine)
    vectors = -(-extent // lanes)
    across = vectors if vectors <= 8 else min(8, extent // lanes)
    along = _along_lanes(s, s.block(block.name), nest, last, reduce) if machine.shares_lines else []
    strip, vector, lane = s.split(last, [None, across, lanes])
    inner, outer_loops = _innermost(s, spatial[:-1], 8 // across if extent_of(s, strip) == 1 else 1)
    reduce, slid = _rows_together(s, block, nest, outer_loops, inner, reduce, across)
    along = [] if slid else along  # rows together need the registers
    reduce = [*(v for v in reduce if not any(v is other for other in along)), *along]
    s.reorder(*outer_loops, strip, *reduce, *inner, vector, lane)
    short = [v for v in reduce if extent_of(s, v) <= SHORT and not slid]
    if across > 1 and across * prod(extent_of(s, v) for v in short) > written:
        short = []
    written_out = [*short, *slid, *(v for v in along if not any(v is other for other in short))]
    for var in (*written_out, *inner, vector):  # partial sums that are added up stay in registers
        s.unroll(var)
    s.vectorize(lane)
    return next((v for v in outer_loops if extent_of(s, v) > 1), strip)


def _along_lanes(s: Schedule, block: Block, nest: Nest, last: Var, reduce: list[Var]) -> list[Var]:
    """Short loops of ``reduce`` along which a row is read that lanes run along: at each step of it
    but one element further."""
    bound = {id(it.binding): it.axis for it in s.block(block.name).iters}
    columns = [it.axis for it in block.iters if any(v is last for v in variables_of(it.binding))]
    root = nest.compute.body[0]
    if len(columns) != 1 or not isinstance(root, Reduce) or root.combiner.fn != "add":
        return []  # more is to be done for extremes than to add, and by the same units
    (column,) = columns
    found = []
    for var in reduce:
        fold = bound.get(id(var))
        if extent_of(s, var) <= SHORT and any(
            step(n, column) == 1 and _slides(n, column, fold) for n in loads_in(nest)
        ):
            found.append(var)
    return found


def _rows_together(
    s: Schedule,
    block: Block,
    nest: Nest,
    outer: list[Var],
    inner: list[Var],
    reduce: list[Var],
    across: int,
) -> tuple[list[Var], list[Var]]:
    """``for i: for p, q`` -> ``for i_0: for q, p, i_1``, where rows of ``across`` vectors share
    what they are multiplied with: sums that do not wait for each other. Moves loops from ``outer``
    to ``inner``; returns ``reduce`` in its new order, and those loops of it to be written out since
    the rows read the same along them."""
    if inner or not outer or not reduce or across >= CHAINS:
        return reduce, []
    bound = {id(it.binding): it.axis for it in s.block(block.name).iters}
    row = bound.get(id(outer[-1]))
    loads = loads_in(nest)
    if row is None or row.extent < 2 or all(_depends(n, row) for n in loads):
        return reduce, []
    rows = _together(row.extent, across)
    outer[-1], near = s.split(outer[-1], [None, rows])
    inner.append(near)
    slid = [v for v in reduce if any(_slides(n, row, bound.get(id(v))) for n in loads)]
    slid = [v for v in slid if extent_of(s, v) <= 2 * SHORT][:1]
    others = [v for v in reduce if not any(v is other for other in slid)]
    return [*others, *slid], slid


def _together(rows: int, across: int) -> int:
    """How many rows of ``across`` vectors to sum up at once, so that all of them take the fewest
    multiply-adds, two at a time, and waits for them."""

    def cycles(many: int) -> float:
        return max(many * across, CHAINS) / 2 + 0.5 if many else 0.0

    def total(many: int) -> float:
        return rows // many * cycles(many) + cycles(rows % many)

    return min(range(1, min(2 * CHAINS // across, rows) + 1), key=total)


def _depends(node: Load, axis: Axis) -> bool:
    return any(v is axis for index in node.indices for v in variables_of(index))


def _slides(node: Load, row: Axis, fold: Axis | None) -> bool:
    """Whether what one row reads at a step of ``fold`` another row reads at another step."""
    along = step(node, row)
    return fold is not None and along is not None and along == step(node, fold) != 0


def _schedule_streams(
    s: Schedule,
    nest: Nest,
    spatial: list[Var],
    fold: Var,
    lanes: int,
    threads: int,
    machine: Machine,
) -> Var:
    """Rows of a large array: one after the other, as they lie in memory, where the results of a row
    stay in the nearest cache beside what passes through it, and no thread needs a share of it;
    else, by runs of columns, eight rows at a time, so that results are loaded and stored for every
    eighth.

    One row is better: what comes next can be asked for. Processors look ahead by a number of
    instructions, which is not far enough where steps are long, as those of a maximum are. Where
    they do look far enough, rows that are multiplied go by fours, short ones by eights: sums are
    loaded less often. Rows that are only added up, an instruction for each vector, go by eights.
    Several results are stored as often, and stores hold up what waits for memory: two vectors at a
    time, of whole rows where these are short, else of a page of each.
    """
    last = spatial[-1]
    extent = extent_of(s, last)
    vectors = -(-extent // lanes)
    shared_out = any(extent_of(s, v) >= threads for v in spatial[:-1])
    tasks = 1 if shared_out else min(threads, vectors)
    far = len(nest.tensors) == 1 and extent * nest.tensors[0].dtype.itemsize > machine.l1 // 3
    in_order = tasks == 1 and not far and _follow(nest, extent) and _is_held(nest, extent)
    multiplied = machine.looks_ahead and len(loads_in(nest)) > 1
    added = machine.looks_ahead and _is_plain_sum(nest)
    if in_order and not (multiplied or added):
        across = min(4, vectors)
        run, vector, middle, lane = s.split(last, [1, None, across, lanes])
        s.reorder(*spatial[:-1], run, fold, vector, middle, lane)
    else:
        several = multiplied and len(nest.tensors) > 1
        wide = PAGE if several and not in_order else COLUMNS
        runs = max(round(vectors * lanes / wide), tasks)
        few = min(max(FEW_ROWS, FEW_BYTES // (extent * widest(nest))), ROWS)
        rows = few if in_order and not added else ROWS
        many = multiplied and not several or added and extent * widest(nest) > SHORT_ROW
        across = min(MORE_TOGETHER if many else TOGETHER, vectors)
        length = -(-vectors // (runs * across))
        outer, middle = s.split(fold, [None, rows])
        run, vector, pair, lane = s.split(last, [None, length, across, lanes])
        s.reorder(*spatial[:-1], run, outer, vector, pair, middle, lane)
        s.unroll(pair)
    s.unroll(middle)
    s.vectorize(lane)
    return next((v for v in spatial[:-1] if extent_of(s, v) > 1), run)


def _is_plain_sum(nest: Nest) -> bool:
    """Whether what is read is added up as it is, to one result."""
    root = nest.compute.body[0]
    if len(nest.tensors) > 1 or not isinstance(root, Reduce):
        return False
    return root.combiner.fn == "add" and isinstance(root.values[0], Load)


def _follow(nest: Nest, columns: int) -> bool:
    """Whether rows of ``columns`` lie one behind the other as the fold goes on."""
    (fold,) = reduce_axes(nest)
    return columns in {step(n, fold) for n in loads_in(nest)}


def _is_held(nest: Nest, columns: int) -> bool:
    """Whether what all rows of a fold are combined with, results among it, stays near."""
    folds = set(reduce_axes(nest))
    near = [n for n in loads_in(nest) if not any(folds & {*variables_of(i)} for i in n.indices)]
    sizes = [t.dtype.itemsize for t in nest.tensors] + [n.dtype.itemsize for n in near]
    return columns * sum(sizes) <= (HELD_ALONE if len(sizes) == 1 else HELD_BYTES)


def _innermost(s: Schedule, loops: list[Var], budget: int) -> tuple[list[Var], list[Var]]:
    """The last of ``loops``, as many as have at most ``budget`` iterations together, and the
    others."""
    kept = len(loops)
    while kept and extent_of(s, loops[kept - 1]) <= budget:
        budget //= extent_of(s, loops[kept - 1])
        kept -= 1
    return loops[kept:], loops[:kept]


def widest(nest: Nest) -> int:
    """Bytes of the widest element that the nest loads."""
    return max([n.dtype.itemsize for n in loads_in(nest)] or [1])


def tile_columns(nests: Sequence[Nest], shared: int, machine: Machine) -> int:
    """The tile of the last shared axis if the lanes of all nests run along it, else 0."""
    for nest in nests:
        axes = nest.compute.axes
        if len(axes) != shared:
            return 0
        if reduce_axes(nest) and vector_axis(nest, axes) is not axes[-1]:
            return 0
    axis = nests[0].compute.axes[-1]
    folds = [prod(a.extent for a in reduce_axes(n)) for n in nests if reduce_axes(n)]
    most = COLUMNS
    if len(folds) > 1:  # what the first fold reads should still be at hand for the second
        itemsize = max(t.dtype.itemsize for nest in nests for t in nest.tensors)
        most = max(machine.l2 // (2 * itemsize * max(folds)), 1)
    lanes = min(lanes_for(nest, axis.extent, machine) for nest in nests)
    alone = prod(a.extent for a in nests[0].compute.axes[:-1]) >= machine.threads
    share = axis.extent if alone else -(-axis.extent // machine.threads)
    columns = min(most, COLUMNS, -(-share // lanes) * lanes)
    return max(columns // lanes, 1) * lanes if axis.extent > 1 else 0
