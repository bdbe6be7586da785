"""A graph as one program to be scheduled by hand: a block for each operator, nothing fused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import UnsupportedError
from ..ir.program import Program, Scope
from ..te.nests import nest_of
from ..te.program import create_program
from ..te.tensor import Call, Constant, Tensor
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
    for node in graph.nodes:
        if isinstance(node.op, Call):
            raise UnsupportedError(
                f"a schedule can be given to functions of expressions per element; {node.op.op} is "
                f"a program of its own: leave it out of the scheduled function",
                node.op.location,
            )
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


def _label(tensor: Tensor) -> str:
    """``linear.matmul`` -> ``linear_matmul``: a name that a block can have."""
    return re.sub(r"\W+", "_", tensor.name, flags=re.ASCII).strip("_") or "block"
