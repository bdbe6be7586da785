"""The graph that passes rewrite: its operations in order, and how to rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..ir.expr import Load, load
from ..ir.rewrite import substitute_loads
from ..records import cached_property, dataclass
from ..te.key import topological
from ..te.tensor import Call, Compute, Tensor
from .cost import count_nodes


@dataclass(frozen=True, eq=False)
class Node:
    """An operation and those of its results that are used, by increasing index."""

    op: Compute | Call
    tensors: tuple[Tensor, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensors[0].shape

    @property
    def size(self) -> int:
        """Number of points, reduce axes included."""
        total = self.tensors[0].size
        root = None if isinstance(self.op, Call) else self.op.reduction
        for axis in () if root is None else root.axes:
            total *= int(axis.extent)
        return total

    @cached_property
    def weight(self) -> int:
        """How many distinct nodes the body has."""
        return 1 if isinstance(self.op, Call) else count_nodes(self.op)

    @property
    def compute(self) -> Compute:
        """The operation, where it cannot be a call."""
        assert isinstance(self.op, Compute)
        return self.op


@dataclass(frozen=True, eq=False)
class Graph:
    """What leads from ``inputs`` to ``outputs``; ``nodes`` come after the nodes they read."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]

    def makers(self) -> dict[Tensor, Node]:
        """The node of every computed tensor."""
        return {tensor: node for node in self.nodes for tensor in node.tensors}


def graph_of(inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> Graph:
    """The graph of everything that ``outputs`` need, and of nothing else."""
    ends = tuple(outputs)
    results: dict[Compute | Call, list[Tensor]] = {}
    for tensor in topological(ends):
        if isinstance(tensor.op, (Compute, Call)):
            results.setdefault(tensor.op, []).append(tensor)
    nodes = tuple(
        Node(op, tuple(sorted(tensors, key=lambda t: t.index))) for op, tensors in results.items()
    )
    return Graph(tuple(inputs), ends, nodes)


Change = Callable[[Node], "tuple[Tensor, ...] | None"]


def rebuild(graph: Graph, change: Change) -> Graph:
    """``graph`` with each compute replaced by what ``change`` returns for it; calls stay.

    That is one tensor for each of the node's, of the same shape and dtype, or None to keep them.
    Nodes come after those they read.
    """
    mapping: dict[Tensor, Tensor] = {}
    for node in graph.nodes:
        current = redirect(node, mapping)
        is_call = isinstance(current.op, Call)
        tensors = current.tensors if is_call else change(current) or current.tensors
        for old, new in zip(node.tensors, tensors, strict=True):
            assert old.shape == new.shape and old.dtype is new.dtype
            if old is not new:
                mapping[old] = new
    if not mapping:
        return graph
    return graph_of(graph.inputs, (mapping.get(t, t) for t in graph.outputs))


def redirect(node: Node, mapping: Mapping[Tensor, Tensor]) -> Node:
    """``node`` reading ``mapping[t]`` instead of ``t``; the same node if it reads none of those."""
    if not any(t in mapping for t in node.op.inputs):
        return node
    if isinstance(node.op, Call):
        inputs = tuple(mapping.get(t, t) for t in node.op.inputs)
        return with_operation(node, replace(node.op, inputs=inputs))

    def on_load(found: Load) -> Load | None:
        other = mapping.get(found.source)
        return None if other is None else load(other, found.indices)  # type: ignore[return-value]

    op = replace(node.op, body=tuple(substitute_loads(part, on_load) for part in node.op.body))
    return with_operation(node, op)


def with_operation(node: Node, op: Compute | Call) -> Node:
    """``node`` computed by ``op``: new tensors with the old names."""
    return Node(op, tuple(Tensor(t.name, t.shape, t.dtype, op, t.index) for t in node.tensors))


def unique_name(wish: str, taken: dict[str, int]) -> str:
    """``wish``, numbered if it is in ``taken`` already; it is afterwards."""
    count = taken.get(wish, 0)
    taken[wish] = count + 1
    return wish if count == 0 else unique_name(f"{wish}_{count}", taken)
