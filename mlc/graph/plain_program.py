"""A graph as one program to be scheduled by hand: a block for each operator, nothing fused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..ir.expr import Reduce, reduce
from ..ir.program import Program, Scope
from ..te.program import Nest, create_program
from ..te.tensor import Compute, Constant, Tensor
from .graph import graph_of, unique_name
from .pipeline import PASSES


def plain_program(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], name: str
) -> tuple[Program, tuple[Tensor, ...]]:
    """The program that computes ``outputs``, and the constants that it reads.

    The graph is simplified, but nothing is inlined: each compute that is left is a block in loops
    of its own, named after its tensor, and what is no output is allocated. Params are the inputs,
    the constants and the outputs.
    """
    graph = graph_of(inputs, outputs)
    for rewrite_graph in PASSES:
        graph = rewrite_graph(graph)
    read = dict.fromkeys(t for node in graph.nodes for t in node.op.inputs)
    constants = tuple(t for t in read if isinstance(t.op, Constant))
    taken: dict[str, int] = {}
    for tensor in (*inputs, *constants):
        unique_name(tensor.name, taken)
    for tensor in (t for node in graph.nodes for t in node.tensors):
        tensor.name = unique_name(_label(tensor), taken)
    nests = [nest_of(node.tensors) for node in graph.nodes]
    program = create_program(
        name, nests, (*inputs, *constants), graph.outputs, local_scope=Scope.GLOBAL
    )
    return program, constants


def nest_of(tensors: tuple[Tensor, ...]) -> Nest:
    """The nest that fills ``tensors``, results of one compute. Parts of a reduction that nobody
    reads get tensors all the same."""
    op = tensors[0].op
    assert isinstance(op, Compute)
    root = op.reduction
    if root is None:
        chosen = sorted(tensors, key=lambda t: t.index)
        return Nest(tuple(chosen), replace(op, body=tuple(op.body[t.index] for t in chosen)))
    by_part = {_part(op, t): t for t in tensors}
    first = tensors[0]
    body = tuple(
        reduce(root.combiner, root.values, root.axes, n) for n in range(len(root.combiner.dtypes))
    )
    full = replace(op, body=body)
    parts = tuple(
        by_part.get(n) or Tensor(f"{first.name}_rest", first.shape, part.dtype, full, n)
        for n, part in enumerate(body)
    )
    return Nest(parts, full)


def _part(op: Compute, tensor: Tensor) -> int:
    root = op.body[tensor.index]
    assert isinstance(root, Reduce)
    return root.index


def _label(tensor: Tensor) -> str:
    """``linear.matmul`` -> ``linear_matmul``: a name that a block can have."""
    return re.sub(r"\W+", "_", tensor.name, flags=re.ASCII).strip("_") or "block"
