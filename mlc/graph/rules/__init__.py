"""Algebra on single computes: rules that keep every bit, NaN, infinities and signed zeros included.

A rule takes a node and returns the tensors that replace its own, or None. What scalar expressions
can do is in :mod:`mlc.ir.simplify`; views of views and casts of casts meet there once they are
inlined.
"""

from __future__ import annotations

from collections.abc import Callable

from ...te.tensor import Tensor
from ..graph import Graph, Node, rebuild
from .powers import multiply_out_powers
from .reductions import drop_unit_axes, drop_unused_axes
from .scalars import simplify_bodies
from .views import shorten_views

Rule = Callable[[Node], "tuple[Tensor, ...] | None"]

RULES: tuple[Rule, ...] = (
    simplify_bodies,
    multiply_out_powers,
    drop_unit_axes,
    drop_unused_axes,
    shorten_views,
)


def apply_rules(graph: Graph) -> Graph:
    """Each rule once to each node, inputs first."""

    def change(node: Node) -> tuple[Tensor, ...] | None:
        current = node
        for rule in RULES:
            tensors = rule(current)
            if tensors is not None:
                op = tensors[0].op
                assert not hasattr(op, "array")
                current = Node(op, tensors)  # type: ignore[arg-type]
        return None if current is node else current.tensors

    return rebuild(graph, change)
