"""Products of bytes summed as integers: four at a time, by the instruction that does so.

::

    c[i, j] = sum over k of int32(a[i, k]) * int32(b[k, j])
    ->  left[i, q]   = the bytes a[i, 4q] .. a[i, 4q + 3]
        right[q, j]  = the bytes b[4q, j] .. b[4q + 3, j]
        dots[i, j]   = sum over q of dot4(left[i, q], right[q, j])
        c[i, j]      = dots[i, j] - 128 * (sum over k of a[i, k])

``dot4`` multiplies bytes without sign by bytes with sign. Where both operands have one, ``right``
holds ``b + 128``, where neither has, ``b - 128``; the last line takes that out again. ``left`` is
read where it lies if its bytes are neighbours there. All of it is exact modulo 2**32, and so is
the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from functools import partial

from ...dtypes import int8, int32, uint8
from ...ir.combiner import reducer
from ...ir.expr import (
    Axis,
    Expr,
    Load,
    Var,
    apply,
    cast,
    const,
    load,
    reduce,
)
from ...records import dataclass
from ...te.factor import factor_reduction
from ...te.program import Nest, Tiling
from ...te.tensor import Compute, Tensor
from ..schedule import Schedule
from .access import reduce_axes, step
from .contraction import Roles, Tile, choose_tile, is_packed_ahead, tiling_for, would_wait
from .dots import CHAINS, schedule_dots, schedule_sums
from .groups import Groups, groups_in_place, narrow_operands, pack_groups, turn_groups
from .machine import Machine
from .packing import made_in_parts

LEAST_ROWS = 2
LEAST_COLUMNS = 8
LEAST_DEPTH = 16
LARGE_BYTES = 40 << 10  # copies that threads would wait for
MOST_VECTORS = 4  # of columns: a copy should have whole panels
AT_ONCE = 6  # rows of a tile whose lanes run along the reduction,
SOME_ROWS = 64  # and as many as go by in such tiles where that is long:
LONG_DEPTH = 256
ROW_DEPTH = 16  # for each row, as the lanes of all sums are added up at the end
EVEN_ROWS = 12  # up to so many are shared out evenly among tiles
_HIGHEST = -0x7F7F7F80  # the highest bit of each of four bytes
MOST_DEPTH = 1 << 15  # as many products stay below 2**31; where wider sums are asked for, no more


# Schedules the loops of one block within the tile at hand: the block's name, its shared loops.
Way = Callable[[Schedule, str, int], None]


@dataclass(frozen=True, eq=False)
class ByteProducts:
    """``before`` makes the operands; ``nests`` are the product, by tiles of ``tile`` or in a way of
    its own, in the order of ``tiling``, and what makes its result of it. Of ``before``, ``parts``
    are made where they are used; ``is_even`` says whether threads have as many columns each."""

    before: list[Nest]
    nests: list[Nest]
    tiling: Tiling
    tile: Tile | None = None
    ways: dict[Nest, Way] = field(default_factory=dict)
    parts: list[Nest] = field(default_factory=list)
    is_even: bool = False


@dataclass(frozen=True, eq=False)
class _Operands:
    """What rows and columns read, the axes that are summed over, and the one that is cut."""

    left: Load
    right: Load
    folds: tuple[Axis, ...]
    fold: Axis

    @property
    def flips(self) -> int:
        """The bits of the columns' operand that are turned over, to give it another sign."""
        return _HIGHEST if self.left.dtype is self.right.dtype else 0


def byte_products(nest: Nest, roles: Roles, machine: Machine) -> ByteProducts | None:
    """The nest by the instruction; None where it does not apply."""
    operands = _operands(nest, roles, machine)
    if operands is None:
        return None
    rows = groups_in_place(nest, operands.left, operands.fold, _byte, 4)
    rows = rows or pack_groups(nest, operands.left, operands.fold, None, 0, _byte, 4)
    dots = _in_lanes(nest, roles, operands, rows, machine)
    if dots is not None or roles.m is None or roles.m.extent < LEAST_ROWS:
        return dots
    tile = _tile(choose_tile(nest, roles, machine), roles)
    columns = _columns(nest, roles, operands, tile.columns)
    totals, nests, _ = _product(nest, operands, rows, columns, machine)
    before = [*rows.before, *columns.before, *totals]
    tiling = tiling_for(nests[0], roles, tile, machine, LARGE_BYTES)
    parts: list[Nest] = []
    if tiling.order is not None and tiling.order[-1] != len(tiling.order) - 1:
        parts = made_in_parts(before, nests[0], roles, machine)
        parts = list(columns.before) if parts else []
    is_even = bool(parts) and would_wait(nests[0], roles, tile, machine, LARGE_BYTES)
    return ByteProducts(before, nests, tiling, tile, parts=parts, is_even=is_even)


def _in_lanes(
    nest: Nest, roles: Roles, operands: _Operands, rows: Groups, machine: Machine
) -> ByteProducts | None:
    """Few rows times columns that lie along the reduction as they do: the lanes run there, too, and
    nothing is copied. None where that takes longer, or where something would be left over."""
    right, fold = operands.right, operands.fold
    columns = groups_in_place(nest, right, fold, _byte, 4, operands.flips)
    lanes, many = machine.lanes(int32), roles.m.extent if roles.m is not None else 1
    if columns is None or len(operands.folds) > 1 or step(right, roles.n) == 1:
        return None
    if fold.extent % (4 * lanes) or fold.extent < max(LONG_DEPTH, ROW_DEPTH * many):
        return None
    if many > SOME_ROWS or many * fold.extent > 4 * machine.l1 or is_packed_ahead(right, many):
        return None
    if roles.n.extent < MOST_VECTORS:
        return None
    high = -(-many // -(-many // AT_ONCE))
    wide = min((machine.registers - 2) // (high + 1), MOST_VECTORS)
    unroll = next(
        u for u in (max(CHAINS // (high * wide), 1), 1) if fold.extent % (4 * lanes * u) == 0
    )
    totals, (sums, *others), quads = _product(nest, operands, rows, columns, machine)
    extents = (quads.extent // (unroll * lanes), unroll, lanes)
    first, last = factor_reduction(sums, quads, extents, (1, 2), "lanes")
    axes = nest.compute.axes
    sizes = {roles.n: wide} if roles.m is None else {roles.n: wide, roles.m: high}
    order = sorted(range(len(axes)), key=lambda d: axes[d] is roles.m)  # rows go by near columns
    tiling = Tiling(tuple(sizes.get(a, 1) for a in axes), tuple(order))
    ways: dict[Nest, Way] = {
        first: partial(schedule_dots, nest=first, machine=machine),
        last: partial(schedule_sums, nest=last),
    }
    return ByteProducts([*rows.before, *totals], [first, last, *others], tiling, ways=ways)


def _product(
    nest: Nest, operands: _Operands, rows: Groups, columns: Groups, machine: Machine
) -> tuple[list[Nest], list[Nest], Axis]:
    """Sums of rows that the result needs, if any; the product by the instruction, and what makes
    the result of it where that is something else; the axis that the product is summed over."""
    fold, folds, left = operands.fold, operands.folds, operands.left
    quads = Axis(fold.name, -(-fold.extent // 4), is_reduce=True)
    inner = tuple(quads if a is fold else Axis(a.name, a.extent, is_reduce=True) for a in folds)
    swap: dict[Var, Expr] = dict(zip(folds, inner, strict=True))

    def dots(a: Expr, b: Expr) -> Expr:
        signed_last = (a, b) if left.dtype is uint8 else (b, a)
        return apply("dot4", *signed_last)

    value = dots(rows.at(swap), columns.at(swap))
    root = nest.compute.body[0]
    if not operands.flips and root.dtype is int32:
        body = (reduce(reducer("sum", int32), (value,), inner, 0),)
        return [], [Nest(nest.tensors, replace(nest.compute, body=body))], quads
    sums = _summed(nest, nest.compute.axes, value, inner, "dots")
    total: Expr = load(sums.tensors[0], nest.compute.axes)
    totals: list[Nest] = []
    if operands.flips:
        ones = const(0x01010101, int32)
        totals = _row_sums(nest, rows, swap, fold, lambda x: dots(x, ones), machine)
        shift = load(totals[-1].tensors[0], rows.spatial) * const(128, int32)
        total = total - shift if left.dtype is int8 else total + shift
    final = replace(nest.compute, body=(cast(total, root.dtype),))
    return totals, [sums, Nest(nest.tensors, final)], quads


def _operands(nest: Nest, roles: Roles, machine: Machine) -> _Operands | None:
    found = narrow_operands(nest, roles, (int8, uint8), "iu")
    if found is None or not machine.has_dot4:
        return None
    folds = reduce_axes(nest)
    depth = 1
    for axis in folds:
        depth *= axis.extent
    if roles.n.extent < LEAST_COLUMNS:
        return None
    if depth > MOST_DEPTH and nest.tensors[0].dtype.bits > 32:
        return None
    fold = max(folds, key=lambda a: a.extent)
    return _Operands(*found, folds, fold) if fold.extent >= LEAST_DEPTH else None


def _tile(tile: Tile, roles: Roles) -> Tile:
    """The tile with panels of few vectors. A few rows are shared out evenly."""
    assert roles.m is not None
    rows, vectors = roles.m.extent, min(tile.vectors, MOST_VECTORS)
    if rows <= EVEN_ROWS:
        tile = replace(tile, rows=-(-rows // -(-rows // tile.rows)))
    return replace(tile, vectors=vectors)


def _columns(nest: Nest, roles: Roles, operands: _Operands, panel: int) -> Groups:
    """What the columns read, by panels."""
    right, fold, flips = operands.right, operands.fold, operands.flips
    if step(right, fold) == 1 and step(right, roles.n) != 1:
        return turn_groups(nest, right, fold, roles.n, panel, _byte, 4, flips)
    return pack_groups(nest, right, fold, roles.n, panel, _byte, 4, flips=flips)


def _row_sums(
    nest: Nest,
    rows: Groups,
    mapping: dict[Var, Expr],
    fold: Axis,
    value: Callable[[Expr], Expr],
    machine: Machine,
) -> list[Nest]:
    """The sums of all bytes of a row along the reduction, over the axes that ``mapping`` has for
    those of the nest; ``fold`` is that along memory. Long ones are added up lane by lane first."""
    axes = tuple(Axis(a.name, a.extent) for a in rows.spatial)
    folds = {
        a: Axis(b.name, b.extent, is_reduce=True) for a, b in mapping.items() if isinstance(b, Axis)
    }
    back: dict[Var, Expr] = dict(zip(rows.spatial, axes, strict=True))
    back.update(folds)
    sums = _summed(nest, axes, value(rows.at(back)), tuple(folds.values()), "row_sums")
    along, lanes = folds[fold], machine.lanes(int32)
    if along.extent <= lanes:
        return [sums]
    return list(factor_reduction(sums, along, (-(-along.extent // lanes), lanes), (1,), "lanes"))


def _byte(raw: Expr) -> Expr:
    """A byte as a number from 0 to 255."""
    return cast(cast(raw, uint8), int32)


def _summed(
    nest: Nest, axes: tuple[Axis, ...], value: Expr, folds: tuple[Axis, ...], name: str
) -> Nest:
    """``tensor[axes] = sum over folds of value``."""
    body = (reduce(reducer("sum", int32), (value,), folds, 0),)
    compute = Compute(axes, body, nest.compute.op, location=nest.compute.location)
    tensor = Tensor(name, tuple(a.extent for a in axes), int32, compute)
    return Nest((tensor,), compute)
