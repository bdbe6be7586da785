"""How often an operation is evaluated in a loop, and whether it computes anything."""

from __future__ import annotations

import math

from ..ir.expr import Apply, Expr, Reduce
from ..ir.rewrite import postorder
from ..te.tensor import Compute


def is_movement(expr: Expr) -> bool:
    """Whether an expression only says where an element comes from."""
    for node in postorder(expr):
        if isinstance(node, Reduce):
            return False
        if isinstance(node, Apply) and (
            node.dtype.is_float or any(a.dtype.is_float for a in node.args)
        ):
            return False
    return True


def points_of(op: Compute) -> int:
    """How often the body of ``op`` is evaluated."""
    root = op.reduction
    count = math.prod(int(a.extent) for a in op.axes)
    return count * math.prod(int(a.extent) for a in root.axes) if root is not None else count


def shape_of(op: Compute) -> tuple[int, ...]:
    return tuple(a.extent for a in op.axes)
