"""What an element of a compute costs, in additions."""

from __future__ import annotations

from ..dtypes import int64
from ..ir.expr import Apply, Cast, Expr, Load, Reduce, Select
from ..ir.rewrite import postorder
from ..ir.scalar import SCALAR_FNS
from ..te.classify import is_view
from ..te.tensor import Compute

INDEX_FNS = ("add", "sub", "mul", "neg", "minimum", "maximum")  # free inside an address


def own_cost(op: Compute) -> int:
    """The work of one point of ``op``, loads left out. Addresses of sums and products are free."""
    addresses = _index_nodes(op)
    cost = 0
    for part in op.body:
        for node in postorder(part):
            match node:
                case Apply(fn=fn) if node in addresses:
                    cost += 0 if fn in INDEX_FNS else SCALAR_FNS[fn].cost
                case Apply(fn=fn):
                    # integers are divided by constants, most of the time
                    cost += (
                        min(SCALAR_FNS[fn].cost, 4) if node.dtype is int64 else SCALAR_FNS[fn].cost
                    )
                case Cast() | Select():
                    cost += 1
    return cost


def count_nodes(op: Compute) -> int:
    """How many distinct nodes the body has, constants and variables left out."""
    return sum(1 for part in op.body for node in postorder(part) if node.children)


def is_free(op: Compute) -> bool:
    """Whether ``op`` computes nothing: a view, or a constant everywhere."""
    return is_view(op) or all(not part.children for part in op.body if not isinstance(part, Reduce))


def _index_nodes(op: Compute) -> set[Expr]:
    """The nodes that stand in an index of a load and nowhere else."""
    values: set[Expr] = set()
    stack: list[Expr] = list(op.body)
    while stack:
        node = stack.pop()
        if node not in values:
            values.add(node)
            if not isinstance(node, Load):
                stack.extend(node.children)
    found: set[Expr] = set()
    for part in op.body:
        found.update(node for node in postorder(part) if node not in values)
    return found
