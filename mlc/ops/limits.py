"""Python ints among the arguments that become narrower integers: NumPy refuses those that do not
fit, so what was traced for all of them holds for those that fit alone."""

from __future__ import annotations

from typing import Any

from ..dtypes import DType, int64
from ..ir.affine import as_sum
from ..ir.expr import Expr, Load
from ..ir.rewrite import substitute_loads
from ..te.tensor import Compute, Placeholder, Tensor

_DEEP = 40  # integers made of integers that are looked through


def note_conversion(trace: Any, value: Any, dtype: DType) -> None:
    """Let ``trace`` know that ``value`` becomes ``dtype``: if that is a Python int, an argument or
    one times a number plus another, the trace holds for arguments for which it fits."""
    if dtype.kind not in "iu" or dtype is int64 or not isinstance(value, Tensor):
        return
    while getattr(trace, "outer", None) is not None:
        trace = trace.outer
    if trace is None or value not in trace.weak or value.dtype is not int64:
        return
    terms = as_sum(_written_out(value[()], _DEEP))
    match terms.terms:
        case ((Load(source=Tensor(op=Placeholder()) as argument), factor),):
            ends = dtype.lowest - terms.constant, dtype.highest - terms.constant
            first, last = ends if factor > 0 else (-ends[1], -ends[0])
            low, high = trace.limits.get(argument, (int64.lowest, int64.highest))
            first, last = -(-first // abs(factor)), last // abs(factor)
            trace.limits[argument] = max(low, first), min(high, last)


def _written_out(expr: Expr, deep: int) -> Expr:
    """``expr`` with the integers in it written as what they are made of."""

    def made_of(node: Load) -> Expr | None:
        source = node.source
        if not deep or not isinstance(source, Tensor) or source.shape or source.dtype is not int64:
            return None
        if not isinstance(source.op, Compute) or source.op.reduction is not None:
            return None
        return _written_out(source.op.body[source.index], deep - 1)

    return substitute_loads(expr, made_of)
