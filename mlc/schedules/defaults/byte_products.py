"""Products of bytes summed as integers: four at a time, by the instruction that does so.

::

    c[i, j] = sum over k of int32(a[i, k]) * int32(b[k, j])
    ->  left[i, q]   = the bytes a[i, 4q] .. a[i, 4q + 3]
        right[q, j]  = the bytes b[4q, j] .. b[4q + 3, j]
        dots[i, j]   = sum over q of dot4(left[i, q], right[q, j])
        c[i, j]      = dots[i, j] - 128 * (sum over k of b[k, j])

``dot4`` multiplies bytes without sign by bytes with sign. Where both operands have one, ``left``
holds ``a + 128``, where neither has, ``a - 128``; the last line takes that out again. Where panels
of ``right`` are made one after another, each right before it is read, it is ``right`` that holds
``b + 128`` or ``b - 128``, and rows of ``a`` that are summed. All of it is exact modulo 2**32, and
so is the result.
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
from .groups import Groups, narrow_operands, pack_groups, turn_groups
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

    @property
    def right_is_signed(self) -> bool:
        return self.right.dtype is int8


def byte_products(nest: Nest, roles: Roles, machine: Machine) -> ByteProducts | None:
    """The nest by the instruction; None where it does not apply."""
    operands = _operands(nest, roles, machine)
    if operands is None:
        return None
    tile = _tile(choose_tile(nest, roles, machine), roles)
    made = _made(nest, roles, operands, tile, machine, in_parts=False)
    if made.tiling.order is not None and made.tiling.order[-1] != len(made.tiling.order) - 1:
        made = _made(nest, roles, operands, tile, machine, in_parts=True)
    return made


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


def _made(
    nest: Nest, roles: Roles, operands: _Operands, tile: Tile, machine: Machine, in_parts: bool
) -> ByteProducts:
    """The product, its columns' operand made ``in_parts`` or at once."""
    fold, folds, flip = operands.fold, operands.folds, _HIGHEST if operands.flip else 0
    rows = pack_groups(nest, operands.left, fold, None, 0, _byte, 4, flips=0 if in_parts else flip)
    joining: list[Nest] = []
    right, flips = operands.right, flip if in_parts else 0
    if step(right, fold) == 1 and step(right, roles.n) != 1:
        joined, columns = turn_groups(nest, right, fold, roles.n, tile.columns, _byte, 4, flips)
        joining.append(joined)
    else:
        columns = pack_groups(nest, right, fold, roles.n, tile.columns, _byte, 4, flips=flips)
    # What is turned over has the other sign now.
    right_is_signed = operands.right_is_signed is not (operands.flip and in_parts)
    quads = Axis(fold.name, -(-fold.extent // 4), is_reduce=True)
    inner = tuple(quads if a is fold else Axis(a.name, a.extent, is_reduce=True) for a in folds)
    swap: dict[Var, Expr] = dict(zip(folds, inner, strict=True))

    def dots(a: Expr, b: Expr) -> Expr:
        return apply("dot4", a, b) if right_is_signed else apply("dot4", b, a)

    value = dots(rows.at(swap), columns.at(swap))
    root = nest.compute.body[0]
    before = [rows.nest, *joining, columns.nest]
    if operands.flip or root.dtype is not int32:
        sums = _summed(nest, nest.compute.axes, value, inner, "dots")
        total: Expr = load(sums.tensors[0], nest.compute.axes)
        if operands.flip:
            side = rows if in_parts else columns
            ones = const(0x01010101, int32)
            totals = _side_sums(
                nest, side, folds, inner, lambda x: dots(x, ones) if in_parts else dots(ones, x)
            )
            if in_parts:
                totals[:] = _along_lanes(totals[0], machine)
            before += totals
            shift = load(totals[-1].tensors[0], side.spatial) * const(128, int32)
            was_added = operands.left.dtype is int8
            total = total - shift if was_added else total + shift
        final = replace(nest.compute, body=(cast(total, root.dtype),))
        nests = [sums, Nest(nest.tensors, final)]
    else:
        body = (reduce(reducer("sum", int32), (value,), inner, 0),)
        nests = [Nest(nest.tensors, replace(nest.compute, body=body))]
    tiling = tiling_for(nests[0], roles, tile, machine)
    parts = made_in_parts(before, nests[0], roles, machine) if in_parts else []
    parts = [*joining, *parts] if parts else []
    is_even = bool(parts) and would_wait(nests[0], roles, tile, machine)
    return ByteProducts(before, nests, tile, tiling, parts, is_even)


def _side_sums(
    nest: Nest,
    side: Groups,
    folds: tuple[Axis, ...],
    inner: tuple[Axis, ...],
    value: Callable[[Expr], Expr],
) -> list[Nest]:
    """The sums of all bytes of an operand along the reduction."""
    axes = tuple(Axis(a.name, a.extent) for a in side.spatial)
    again = tuple(Axis(a.name, a.extent, is_reduce=True) for a in inner)
    back: dict[Var, Expr] = dict(zip(side.spatial, axes, strict=True))
    back.update(zip(folds, again, strict=True))
    return [_summed(nest, axes, value(side.at(back)), again, "side_sums")]


def _along_lanes(nest: Nest, machine: Machine) -> list[Nest]:
    """Sums along what lies side by side: lane by lane first, if they are long."""
    last = reduce_axes(nest)[-1]
    lanes = machine.lanes(int32)
    if last.extent <= lanes:
        return [nest]
    return list(factor_reduction(nest, last, (-(-last.extent // lanes), lanes), (1,), "lanes"))


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
