"""rejoin_parts: all the parts of an array, joined as they were, are the array."""

from __future__ import annotations

from ..ir.expr import Expr, Load, Var, load
from ..ir.rewrite import substitute_loads
from ..ir.simplify import simplify
from ..te.classify import is_view
from ..te.inline import remap_loads
from ..te.tensor import Call, Compute, Tensor
from .graph import Graph, Node, rebuild
from .merge_parts import merge_parts


def rejoin_parts(graph: Graph) -> Graph:
    """``y[i, j] = select(j < 1, x[i, 0], x[i, 1])`` for an x of two columns -> ``y = x``, where x
    is computed: so complex numbers come and go."""
    return rebuild(graph, _whole)


def _whole(node: Node) -> tuple[Tensor, ...] | None:
    op = node.compute
    if op.op != "join":
        return None
    found = merge_parts(simplify(substitute_loads(op.body[0], _of_viewed)))
    if not isinstance(found, Load) or any(
        index is not axis for index, axis in zip(found.indices, op.axes, strict=False)
    ):
        return None
    source = found.source
    if not isinstance(source, Tensor) or not isinstance(source.op, (Compute, Call)):
        return None
    return (source,) if source.shape == node.tensors[0].shape else None


def _of_viewed(node: Load) -> Expr | None:
    """The element that ``node`` reads, of the array that its source is a view of."""
    found: Load = node
    while isinstance(op := found.source.op, Compute) and is_view(op):  # type: ignore[attr-defined]
        mapping: dict[Var, Expr] = dict(zip(op.axes, found.indices, strict=True))
        (found,) = remap_loads(op.body[0], mapping).values()
    return None if found is node else load(found.source, tuple(map(simplify, found.indices)))
