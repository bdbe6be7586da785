"""Where in memory a load reads, counted in elements."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.affine import Sum, as_sum
from ..ir.expr import Axis, Expr, Load, const
from ..ir.program import contiguous_strides
from ..ir.simplify import simplify
from .tensor import Placeholder, Tensor


def strides_of(tensor: Tensor) -> tuple[int, ...]:
    """The strides in elements: those of a placeholder may be any, all others are C-contiguous."""
    op = tensor.op
    if isinstance(op, Placeholder) and op.strides is not None:
        return op.strides
    return contiguous_strides(tensor.shape)


def address_of(node: Load) -> Sum:
    """The distance from the first element of the tensor, as a sum.

    What a reshape writes as quotients and remainders comes together again here where it can.
    """
    total: Expr = const(0)
    shape = node.source.shape
    for stride, index, extent in zip(strides_of(node.source), node.indices, shape, strict=True):
        if extent > 1:
            total = total + index * stride
    return as_sum(simplify(total))


def covers(node: Load, axes: Sequence[Axis], in_order: bool) -> bool:
    """Whether ``node`` reads each element of its tensor once while ``axes`` run.

    With ``in_order`` it must read them in the order of memory, so that it is a mere reshape. The
    tensor is taken to be contiguous.
    """
    address = address_of(node)
    if not address.is_affine or address.constant:
        return False
    steps = dict(address.terms)
    wide = [axis for axis in axes if axis.extent > 1]
    if len(steps) != len(wide) or any(axis not in steps for axis in wide):
        return False
    found = [(steps[axis], axis.extent) for axis in reversed(wide)]
    expected = 1
    for step, extent in found if in_order else sorted(found):
        if step != expected:
            return False
        expected *= extent
    return bool(expected == node.source.size)
