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
from dataclasses import replace

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
from .access import reduce_axes, step
from .contraction import Roles, Tile, choose_tile, tiling_for, would_wait
from .groups import Groups, groups_in_place, narrow_operands, pack_groups, turn_groups
from .machine import Machine
from .packing import made_in_parts

LEAST_ROWS = 2
LEAST_COLUMNS = 8
LEAST_DEPTH = 16
MOST_VECTORS = 4  # of columns: a copy should have whole panels
EVEN_ROWS = 12  # up to so many are shared out evenly among tiles
_HIGHEST = -0x7F7F7F80  # the highest bit of each of four bytes
MOST_DEPTH = 1 << 15  # as many products stay below 2**31; where wider sums are asked for, no more


@dataclass(frozen=True, eq=False)
class ByteProducts:
    """``before`` makes the operands; ``nests`` are the product by tiles of ``tile``, in the order
    of ``tiling``, and what makes its result of it. Of ``before``, ``parts`` are made where they are
    used; ``is_even`` says whether threads have as many columns each."""

    before: list[Nest]
    nests: list[Nest]
    tile: Tile
    tiling: Tiling
    parts: list[Nest]
    is_even: bool


@dataclass(frozen=True, eq=False)
class _Operands:
    """What rows and columns read, the axes that are summed over, and the one that is cut."""

    left: Load
    right: Load
    folds: tuple[Axis, ...]
    fold: Axis

    @property
    def flip(self) -> bool:
        """Whether one of them has to get another sign."""
        return self.left.dtype is self.right.dtype


def byte_products(nest: Nest, roles: Roles, machine: Machine) -> ByteProducts | None:
    """The nest by the instruction; None where it does not apply."""
    operands = _operands(nest, roles, machine)
    if operands is None:
        return None
    tile = _tile(choose_tile(nest, roles, machine), roles)
    fold, folds = operands.fold, operands.folds
    rows = groups_in_place(nest, operands.left, fold, _byte, 4)
    rows = rows or pack_groups(nest, operands.left, fold, None, 0, _byte, 4)
    columns = _columns(nest, roles, operands, tile.columns)
    quads = Axis(fold.name, -(-fold.extent // 4), is_reduce=True)
    inner = tuple(quads if a is fold else Axis(a.name, a.extent, is_reduce=True) for a in folds)
    swap: dict[Var, Expr] = dict(zip(folds, inner, strict=True))

    def dots(a: Expr, b: Expr) -> Expr:
        signed_last = (a, b) if operands.left.dtype is uint8 else (b, a)
        return apply("dot4", *signed_last)

    value = dots(rows.at(swap), columns.at(swap))
    root = nest.compute.body[0]
    before = [*rows.before, *columns.before]
    if operands.flip or root.dtype is not int32:
        sums = _summed(nest, nest.compute.axes, value, inner, "dots")
        total: Expr = load(sums.tensors[0], nest.compute.axes)
        if operands.flip:
            ones = const(0x01010101, int32)
            totals = _row_sums(nest, rows, swap, fold, lambda x: dots(x, ones), machine)
            before += totals
            shift = load(totals[-1].tensors[0], rows.spatial) * const(128, int32)
            total = total - shift if operands.left.dtype is int8 else total + shift
        final = replace(nest.compute, body=(cast(total, root.dtype),))
        nests = [sums, Nest(nest.tensors, final)]
    else:
        body = (reduce(reducer("sum", int32), (value,), inner, 0),)
        nests = [Nest(nest.tensors, replace(nest.compute, body=body))]
    tiling = tiling_for(nests[0], roles, tile, machine)
    parts: list[Nest] = []
    if tiling.order is not None and tiling.order[-1] != len(tiling.order) - 1:
        parts = made_in_parts(before, nests[0], roles, machine)
        parts = list(columns.before) if parts else []
    is_even = bool(parts) and would_wait(nests[0], roles, tile, machine)
    return ByteProducts(before, nests, tile, tiling, parts, is_even)


def _operands(nest: Nest, roles: Roles, machine: Machine) -> _Operands | None:
    found = narrow_operands(nest, roles, (int8, uint8), "iu")
    if found is None or not machine.has_dot4 or roles.m is None:
        return None
    folds = reduce_axes(nest)
    depth = 1
    for axis in folds:
        depth *= axis.extent
    if roles.m.extent < LEAST_ROWS or roles.n.extent < LEAST_COLUMNS:
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
    right, fold, flips = operands.right, operands.fold, _HIGHEST if operands.flip else 0
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
