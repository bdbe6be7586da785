"""fold_constants: what depends on captured arrays alone is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..ir.expr import Expr, Load, Reduce, load, reduce
from ..ir.rewrite import substitute_loads
from ..te.evaluate import evaluate
from ..te.key import SMALL_CONSTANT, topological
from ..te.tensor import Compute, Constant, Tensor

MOST_POINTS = 1 << 20


def fold_constants(outputs: Sequence[Tensor]) -> list[Tensor]:
    """``f(constant)`` -> ``constant`` where result and inputs are small and the work is, too.

    Computes without any input (arange, zeros) stay: they cost nothing once merged into their users. The
    elements come from the reference evaluator.
    """
    swapped: dict[Tensor, Tensor] = {}
    rebuilt: dict[Compute, Compute] = {}  # the outputs of one compute stay together

    def over(tensor: Tensor, op: Compute) -> Tensor:
        fresh = rebuilt.get(op)
        if fresh is None:
            fresh = rebuilt[op] = rebuild(op, swapped)
        return Tensor(tensor.name, tensor.shape, tensor.dtype, fresh, tensor.index)

    for tensor in topological(outputs):
        op = tensor.op
        if not isinstance(op, Compute):
            continue
        inputs = [swapped.get(t, t) for t in op.inputs]
        small = [t for t in inputs if isinstance(t.op, Constant) and _bytes(t) <= SMALL_CONSTANT]
        if inputs and len(small) == len(inputs) and _bytes(tensor) <= SMALL_CONSTANT:
            if _points(tensor, op) <= MOST_POINTS:
                (array,) = evaluate([over(tensor, op)], {})
                swapped[tensor] = Tensor(tensor.name, tensor.shape, tensor.dtype, Constant(array))
                continue
        if any(t in swapped for t in op.inputs):
            swapped[tensor] = over(tensor, op)
    return [swapped.get(t, t) for t in outputs]


def _bytes(tensor: Tensor) -> int:
    return tensor.size * tensor.dtype.itemsize


def _points(tensor: Tensor, op: Compute) -> int:
    total = max(tensor.size, 1)
    for axis in () if op.reduction is None else op.reduction.axes:
        total *= axis.extent
    return total


def rebuild(op: Compute, swapped: dict[Tensor, Tensor]) -> Compute:
    """``op`` loading other tensors of the same shapes."""

    def on_load(use: Load) -> Expr | None:
        return load(swapped[use.source], use.indices) if use.source in swapped else None

    def changed(part: Expr) -> Expr:
        if isinstance(part, Reduce):
            values = tuple(substitute_loads(v, on_load) for v in part.values)
            return reduce(part.combiner, values, part.axes, part.index)
        return substitute_loads(part, on_load)

    return replace(op, body=tuple(map(changed, op.body)))
