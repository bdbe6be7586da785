"""Products whose operands all lie along the reduction: the lanes run there, too.

::

    for i in range(4000):               ->     for io in T.parallel(1000):
        for k in range(5000):                      for ko in range(157):
            y[i] += a[i, k] * x[k]                     for i in T.unrolled(4):
                                                           for u in T.unrolled(2):
                                                               lanes[i, u, :] += a[...] * x[...]
                                                   y[4 * io + i] = the sum of lanes[i]

What several rows have in common is loaded once for all of them. Where there are more rows than
registers for them, tiles of rows go by while the columns at hand are in the cache: that takes less
time than a copy of a large matrix, turned, would for no more than some dozens of rows.
"""

from __future__ import annotations

from math import prod

from ...ir.expr import Axis, Expr, Load, Var, load
from ...ir.program import Buffer, reads_of
from ...ir.rewrite import substitute, variables_of
from ...records import dataclass
from ...te.factor import factor_reduction, pack_operand
from ...te.program import Nest, Tiling
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step, widest_dtype_bytes
from .contraction import Roles, is_packed_ahead
from .folds import fuse_reduced, is_foldable, vector_axis
from .machine import LINE_BYTES, Machine
from .vectors import extent_of, lanes_for, private_loops, split_roles

ROWS = 4  # of a product with a vector
FEW_ROWS = 12  # of a product with a matrix, which is read once for all of them
AT_ONCE = 8  # rows in one tile; more go by in several
SOME_ROWS = 128  # in tiles; with more rows a turned copy of the matrix pays
LINES_ROWS = 47  # the same, where vectors are lines: both operands lie so that most are in two
NEAR_ROWS = 23  # the same, where the second cache holds the matrix as well
PANEL = 4  # vectors of columns, which registers turn; where some are left over that takes longer
TILE_ROWS = 6, 5
LONG = 32  # vectors of a sum beside which it takes little time to add up the lanes
AHEAD = 32  # steps ahead at which a large matrix is asked for
LARGE_BYTES = 1 << 20
CHAINS = 8  # sums that must be under way at a time for additions not to wait for each other
MOST_COLUMNS = 4
NARROW = 12  # columns of a matrix that would not fill the lanes, or just a vector or two
MOST_STEPS = 1 << 16  # longer sums are made of chunks, for threads and for their rounding


@dataclass(frozen=True, eq=False)
class Dots:
    """``nests``, the first of which sums in lanes, by tiles; ``before`` runs first."""

    before: list[Nest]
    nests: list[Nest]
    tiling: Tiling


def plan_dots(nest: Nest, roles: Roles | None, machine: Machine) -> Dots | None:
    """Rows and columns of sums in lanes; None if nothing is read again that way, or if the
    operands do not lie so."""
    if not is_foldable(nest) or len(nest.tensors) != 1:
        return None
    nest = fuse_reduced(nest)
    folds = reduce_axes(nest)
    before: list[Nest] = []
    if roles is not None and len(folds) == 1 and _are_few_columns(nest, roles, machine):
        *before, nest = _turned(nest, roles.n, folds[0])
    elif roles is not None and len(folds) == 1 and _are_some(nest, roles, machine):
        assert roles.m is not None
        *before, nest = _turned(nest, roles.m, folds[0])
    loads = loads_in(nest)
    if len(folds) != 1 or len(loads) != 2 or any(step(node, folds[0]) != 1 for node in loads):
        return None
    fold = folds[0]
    if roles is None:
        sizes = _rows(nest)
    elif _are_few_columns(nest, roles, machine):
        sizes = _few_columns(roles, machine)
    else:
        sizes = _few_rows(nest, roles, machine)
    lanes = lanes_for(nest, fold.extent, machine)
    if sizes is None or not 4 * lanes <= fold.extent <= MOST_STEPS:
        return None
    tiles = 1
    for size in sizes.values():
        tiles *= size
    unroll = max(CHAINS // tiles, 1)
    if fold.extent < 4 * lanes * unroll:
        unroll = 1
    steps = -(-fold.extent // (unroll * lanes))
    nests = list(factor_reduction(nest, fold, (steps, unroll, lanes), (1, 2), "lanes"))
    axes = nest.compute.axes
    order = list(range(len(axes)))
    if roles is not None and roles.m in sizes:  # all rows while the columns are at hand
        order.sort(key=lambda d: axes[d] is roles.m)
    tiling = Tiling(tuple(sizes.get(a, 1) for a in axes), tuple(order))
    return Dots(before, nests, tiling)


def _turned(nest: Nest, along: Axis, fold: Axis) -> list[Nest]:
    """A copy of what is read ``along`` an axis, each piece of it in a row, and the nest that reads
    it."""
    for node in loads_in(nest):
        used = {v for index in node.indices for v in variables_of(index)}
        axes = [a for a in (*nest.compute.axes, fold) if a in used]
        small = prod(a.extent for a in axes) <= 2 * node.source.size
        if along in used and fold in used and step(node, fold) != 1 and small:

            def element(*p: Expr, node: Load = node, axes: list[Axis] = axes) -> Expr:
                mapping: dict[Var, Expr] = dict(zip(axes, p, strict=True))
                return load(node.source, tuple(substitute(i, mapping) for i in node.indices))

            shape, name = tuple(a.extent for a in axes), f"{node.source.name}_turned"
            return list(pack_operand(nest, shape, element, {node: tuple(axes)}, name))
    return [nest]


def _few_columns(roles: Roles, machine: Machine) -> dict[Axis, int] | None:
    """Rows times few columns: each row is read once for all of them."""
    assert roles.m is not None
    columns = roles.n.extent
    fitting = [r for r in (4, 2, 1) if (r + 1) * columns < machine.registers]
    return {roles.m: fitting[0], roles.n: columns} if fitting else None


def _are_few_columns(nest: Nest, roles: Roles, machine: Machine) -> bool:
    """Whether there are too few columns to fill the lanes, and enough rows for a turned copy of
    what they read, or long sums and no need of one."""
    if roles.m is None or roles.n.extent > NARROW:
        return False
    (fold,) = reduce_axes(nest)
    lies_so = all(step(node, fold) == 1 for node in loads_in(nest))
    is_long = fold.extent >= LONG * lanes_for(nest, fold.extent, machine)
    return roles.m.extent >= 4 * ROWS or (lies_so and is_long)


def _rows(nest: Nest) -> dict[Axis, int] | None:
    """A matrix times a vector, or many of them: rows that share the vector."""
    wide = [a for a in nest.compute.axes if a.extent > 1]
    along = vector_axis(nest, tuple(wide)) if wide else None
    if along is None or not along.is_reduce:
        return None
    moving = [step(node, wide[-1]) != 0 for node in loads_in(nest)]
    if all(moving) or wide[-1].extent < ROWS:
        return None
    return {wide[-1]: ROWS}


def _few_rows(nest: Nest, roles: Roles, machine: Machine) -> dict[Axis, int] | None:
    """Few rows, or some, times a matrix that lies the other way round."""
    if not _are_some(nest, roles, machine):
        return None
    assert roles.m is not None
    rows = roles.m.extent
    if rows > AT_ONCE:
        rows = _tile_rows(rows)
    columns = min((machine.registers - 2) // (rows + 1), MOST_COLUMNS)
    return {roles.m: rows, roles.n: columns} if columns > 1 else None


def _are_some(nest: Nest, roles: Roles, machine: Machine) -> bool:
    """Whether there are so few rows that no turned copy of the matrix pays."""
    if roles.m is None or roles.n.extent < 4 * MOST_COLUMNS:
        return False
    rows, (fold,) = roles.m.extent, reduce_axes(nest)
    (matrix, *others) = [node for node in loads_in(nest) if step(node, roles.n) != 0]
    if others or step(matrix, fold) != 1 or is_packed_ahead(matrix, rows):
        return False
    lanes, is_wide = lanes_for(nest, fold.extent, machine), machine.vector_bytes >= LINE_BYTES
    uses = prod(a.extent for a in nest.compute.axes if a is not roles.n and not step(matrix, a))
    if is_wide and _beats_turning(uses, roles.n.extent, fold.extent // lanes, lanes):
        return rows > 1
    if any(a.extent > 1 for a in nest.compute.axes if a is not roles.m and a is not roles.n):
        return False
    large = matrix.source.size * matrix.dtype.itemsize >= machine.l2
    if rows <= FEW_ROWS:
        return rows > 1 and large
    most = SOME_ROWS
    if is_wide:
        most = LINES_ROWS if large else NEAR_ROWS
    size = matrix.dtype.itemsize * fold.extent * rows
    return rows <= most and fold.extent >= LONG * lanes and size <= machine.l2


def _beats_turning(rows: int, columns: int, steps: int, lanes: int) -> bool:
    """Whether so few rows take ``steps`` vectors of each column in less time than it takes to turn
    these: all sums must be added up across their lanes at the end."""
    if columns % (PANEL * lanes) == 0:
        return rows <= max(min(2 * steps - 4, NEAR_ROWS), ROWS - 1)
    return rows <= min(3 * steps + 4, LINES_ROWS)


def _tile_rows(rows: int) -> int:
    """Rows of a tile, as many as go well with ``MOST_COLUMNS``, such that little is left over."""
    return max(TILE_ROWS, key=lambda n: ((rows % n or n) >= n / 2, n))


def schedule_dots(s: Schedule, name: str, shared: int, nest: Nest, machine: Machine) -> None:
    """The sums in lanes: step by step, all rows and columns of the tile. A large matrix of which
    each part is read by one tile alone is asked for early if a vector is a whole line; shorter ones
    leave the processor time to see what comes, and some see it anyhow."""
    block = s.block(name)
    spatial, (fold,) = split_roles(s, block, private_loops(s, block, shared), nest)
    lanes = spatial[-1]
    s.reorder(fold, *spatial)
    for var in spatial[:-1]:
        s.unroll(var)
    s.vectorize(lanes)
    matrix = max((node.source for node in reads_of(s.block(name))), key=lambda b: b.size)
    large = matrix.size * matrix.dtype.itemsize >= LARGE_BYTES
    whole = extent_of(s, lanes) * widest_dtype_bytes(nest) >= LINE_BYTES
    unseen = whole and not machine.looks_ahead
    is_long = extent_of(s, fold) > 2 * AHEAD
    if large and unseen and is_long and not _is_read_again(s, name, shared, matrix):
        s.prefetch(name, matrix, fold, AHEAD)


def _is_read_again(s: Schedule, name: str, shared: int, matrix: Buffer) -> bool:
    """Whether several tiles read the same of ``matrix``."""
    block = s.block(name)
    around = {v for v in s.loops(block)[:shared] if extent_of(s, v) > 1}
    reads = [node for node in reads_of(block) if node.source is matrix]
    used = {v for node in reads for index in node.indices for v in variables_of(index)}
    needed = {v for it in block.iters if it.axis in used for v in variables_of(it.binding)}
    return not around <= needed


def schedule_sums(s: Schedule, name: str, shared: int, nest: Nest) -> None:
    """What the lanes of the tile add up to."""
    block = s.block(name)
    spatial, folds = split_roles(s, block, private_loops(s, block, shared), nest)
    *unrolled, lanes = folds
    for var in (*spatial, *unrolled):
        s.unroll(var)
    s.vectorize(lanes)
