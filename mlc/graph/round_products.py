"""Products less their mean, or less the greatest or the least of them: each is rounded before."""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Apply, Const, Expr, Load, apply
from ..te.tensor import Compute, Tensor
from .graph import Graph, Node, rebuild, with_operation
from .softmax_rows import FLOATS, elementwise, viewed

EXTREMES: tuple[str, ...] = ("max", "min")


def round_products(graph: Graph) -> Graph:
    """``a * b - max(a * b)`` -> ``rounded(a * b) - max(a * b)``.

    A fused multiply-add does not round the product: its difference from the greatest of those that
    were rounded would be half a place of that instead of 0. Where numbers are large, that is a lot
    for exp, and what is never below 0 has a square root. Nor would numbers that are all the same be
    equal to their mean, and their deviation be 0.
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
    """``product``, rounded if it is one and ``other`` is a mean or an extreme of such."""
    source = viewed(product).read.source
    made = elementwise(source)
    if not isinstance(made, Apply) or made.fn != "mul":
        return product
    return apply("rounded", product) if _folded(other) is source else product


def _folded(read: Load) -> Tensor | None:
    """Of what ``read`` is an extreme or a mean; None if it is neither."""
    source, kinds = viewed(read).read.source, EXTREMES
    match elementwise(source):
        case Apply(fn="div", args=(Load() as total, _)):
            source, kinds = viewed(total).read.source, ("sum",)
    match elementwise(source):
        case Apply(fn="add", args=(Const(value=0), Load() as only)):
            return viewed(only).read.source  # the sum of one element
    root = source.op.reduction if isinstance(source.op, Compute) else None
    if root is None or root.combiner.name not in kinds or not isinstance(root.values[0], Load):
        return None
    return viewed(root.values[0]).read.source
