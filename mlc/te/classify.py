"""What a compute is, by the structure of its body: names of operators play no part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from ..ir.affine import as_sum, linear_in
from ..ir.expr import Apply, Axis, Cast, Expr, Load, Reduce
from ..ir.rewrite import loads_of, variables_of
from ..records import dataclass
from .tensor import Call, Compute, Tensor

LONG_PIECE = 64  # elements that are worth being folded as a row is


class Kind(Enum):
    """The kinds of computes, from the cheapest to the dearest."""

    VIEW = "view"  # every element is an element of another tensor
    INJECTIVE = "injective"  # scalar functions of a few elements, no reduction
    REDUCTION = "reduction"
    CONTRACTION = "contraction"  # a reduction that reads each operand many times, as matmul does
    OPAQUE = "opaque"  # a tensor program: it reads and writes whole tensors


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


def classify(tensor: Tensor) -> Kind | None:
    """The kind of the compute that makes ``tensor``; None for placeholders and constants."""
    return kind_of(tensor.op) if isinstance(tensor.op, (Compute, Call)) else None


def kind_of(op: Compute | Call) -> Kind:
    """The kind of an operation."""
    if isinstance(op, Call):
        return Kind.OPAQUE
    if op.reduction is not None:
        return Kind.REDUCTION if contraction_of(op) is None else Kind.CONTRACTION
    return Kind.VIEW if is_view(op) else Kind.INJECTIVE


def is_view(op: Compute) -> bool:
    """Whether each element is one element of a tensor, at an index that no data decides."""
    (first, *rest) = op.body
    return not rest and isinstance(first, Load) and not any(map(_has_load, first.indices))


def is_affine_view(op: Compute) -> bool:
    """Whether the compute is a view that strides can express: transposes, slices, broadcasts."""
    first = op.body[0]
    return is_view(op) and isinstance(first, Load) and is_affine(first)


def is_affine(node: Load) -> bool:
    """Whether strides can express how ``node`` walks through memory."""
    if all(as_sum(index).is_affine for index in node.indices):
        return True
    from .address import address_of

    return address_of(node).is_affine


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


def axes_of(expr: Expr) -> set[Axis]:
    """The axes that ``expr`` depends on."""
    return {v for v in variables_of(expr) if isinstance(v, Axis)}


def points(axes: Iterable[Axis]) -> int:
    """How many points the axes span."""
    total = 1
    for axis in axes:
        total *= axis.extent
    return total


def _without_casts(expr: Expr) -> Expr:
    while isinstance(expr, Cast):
        expr = expr.value
    return expr


def _has_load(expr: Expr) -> bool:
    return bool(loads_of(expr))
