"""Powers with a small constant exponent."""

from __future__ import annotations

from dataclasses import replace

from ...ir.expr import Apply, Const, Expr, apply
from ...ir.rewrite import rewrite
from ...te.tensor import Tensor
from ..graph import Node, with_operation


def multiply_out_powers(node: Node) -> tuple[Tensor, ...] | None:
    """``x ** 2`` -> ``x * x``, ``x ** 1`` -> ``x``; for integers also ``x ** 3`` -> ``x * x * x``.

    A square is rounded once either way. Higher powers of floats are not: they stay.
    """
    body = tuple(rewrite(part, _power) for part in node.compute.body)
    if all(a is b for a, b in zip(body, node.compute.body, strict=True)):
        return None
    return with_operation(node, replace(node.compute, body=body)).tensors


def _power(node: Expr) -> Expr | None:
    match node:
        case Apply(fn="pow", args=(x, Const(value=1))):
            return x
        case Apply(fn="pow", args=(x, Const(value=2))):
            return apply("mul", x, x)
        case Apply(fn="pow", args=(x, Const(value=3))) if x.dtype.is_integer:
            return apply("mul", apply("mul", x, x), x)
        case _:
            return None
