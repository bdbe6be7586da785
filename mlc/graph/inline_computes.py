"""Which computes become stages, and their bodies with everything else inlined.

Going from the outputs back to the inputs, each compute meets the stages that read it after all
its other users have been decided, so it is known how often each of its elements would be computed
again.
"""

from __future__ import annotations

from dataclasses import replace

from ..te.tensor import Call, Tensor
from .build_stage import Made, build_call, build_stage
from .decisions import Decisions
from .graph import Graph, Node, rebuild
from .root import Root, inline_node, new_root, new_root_for


def inline_computes(graph: Graph) -> list[Made]:
    """The stages of ``graph`` in order. Their tensors are new; they load inputs, constants and
    each other.

    A compute is a stage of its own if it is an output or a reduction, if a call reads it, or if it
    is dear and read often; all others are inlined. A reduction is never computed twice. A call is a
    stage.
    """
    decisions = Decisions(graph)
    readers: dict[Tensor, list[Root]] = {}
    roots: list[Root | Node] = []
    for node in reversed(graph.nodes):
        if isinstance(node.op, Call):
            roots.append(node)
            continue
        users = list({id(r): r for t in node.tensors for r in readers.get(t, ())}.values())
        is_whole = decisions.is_whole(node)
        inlined = bool(users) and decisions.is_inlined(node, users)
        if inlined:
            for user in users:
                for tensor in inline_node(user, node):
                    readers.setdefault(tensor, []).append(user)
        if not inlined or is_whole:
            reshaped = node.op.reduction is not None and not is_whole
            root = new_root_for(node, users) if reshaped else new_root(node)
            roots.append(root)
            for tensor in root.pending:
                readers.setdefault(tensor, []).append(root)
    stages: dict[Tensor, Tensor] = {}
    taken = {tensor.name: 1 for tensor in graph.inputs}
    return [
        build_stage(root, stages, taken)
        if isinstance(root, Root)
        else build_call(root, stages, taken)
        for root in reversed(roots)
    ]


def split_results(graph: Graph) -> Graph:
    """Computes that give several results without reducing become one compute for each result."""

    def split(node: Node) -> tuple[Tensor, ...] | None:
        op = node.compute
        if len(op.body) == 1 or op.reduction is not None:
            return None
        return tuple(
            Tensor(t.name, t.shape, t.dtype, replace(op, body=(op.body[t.index],)))
            for t in node.tensors
        )

    return rebuild(graph, split)
