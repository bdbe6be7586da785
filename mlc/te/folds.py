"""What a reduction is, by what it folds: products of two operands, rows or columns."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.affine import linear_in
from ..ir.expr import Apply, Axis, Cast, Expr, Load, Reduce
from ..ir.rewrite import loads_of, variables_of
from ..records import dataclass
from .classify import axes_of, points
from .tensor import Compute

LONG_PIECE = 64  # elements that are worth being folded as a row is


@dataclass(frozen=True, eq=False)
class Contraction:
    """``out[batch, m, n] = sum over k of lhs[batch, m, k] * rhs[batch, n, k]``, axes in any order.

    ``m`` holds the spatial axes that ``lhs`` alone depends on, ``n`` those of ``rhs``, ``batch``
    the rest; ``k`` are the reduce axes. Each is in the order of the compute. An operand may be
    under casts, and an index may mix axes, as that of a convolution does.
    """

    lhs: Load
    rhs: Load
    batch: tuple[Axis, ...]
    m: tuple[Axis, ...]
    n: tuple[Axis, ...]
    k: tuple[Axis, ...]


def contraction_of(op: Compute, least: int = 2) -> Contraction | None:
    """The roles of the axes if ``op`` is a contraction; ``m`` and ``n`` have ``least`` points or
    more."""
    root = op.reduction
    if root is None or root.combiner.fn != "add":
        return None
    match _without_casts(root.values[0]):
        case Apply(fn="mul", args=(a, b)):
            lhs, rhs = _without_casts(a), _without_casts(b)
        case _:
            return None
    if not (isinstance(lhs, Load) and isinstance(rhs, Load)) or lhs is rhs:
        return None
    of_lhs, of_rhs = axes_of(lhs), axes_of(rhs)
    m = tuple(a for a in op.axes if a in of_lhs and a not in of_rhs)
    n = tuple(a for a in op.axes if a in of_rhs and a not in of_lhs)
    batch = tuple(a for a in op.axes if (a in of_lhs) == (a in of_rhs))
    if points(m) < least or points(n) < least:
        return None
    return Contraction(lhs, rhs, batch, m, n, root.axes)


def folds_rows(root: Reduce) -> bool:
    """Whether the reduction runs along the last dimension of what it reads.

    If so it can be made row by row; over other dimensions it is made for many columns at once.
    """
    found = False
    for part in root.values:
        for node in loads_of(part):
            if not node.indices:
                continue
            used = {v for index in node.indices for v in variables_of(index)}
            last = set(variables_of(node.indices[-1]))
            if not any(axis in used for axis in root.axes):
                continue
            columns = [v for v in last if isinstance(v, Axis) and not v.is_reduce and v.extent > 1]
            if columns and not _is_of_pieces(node.indices[-1], columns, root.axes):
                return False
            found = True
    return found


def _is_of_pieces(index: Expr, columns: Sequence[Axis], folded: Sequence[Axis]) -> bool:
    """Whether ``index`` is of long pieces of a row that lie one behind the other, as in
    ``1000 * j + k``, k < 1000."""
    piece = max((a.extent for a in folded if linear_in(index, a) == 1), default=0)
    steps = [linear_in(index, a) for a in columns]
    return piece >= LONG_PIECE and all(n is not None and n >= piece for n in steps)


def _without_casts(expr: Expr) -> Expr:
    while isinstance(expr, Cast):
        expr = expr.value
    return expr
