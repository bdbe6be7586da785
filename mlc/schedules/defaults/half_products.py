"""Products of bfloat16 summed as float32: two at a time, by the instruction that does so.

::

    c[i, j] = sum over k of float32(a[i, k]) * float32(b[k, j])
    ->  left[i, q]  = the bits of a[i, 2q] and of a[i, 2q + 1]
        right[q, j] = the bits of b[2q, j] and of b[2q + 1, j]
        c[i, j]     = sum over q of first(left) * first(right) + second(left) * second(right)

where ``first`` and ``second`` are the halves of a number, as float32. Backends know the sum of two
products by its form. The instruction takes numbers below 2**-126 in magnitude for zero.
"""

from __future__ import annotations

from dataclasses import replace

from ...dtypes import bfloat16, float32, int32, uint16
from ...ir.expr import Axis, Expr, Reduce, Var, apply, cast, const, reduce
from ...te.program import Nest
from .access import reduce_axes
from .contraction import Roles
from .groups import groups_in_place, narrow_operands, pack_groups
from .machine import Machine

LEAST_ROWS = 16  # copies of both operands pay for this many rows and columns
LEAST_COLUMNS = 16
LEAST_DEPTH = 32


def half_products(nest: Nest, roles: Roles, panel: int, machine: Machine) -> list[Nest] | None:
    """What makes the operands, and last the product by the instruction, its columns in panels of
    ``panel``; None where it does not apply."""
    operands = narrow_operands(nest, roles, (bfloat16,), "f")
    if (
        operands is None
        or nest.compute.body[0].dtype is not float32
        or not machine.has_dot2
        or roles.m is None
    ):
        return None
    folds = reduce_axes(nest)
    fold = max(folds, key=lambda a: a.extent)
    if roles.m.extent < LEAST_ROWS or roles.n.extent < LEAST_COLUMNS or fold.extent < LEAST_DEPTH:
        return None
    rows = groups_in_place(nest, operands[0], fold, _bits, 2)
    rows = rows or pack_groups(nest, operands[0], fold, None, 0, _bits, 2)
    columns = pack_groups(nest, operands[1], fold, roles.n, panel, _bits, 2)
    inner = tuple(
        Axis(a.name, -(-a.extent // 2) if a is fold else a.extent, is_reduce=True) for a in folds
    )
    swap: dict[Var, Expr] = dict(zip(folds, inner, strict=True))
    left, right = rows.at(swap), columns.at(swap)
    value = first_half(left) * first_half(right) + second_half(left) * second_half(right)
    root = nest.compute.body[0]
    assert isinstance(root, Reduce)
    body = (reduce(root.combiner, (value,), inner, 0),)
    product = Nest(nest.tensors, replace(nest.compute, body=body))
    return [*rows.before, *columns.before, product]


def first_half(pair: Expr) -> Expr:
    """The bfloat16 in the lower bits, as float32."""
    return apply("bitcast", pair << const(16, int32), dtype=float32)


def second_half(pair: Expr) -> Expr:
    """The bfloat16 in the upper bits, as float32."""
    return apply("bitcast", pair & const(-65536, int32), dtype=float32)


def _bits(raw: Expr) -> Expr:
    return cast(apply("bitcast", raw, dtype=uint16), int32)
