"""What an element of a compute costs, in additions."""

from __future__ import annotations

from ..dtypes import int64
from ..ir.expr import Apply, Cast, Expr, Load, Select
from ..ir.rewrite import postorder
from ..ir.scalar import SCALAR_FNS
from ..te.classify import is_view
from ..te.tensor import Compute

INDEX_FNS = ("add", "sub", "mul", "neg", "minimum", "maximum")  # free inside an address


def own_cost(op: Compute) -> int:
    """The work of one point of ``op``, loads left out. Addresses of sums and products are free."""
    values = _value_nodes(op)
    cost = 0
    for node in {n for part in op.body for n in postorder(part)}:
        match node:
            case Apply(fn=fn) if node not in values:
                cost += 0 if fn in INDEX_FNS else SCALAR_FNS[fn].cost
            case Apply(fn=fn):
                # integers are divided by constants, most of the time
                cost += min(SCALAR_FNS[fn].cost, 4 if node.dtype is int64 else 100)
            case Cast() | Select():
                cost += 1
    return cost


def count_nodes(op: Compute) -> int:
    """How many distinct nodes the body has; loads, constants and variables left out."""
    return len({n for part in op.body for n in postorder(part) if _is_counted(n)})


def _is_counted(node: Expr) -> bool:
    return bool(node.children) and not isinstance(node, Load)


def is_number(op: Compute) -> bool:
    """Whether ``op`` is a constant or an index everywhere."""
    return op.reduction is None and all(not part.children for part in op.body)


def is_free(op: Compute) -> bool:
    """Whether ``op`` computes nothing: a view or a number."""
    return is_view(op) or is_number(op)


def _value_nodes(op: Compute) -> set[Expr]:
    """The nodes that stand elsewhere than in the index of a load."""
    values: set[Expr] = set()
    stack: list[Expr] = list(op.body)
    while stack:
        node = stack.pop()
        if node not in values:
            values.add(node)
            if not isinstance(node, Load):
                stack.extend(node.children)
    return values
