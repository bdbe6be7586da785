"""The graph as fusion sees it: one node for each compute, with its users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..ir.expr import Apply, Cast, Expr, Load, Reduce, Select
from ..ir.rewrite import loads_of, postorder
from ..ir.scalar import SCALAR_FNS
from ..te.key import topological
from ..te.tensor import Compute, Tensor


@dataclass(eq=False)
class Node:
    """One compute and those of its outputs that are used. ``op`` changes as producers are inlined."""

    op: Compute
    tensors: list[Tensor]
    users: list[Node] = field(default_factory=list)
    is_output: bool = False

    @property
    def is_reduction(self) -> bool:
        """Whether the compute reduces."""
        return self.op.reduction is not None

    @property
    def size(self) -> int:
        """Elements of each output."""
        return self.tensors[0].size

    @property
    def points(self) -> int:
        """Points visited: elements times reduced extents."""
        total = self.size
        root = self.op.reduction
        for axis in () if root is None else root.axes:
            total *= axis.extent
        return total

    def values(self) -> tuple[Expr, ...]:
        """The expressions evaluated at each point."""
        root = self.op.reduction
        if root is not None:
            return root.values
        return tuple(self.op.body[t.index] for t in self.tensors)

    def loads(self) -> list[Load]:
        """Every distinct load."""
        found: dict[Load, None] = {}
        for value in self.values():
            found.update(dict.fromkeys(loads_of(value)))
        return list(found)

    def is_contraction(self) -> bool:
        """Whether some operand of a sum is used again along an axis it does not depend on."""
        root = self.op.reduction
        if root is None or root.combiner.fn != "add" or len(self.loads()) < 2:
            return False
        axes = [a for a in (*self.op.axes, *root.axes) if a.extent > 1]
        used = [{v for i in n.indices for v in postorder(i)} for n in self.loads()]
        spatial = [a for a in axes if not a.is_reduce]
        return sum(any(a not in u for u in used) for a in spatial) >= 2


def expression_cost(values: Sequence[Expr]) -> float:
    """What evaluating ``values`` once costs, in additions; loads and index arithmetic are free."""
    seen: set[Expr] = set()
    cost = 0.0
    for value in values:
        for node in postorder(value):
            if node in seen or node.dtype.name == "int64" and not isinstance(node, Cast):
                continue
            seen.add(node)
            if isinstance(node, Apply):
                cost += SCALAR_FNS[node.fn].cost
            elif isinstance(node, (Select, Cast, Reduce)):
                cost += 1.0
    return cost


def build_nodes(outputs: Sequence[Tensor]) -> list[Node]:
    """The computes behind ``outputs`` in topological order."""
    nodes: dict[Compute, Node] = {}
    wanted = set(outputs)
    for tensor in topological(outputs):
        if not isinstance(tensor.op, Compute):
            continue
        node = nodes.get(tensor.op)
        if node is None:
            node = nodes[tensor.op] = Node(tensor.op, [])
        node.tensors.append(tensor)
        node.is_output |= tensor in wanted
    for node in nodes.values():
        producers = {t.op: None for t in node.op.inputs if isinstance(t.op, Compute)}
        for op in producers:
            nodes[op].users.append(node)
    return list(nodes.values())
