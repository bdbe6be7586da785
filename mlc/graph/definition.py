"""Inlining: a tensor's own expression in place of loads of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..ir.expr import Axis, Expr, Load, Reduce, Var, reduce
from ..ir.rewrite import substitute, substitute_loads
from ..ir.simplify import simplify
from ..te.tensor import Compute, Tensor


@dataclass(frozen=True, eq=False)
class Definition:
    """What an element of a tensor is: ``value`` at the point ``axes``. No reductions."""

    axes: tuple[Axis, ...]
    value: Expr


def inline(op: Compute, definitions: Mapping[Tensor, Definition]) -> Compute:
    """``op`` with loads of the defined tensors replaced: ``B[i] = f(A[g(i)])`` with ``A[j] = h(j)``
    -> ``B[i] = f(h(g(i)))``. Returns ``op`` itself if it loads none of them."""
    if not any(tensor in definitions for tensor in op.inputs):
        return op

    def on_load(node: Load) -> Expr | None:
        found = definitions.get(node.source)
        if found is None:
            return None
        mapping: dict[Var, Expr] = dict(zip(found.axes, node.indices, strict=True))
        return substitute(found.value, mapping)

    def changed(expr: Expr) -> Expr:
        if isinstance(expr, Reduce):
            values = tuple(simplify(substitute_loads(v, on_load)) for v in expr.values)
            return reduce(expr.combiner, values, expr.axes, expr.index)
        return simplify(substitute_loads(expr, on_load))

    return replace(op, body=tuple(map(changed, op.body)))
