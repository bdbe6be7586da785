"""Masks that one diagonal divides, or two: comparisons in the place of arrays."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from ...dtypes import boolean
from ...ir.expr import Expr, Load, apply, cast, const, select
from ...ir.rewrite import rewrite
from ...te.tensor import Constant

LARGEST = 1 << 28  # elements that are looked at


def without_diagonal_masks(expr: Expr) -> Expr:
    """``mask[i, j]`` -> ``j <= i + 3``, where ``mask`` is a constant ``np.tri(.., k=3)``, or has
    one number there and another elsewhere: -> ``select(j <= i + 3, 0, -inf)``; and so of a band
    between two diagonals. The same elements, and none of them is read."""

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
    at_corner = bits == bits[-1, 0]
    place = np.unravel_index(np.argmin(at_corner), at_corner.shape)  # the first that differs
    corner, elsewhere = array[-1, 0], array[place]
    if at_corner.all() or corner != corner or elsewhere != elsewhere:
        return None
    if not np.all(at_corner | (bits == bits[place])):
        return None
    i, j = (cast(index, "int64") for index in node.indices[-2:])
    for inside, one, other in ((at_corner, corner, elsewhere), (~at_corner, elsewhere, corner)):
        within = _band(inside, i, j)
        if within is None:
            continue
        if node.dtype is boolean:
            return within if one else apply("invert", within)
        return select(within, const(float(one), node.dtype), const(float(other), node.dtype))
    return None


def _band(inside: np.ndarray[Any, Any], i: Expr, j: Expr) -> Expr | None:
    """``i + lowest <= j <= i + highest`` where just that is true of ``inside``; a bound that lies
    beyond all elements is left out."""
    rows, columns = inside.shape
    some = np.flatnonzero(inside.any(axis=1))
    first = np.argmax(inside[some], axis=1)
    last = columns - 1 - np.argmax(inside[some, ::-1], axis=1)
    lowest, highest = int((first - some).min()), int((last - some).max())
    tri = np.tri(rows, columns, highest, dtype=bool)
    tri &= ~np.tri(rows, columns, lowest - 1, dtype=bool)
    if not np.array_equal(inside, tri):
        return None
    tests = [apply("ge", j, i + lowest)] if lowest > 1 - rows else []
    tests += [apply("le", j, i + highest)] if highest < columns - 1 else []
    return reduce(lambda a, b: apply("bitand", a, b), tests) if tests else None
