"""Algebra on single computes: rules that keep every bit, NaN, infinities and signed zeros included.

A rule takes a node and returns the tensors that replace its own, or None. What scalar expressions
can do is in :mod:`mlc.ir.simplify`; views of views and casts of casts meet there once they are
inlined.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ...ir.expr import Apply, Load
from ...ir.rewrite import postorder
from ...te.tensor import Tensor
from ..graph import Graph, Node, rebuild
from .scalars import simplify_bodies

Rule = Callable[[Node], "tuple[Tensor, ...] | None"]


def _where(may_change: Callable[[Node], bool], file: str, name: str) -> Rule:
    """The rule of that name, whose file is loaded for nodes that it may change."""

    def rule(node: Node) -> tuple[Tensor, ...] | None:
        if not may_change(node):
            return None
        found: Rule = getattr(import_module(f"{__package__}.{file}"), name)
        return found(node)

    rule.__name__ = name
    return rule


def _raises_to_powers(node: Node) -> bool:
    nodes = (n for part in node.compute.body for n in postorder(part))
    return any(isinstance(n, Apply) and n.fn == "pow" for n in nodes)


def _folds(node: Node) -> bool:
    return node.compute.reduction is not None


def _moves(node: Node) -> bool:
    return isinstance(node.compute.body[0], Load)


RULES: tuple[Rule, ...] = (
    simplify_bodies,
    _where(_raises_to_powers, "powers", "multiply_out_powers"),
    _where(_folds, "reductions", "drop_unit_axes"),
    _where(_folds, "reductions", "drop_unused_axes"),
    _where(_moves, "views", "shorten_views"),
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
