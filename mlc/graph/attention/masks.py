"""Masks that a diagonal divides: comparisons in the place of arrays."""

from __future__ import annotations

import numpy as np

from ...dtypes import boolean
from ...ir.expr import Expr, Load, apply, cast, const, select
from ...ir.rewrite import rewrite
from ...te.tensor import Constant

LARGEST = 1 << 28  # elements that are looked at


def without_diagonal_masks(expr: Expr) -> Expr:
    """``mask[i, j]`` -> ``j <= i + 3``, where ``mask`` is a constant ``np.tri(.., k=3)``, or has
    one number there and another elsewhere: -> ``select(j <= i + 3, 0, -inf)``. The same elements,
    and none of them is read."""

    def rule(node: Expr) -> Expr | None:
        return _compared(node) if isinstance(node, Load) else None

    return rewrite(expr, rule)


def _compared(node: Load) -> Expr | None:
    op = node.source.op
    if not isinstance(op, Constant) or op.array.ndim < 2 or not 1 < op.array.size <= LARGEST:
        return None
    *before, rows, columns = op.array.shape
    if any(n > 1 for n in before) or not (node.dtype is boolean or node.dtype.is_float):
        return None
    array = np.ascontiguousarray(op.array).reshape(rows, columns)
    bits = array.view(f"u{array.itemsize}")
    low, high = array[-1, 0], array[0, -1]
    is_low = bits == bits[-1, 0]
    counts = np.count_nonzero(is_low, axis=1)
    partly = np.flatnonzero((counts > 0) & (counts < columns))
    if not partly.size or low != low or high != high:
        return None
    k = int(counts[partly[0]]) - 1 - int(partly[0])
    if not np.array_equal(is_low, np.tri(rows, columns, k, dtype=bool)):
        return None
    if np.any(bits[~is_low] != bits[0, -1]):
        return None
    i, j = (cast(index, "int64") for index in node.indices[-2:])
    below = apply("le", j, i + k)
    if node.dtype is boolean:
        return below if low else apply("invert", below)
    return select(below, const(float(low), node.dtype), const(float(high), node.dtype))
