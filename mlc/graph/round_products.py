"""Products that the greatest of them, or the least, is subtracted from: each is rounded before."""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Apply, Expr, Load, apply
from ..te.tensor import Compute, Tensor
from .graph import Graph, Node, rebuild, with_operation
from .softmax_rows import FLOATS, elementwise, viewed

EXTREMES = ("max", "min")


def round_products(graph: Graph) -> Graph:
    """``a * b - max(a * b)`` -> ``rounded(a * b) - max(a * b)``.

    A fused multiply-add does not round the product: its difference from the greatest of those that
    were rounded would be half a place of that instead of 0. Where numbers are large, that is a lot
    for exp, and what is never below 0 has a square root.
    """

    def change(node: Node) -> tuple[Tensor, ...] | None:
        match elementwise(node.tensors[0]):
            case Apply(fn="sub", args=(Load() as a, Load() as b)) if a.dtype in FLOATS:
                pass
            case _:
                return None
        left, right = _rounded(a, b), _rounded(b, a)
        if left is a and right is b:
            return None
        body = (apply("sub", left, right),)
        return with_operation(node, replace(node.compute, body=body)).tensors

    return rebuild(graph, change)


def _rounded(product: Load, other: Load) -> Expr:
    """``product``, rounded if it is one and ``other`` is an extreme of such."""
    source = viewed(product).read.source
    made, op = elementwise(source), viewed(other).read.source.op
    root = op.reduction if isinstance(op, Compute) else None
    if not isinstance(made, Apply) or made.fn != "mul" or root is None:
        return product
    if root.combiner.name not in EXTREMES or not isinstance(root.values[0], Load):
        return product
    same = viewed(root.values[0]).read.source is source
    return apply("rounded", product) if same else product
