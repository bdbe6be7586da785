"""Products whose operands all lie along the reduction: the lanes run there, too.

::

    for i in range(4000):               ->     for io in T.parallel(1000):
        for k in range(5000):                      for ko in range(157):
            y[i] += a[i, k] * x[k]                     for i in T.unrolled(4):
                                                           for u in T.unrolled(2):
                                                               lanes[i, u, :] += a[...] * x[...]
                                                   y[4 * io + i] = the sum of lanes[i]

What several rows have in common is loaded once for all of them.
"""

from __future__ import annotations

from math import prod

from ...ir.expr import Axis, Expr, Load, Var, load
from ...ir.rewrite import substitute, variables_of
from ...records import dataclass
from ...te.factor import factor_reduction, pack_operand
from ...te.program import Nest, Tiling
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step
from .contraction import Roles, is_packed_ahead
from .machine import Machine
from .reduction import fuse_reduced, is_foldable, vector_axis
from .vectors import lanes_for, private_loops, split_roles

ROWS = 4  # of a product with a vector
FEW_ROWS = 12  # of a product with a matrix, which is read once for all of them
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
    if roles is not None and len(folds) == 1 and roles.n.extent <= NARROW:
        *before, nest = _turned(nest, roles, folds[0])
    loads = loads_in(nest)
    if len(folds) != 1 or len(loads) != 2 or any(step(node, folds[0]) != 1 for node in loads):
        return None
    fold = folds[0]
    if roles is None:
        sizes = _rows(nest)
    elif roles.n.extent <= NARROW:
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
    tiling = Tiling(tuple(sizes.get(a, 1) for a in nest.compute.axes))
    return Dots(before, nests, tiling)


def _turned(nest: Nest, roles: Roles, fold: Axis) -> list[Nest]:
    """A copy of what the columns read, each of them in one piece, and the nest that reads it."""
    for node in loads_in(nest):
        used = {v for index in node.indices for v in variables_of(index)}
        axes = [a for a in (*nest.compute.axes, fold) if a in used]
        small = prod(a.extent for a in axes) <= 2 * node.source.size
        if roles.n in used and fold in used and step(node, fold) != 1 and small:

            def element(*p: Expr, node: Load = node, axes: list[Axis] = axes) -> Expr:
                mapping: dict[Var, Expr] = dict(zip(axes, p, strict=True))
                return load(node.source, tuple(substitute(i, mapping) for i in node.indices))

            shape, name = tuple(a.extent for a in axes), f"{node.source.name}_turned"
            return list(pack_operand(nest, node, shape, element, {node: tuple(axes)}, name))
    return [nest]


def _few_columns(roles: Roles, machine: Machine) -> dict[Axis, int] | None:
    """Many rows times few columns: each row is read once for all of them."""
    if roles.m is None or roles.m.extent < 4 * ROWS:
        return None
    columns = roles.n.extent
    fitting = [r for r in (4, 2, 1) if (r + 1) * columns < machine.registers]
    return {roles.m: fitting[0], roles.n: columns} if fitting else None


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
    """Few rows times a large matrix that lies the other way round."""
    assert roles.m is not None
    rows = roles.m.extent
    matrix = next(node for node in loads_in(nest) if step(node, roles.n) != 0)
    if not 2 <= rows <= FEW_ROWS or roles.n.extent < 4 * MOST_COLUMNS:
        return None
    if any(a.extent > 1 for a in nest.compute.axes if a is not roles.m and a is not roles.n):
        return None
    if matrix.source.size * matrix.dtype.itemsize < machine.l2 or is_packed_ahead(matrix, rows):
        return None
    columns = min((machine.registers - 2) // (rows + 1), MOST_COLUMNS)
    return {roles.m: rows, roles.n: columns} if columns > 1 else None


def schedule_dots(s: Schedule, name: str, shared: int, nest: Nest) -> None:
    """The sums in lanes: step by step, all rows and columns of the tile."""
    block = s.block(name)
    spatial, (fold,) = split_roles(s, block, private_loops(s, block, shared), nest)
    lanes = spatial[-1]
    s.reorder(fold, *spatial)
    for var in spatial[:-1]:
        s.unroll(var)
    s.vectorize(lanes)


def schedule_sums(s: Schedule, name: str, shared: int, nest: Nest) -> None:
    """What the lanes of the tile add up to."""
    block = s.block(name)
    spatial, folds = split_roles(s, block, private_loops(s, block, shared), nest)
    *unrolled, lanes = folds
    for var in (*spatial, *unrolled):
        s.unroll(var)
    s.vectorize(lanes)
