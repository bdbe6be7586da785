"""Scalar simplification of every body."""

from __future__ import annotations

from dataclasses import replace

from ...ir.expr import Expr
from ...ir.simplify import simplify
from ...te.tensor import Tensor
from ..graph import Node, with_operation


def simplify_bodies(node: Node) -> tuple[Tensor, ...] | None:
    """``x[i * 1 + 0] * 1.0`` -> ``x[i]``: what :func:`mlc.ir.simplify.simplify` knows."""
    memo: dict[Expr, Expr] = {}
    body = tuple(simplify(part, memo=memo) for part in node.compute.body)
    if all(a is b for a, b in zip(body, node.compute.body, strict=True)):
        return None
    return with_operation(node, replace(node.compute, body=body)).tensors
