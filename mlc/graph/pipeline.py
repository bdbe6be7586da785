"""From the outputs of a traced function to a module of kernels."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.expr import Axis, load
from ..te.tensor import Compute, Constant, Placeholder, Tensor
from .fold import fold_constants
from .group import group_stages
from .kernel import Module, Slot
from .memory import nbytes, plan_memory
from .merge import merge_producers
from .node import build_nodes


def build_module(inputs: Sequence[Tensor], outputs: Sequence[Tensor], name: str) -> Module:
    """Constants folded, producers merged into their users, stages grouped into kernels, memory planned.

    Computes that no output needs never get here: the graph is walked from its outputs. The same call
    made twice was numbered once when it was traced.
    """
    results = _own_results(fold_constants(outputs))
    nodes = merge_producers(build_nodes(results))
    kernels, fresh = group_stages(nodes, results)
    results = [fresh[t] for t in results]
    slots: dict[Tensor, Slot] = {t: Slot("input", n, nbytes(t)) for n, t in enumerate(inputs)}
    constants: dict[Tensor, None] = {}
    for kernel in kernels:
        constants.update(dict.fromkeys(t for t in kernel.inputs if isinstance(t.op, Constant)))
    slots.update({t: Slot("constant", n, nbytes(t)) for n, t in enumerate(constants)})
    slots.update({t: Slot("output", n, nbytes(t)) for n, t in enumerate(results)})
    offsets, size = plan_memory(kernels, set(results))
    slots.update({t: Slot("workspace", at, nbytes(t)) for t, at in offsets.items()})
    return Module(
        name, tuple(inputs), tuple(constants), tuple(results), tuple(kernels), slots, size
    )


def _own_results(outputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs, copied where one is an input, a constant, or the same tensor as another."""
    seen: set[Tensor] = set()
    own = []
    for tensor in outputs:
        if tensor in seen or isinstance(tensor.op, (Placeholder, Constant)):
            tensor = copy_of(tensor)
        seen.add(tensor)
        own.append(tensor)
    return own


def copy_of(tensor: Tensor) -> Tensor:
    """A compute with the same elements."""
    axes = tuple(Axis(f"i{d}", extent) for d, extent in enumerate(tensor.shape))
    op = Compute(axes, (load(tensor, axes),), "copy")
    return Tensor(f"{tensor.name}_copy", tensor.shape, tensor.dtype, op)
