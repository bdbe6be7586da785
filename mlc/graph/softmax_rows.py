"""Where rows of a softmax are: exp of what is less the greatest of its row, and the sum of that."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import float32, float64
from ..ir.expr import Apply, Axis, Expr, Load
from ..records import dataclass
from ..te.classify import axes_of, is_view
from ..te.folds import contraction_of
from ..te.inline import remap_loads
from ..te.tensor import Compute, Operation, Tensor

FLOATS = (float32, float64)
GREATEST = "greatest"  # as max, but for NaN


@dataclass(frozen=True, eq=False)
class Found:
    """What is ``read``, and the arrays from the one that is loaded to the one that ``read`` is of,
    each a view of the next."""

    read: Load
    chain: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class SoftmaxRows:
    """``total`` is the sum of ``weights``, which are exp of ``shifted``, which are elements less
    the ``largest`` of their row."""

    total: Tensor
    weights: Tensor
    shifted: Tensor
    largest: Found


@dataclass(frozen=True, eq=False)
class WeightedProduct:
    """``rows.weights`` over the ``total`` of their row are the ``quotient`` that a product loads as
    ``operand``."""

    operand: Load
    quotient: Found
    total: Found
    rows: SoftmaxRows


def softmax_rows(total: Tensor) -> SoftmaxRows | None:
    """What the array ``total`` is the sum of; None unless it belongs to a softmax."""
    weights = _folded(total.op, "sum")
    if weights is None:
        return None
    match elementwise(weights):
        case Apply(fn="exp", args=(Load(source=shifted) as inner,)) if _is_whole(inner, weights):
            pass
        case _:
            return None
    match elementwise(shifted):
        case Apply(fn="sub", args=(left, Load() as one)):
            whole = left.args[0] if isinstance(left, Apply) and left.fn == "rounded" else left
            largest = viewed(one)
        case _:
            return None
    if not isinstance(whole, Load) or not _is_whole(whole, shifted):
        return None
    if not _is_of_row(largest.read, shifted):
        return None
    if _folded(largest.read.source.op, "max", GREATEST) is not whole.source:
        return None
    return SoftmaxRows(total, weights, shifted, largest)


def weighted_product(op: Operation) -> WeightedProduct | None:
    """What is divided by what, where ``op`` is a product over rows of a softmax."""
    if not isinstance(op, Compute) or op.reduction is None or op.reduction.dtype not in FLOATS:
        return None
    roles = contraction_of(op)
    if roles is None or len(roles.k) != 1:
        return None
    (key,) = roles.k
    for operand in (roles.lhs, roles.rhs):
        quotient = viewed(operand)
        divided = quotient.read.source
        *rows, last = quotient.read.indices or (None,)
        if last is not key or any(key in axes_of(index) for index in rows):
            continue
        match elementwise(divided):
            case Apply(fn="div", args=(Load(source=weights) as whole, Load() as below)):
                total = viewed(below)
            case _:
                continue
        found = softmax_rows(total.read.source)
        if found is None or found.weights is not weights:
            continue
        if _is_whole(whole, divided) and _is_of_row(total.read, divided):
            return WeightedProduct(operand, quotient, total, found)
    return None


def elementwise(tensor: Tensor) -> Expr | None:
    """What an element of ``tensor`` is, if it is made by one expression without a fold."""
    op = tensor.op
    if not isinstance(op, Compute) or len(op.body) != 1 or op.reduction is not None:
        return None
    return op.body[0]


def viewed(node: Load) -> Found:
    """What ``node`` is a view of, or itself."""
    chain = [node.source]
    while isinstance(op := node.source.op, Compute) and is_view(op):
        (body,) = op.body
        assert isinstance(body, Load)
        node = remap_loads(body, dict(zip(op.axes, node.indices, strict=True)))[body]
        chain.append(node.source)
    return Found(node, tuple(chain))


def _folded(op: Operation, *names: str) -> Tensor | None:
    """The array of floats of which ``op`` folds the last dimension, row by row, by a combiner of
    one of these names."""
    root = op.reduction if isinstance(op, Compute) else None
    if root is None or root.combiner.name not in names or len(root.axes) != 1:
        return None
    (value,), (axis,) = root.values, root.axes
    if not isinstance(value, Load) or value.dtype not in FLOATS or value.indices[-1] is not axis:
        return None
    source = value.source
    assert isinstance(op, Compute)
    is_whole = axis.extent == source.shape[-1]
    return source if is_whole and _same(value.indices[:-1], source.shape, op.axes) else None


def _is_whole(node: Load, tensor: Tensor) -> bool:
    """Whether an element of ``tensor`` reads the one at the same place of an array of its shape."""
    op = tensor.op
    assert isinstance(op, Compute)
    return node.source.shape == tensor.shape and _same(node.indices, tensor.shape, op.axes)


def _is_of_row(node: Load, tensor: Tensor) -> bool:
    """Whether ``node``, of an array with an element for each row, is that of the row at hand."""
    op = tensor.op
    assert isinstance(op, Compute)
    return _same(node.indices, node.source.shape, op.axes[:-1])


def _same(indices: Sequence[Expr], shape: Sequence[int], axes: Sequence[Axis]) -> bool:
    """Whether ``indices`` are ``axes``, those of one point left out."""
    wide = [index for index, extent in zip(indices, shape, strict=False) if extent != 1]
    kept = [axis for axis in axes if axis.extent != 1]
    return len(wide) == len(kept) and all(a is b for a, b in zip(wide, kept, strict=True))
