"""Products of bytes summed as integers: four at a time, by the instruction that does so.

::

    c[i, j] = sum over k of int32(a[i, k]) * int32(b[k, j])
    ->  left[i, q]   = the bytes a[i, 4q] .. a[i, 4q + 3]
        right[q, j]  = the bytes b[4q, j] .. b[4q + 3, j]
        dots[i, j]   = sum over q of dot4(left[i, q], right[q, j])
        c[i, j]      = dots[i, j] - 128 * (sum over k of b[k, j])

``dot4`` multiplies bytes without sign by bytes with sign. Where both operands have one, ``left``
holds ``a + 128``, where neither has, ``a - 128``; the last line takes that out again. All of it is
exact modulo 2**32, and so is the result.
"""

from __future__ import annotations

from dataclasses import replace

from ...dtypes import int8, int32, uint8
from ...ir.combiner import reducer
from ...ir.expr import (
    Axis,
    Expr,
    Var,
    apply,
    cast,
    const,
    load,
    reduce,
)
from ...records import dataclass
from ...te.program import Nest
from ...te.tensor import Compute, Tensor
from .access import reduce_axes
from .contraction import Roles
from .groups import narrow_operands, pack_groups
from .machine import Machine

LEAST_ROWS = 8  # a copy of the columns' operand pays for this many rows
LEAST_COLUMNS = 8
LEAST_DEPTH = 16
_HIGHEST = -0x7F7F7F80  # the highest bit of each of four bytes
MOST_DEPTH = 1 << 15  # as many products stay below 2**31; where wider sums are asked for, no more


@dataclass(frozen=True, eq=False)
class ByteProducts:
    """``before`` makes the operands; ``nests`` are the product and what makes its result of it,
    with ``roles`` of the axes of the product."""

    before: list[Nest]
    nests: list[Nest]
    roles: Roles


def byte_products(nest: Nest, roles: Roles, panel: int, machine: Machine) -> ByteProducts | None:
    """The nest by the instruction, its columns in panels of ``panel``; None where it does not
    apply."""
    operands = narrow_operands(nest, roles, (int8, uint8), "iu")
    if operands is None or not machine.has_dot4 or roles.m is None:
        return None
    left, right = operands
    folds = reduce_axes(nest)
    depth = 1
    for axis in folds:
        depth *= axis.extent
    if roles.m.extent < LEAST_ROWS or roles.n.extent < LEAST_COLUMNS:
        return None
    if depth > MOST_DEPTH and nest.tensors[0].dtype.bits > 32:
        return None
    fold = max(folds, key=lambda a: a.extent)
    if fold.extent < LEAST_DEPTH:
        return None
    is_signed = left.dtype is int8, right.dtype is int8
    flip = is_signed[0] is is_signed[1]
    rows = pack_groups(nest, left, fold, None, 0, _byte, 4, flips=_HIGHEST if flip else 0)
    columns = pack_groups(nest, right, fold, roles.n, panel, _byte, 4)
    right_is_signed = is_signed[1]
    quads = Axis(fold.name, -(-fold.extent // 4), is_reduce=True)
    inner = tuple(quads if a is fold else Axis(a.name, a.extent, is_reduce=True) for a in folds)
    swap: dict[Var, Expr] = dict(zip(folds, inner, strict=True))

    def dots(a: Expr, b: Expr) -> Expr:
        return apply("dot4", a, b) if right_is_signed else apply("dot4", b, a)

    value = dots(rows.at(swap), columns.at(swap))
    sums = _summed(nest, nest.compute.axes, value, inner, "dots")
    before = [rows.nest, columns.nest]
    total: Expr = load(sums.tensors[0], nest.compute.axes)
    if flip:
        axes = tuple(Axis(a.name, a.extent) for a in columns.spatial)
        again = tuple(Axis(a.name, a.extent, is_reduce=True) for a in inner)
        back: dict[Var, Expr] = dict(zip(columns.spatial, axes, strict=True))
        back.update(zip(folds, again, strict=True))
        ones = const(0x01010101, int32)
        column_sums = _summed(nest, axes, dots(ones, columns.at(back)), again, "column_sums")
        before.append(column_sums)
        shift = load(column_sums.tensors[0], columns.spatial) * const(128, int32)
        total = total - shift if right_is_signed else total + shift
    root = nest.compute.body[0]
    final = replace(nest.compute, body=(cast(total, root.dtype),))
    return ByteProducts(before, [sums, Nest(nest.tensors, final)], roles)


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
