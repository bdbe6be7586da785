"""What a compute is, by the structure of its body: names of operators play no part."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ..ir.affine import as_sum
from ..ir.expr import Axis, Expr, Load
from ..ir.rewrite import loads_of, variables_of
from .tensor import Call, Compute, Tensor


class Kind(Enum):
    """The kinds of computes, from the cheapest to the dearest."""

    VIEW = "view"  # every element is an element of another tensor
    INJECTIVE = "injective"  # scalar functions of a few elements, no reduction
    REDUCTION = "reduction"
    CONTRACTION = "contraction"  # a reduction that reads each operand many times, as matmul does
    OPAQUE = "opaque"  # a tensor program: it reads and writes whole tensors


def classify(tensor: Tensor) -> Kind | None:
    """The kind of the compute that makes ``tensor``; None for placeholders and constants."""
    return kind_of(tensor.op) if isinstance(tensor.op, (Compute, Call)) else None


def kind_of(op: Compute | Call) -> Kind:
    """The kind of an operation."""
    if isinstance(op, Call):
        return Kind.OPAQUE
    if op.reduction is not None:
        from .folds import contraction_of

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


def axes_of(expr: Expr) -> set[Axis]:
    """The axes that ``expr`` depends on."""
    return {v for v in variables_of(expr) if isinstance(v, Axis)}


def points(axes: Iterable[Axis]) -> int:
    """How many points the axes span."""
    total = 1
    for axis in axes:
        total *= axis.extent
    return total


def _has_load(expr: Expr) -> bool:
    return bool(loads_of(expr))
