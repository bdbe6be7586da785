"""Every output gets a buffer of its own."""

from __future__ import annotations

from ..ir.expr import Axis, load
from ..te.tensor import Call, Compute, Tensor
from .graph import Graph, graph_of


def separate_outputs(graph: Graph) -> Graph:
    """``return x, y, y`` with an input ``x`` -> ``return copy(x), y, copy(y)``.

    An output that is an input, a constant or an output already becomes a copy, so that each is
    written by a kernel and none shares memory with another array.
    """
    seen: set[Tensor] = set()
    ends: list[Tensor] = []
    for tensor in graph.outputs:
        is_own = isinstance(tensor.op, (Compute, Call)) and tensor not in seen
        seen.add(tensor)
        ends.append(tensor if is_own else copy_of(tensor))
    if all(a is b for a, b in zip(ends, graph.outputs, strict=True)):
        return graph
    return graph_of(graph.inputs, ends)


def copy_of(tensor: Tensor) -> Tensor:
    """A compute that copies ``tensor``."""
    axes = tuple(Axis(f"i{d}", extent) for d, extent in enumerate(tensor.shape))
    op = Compute(axes, (load(tensor, axes),), "copy")
    return Tensor("copy", tensor.shape, tensor.dtype, op)
