"""merge_producers: which computes are evaluated inside their users instead of being stored."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.rewrite import postorder
from .definition import Definition, inline
from ..te.tensor import Tensor
from .node import Node, expression_cost

MOST_NODES = 400  # distinct sub-expressions in one merged body
MOST_SOURCES = 24  # distinct tensors that one merged body loads
WORTH_REPEATING = 5.0  # additions per element that are repeated rather than stored and loaded


def merge_producers(nodes: Sequence[Node]) -> list[Node]:
    """``t = x * y; s = sum(t)`` -> ``s = sum(x * y)``; returns the nodes that are left.

    A producer is merged if its users read each element once, if it is a mere view, or if repeating it
    is cheaper than storing it. A reduction is never repeated, and only views are merged into contractions,
    which would repeat anything else for each of their points.
    """
    definitions: dict[Tensor, Definition] = {}
    left: list[Node] = []
    for node in nodes:
        node.op = inline(node.op, definitions)
        if _merges(node):
            for tensor in node.tensors:
                definitions[tensor] = Definition(node.op.axes, node.op.body[tensor.index])
        else:
            left.append(node)
    return left


def _merges(node: Node) -> bool:
    if node.is_reduction or node.is_output or not node.users:
        return False
    values = node.values()
    cost = expression_cost(values)
    sources = {n.source for n in node.loads()}
    if cost == 0 and not sources:
        return True  # a number, or an index such as arange's
    distinct = sum(1 for value in values for _ in postorder(value))
    if distinct > MOST_NODES or len(sources) > MOST_SOURCES:
        return False
    readers = sum(max(user.points / max(node.size, 1), 1.0) for user in node.users)
    is_view = cost == 0 or (cost <= 1 and len(node.loads()) <= 1)
    if any(user.is_contraction() for user in node.users):
        return cost == 0
    if is_view and len(sources) <= 1:
        return True
    if readers <= 1.001:
        return True
    return cost * (readers - 1) <= WORTH_REPEATING
