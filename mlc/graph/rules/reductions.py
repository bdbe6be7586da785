"""Reductions over axes that do nothing."""

from __future__ import annotations

from dataclasses import replace

from ...ir.expr import Axis, Expr, Reduce, Var, apply, cast, const, reduce
from ...ir.rewrite import substitute
from ...te.classify import axes_of, points
from ...te.tensor import Tensor
from ..graph import Node, with_operation

IDEMPOTENT = ("maximum", "minimum", "bitand", "bitor")


def drop_unit_axes(node: Node) -> tuple[Tensor, ...] | None:
    """``max(x[i, k], axis=k)`` -> ``x[i, 0]`` where k has extent 1.

    Sums of floats become ``0.0 + x[i, 0]``, as -0.0 sums to 0.0 in NumPy as well. Other
    combiners, such as that of argmax, are applied to their identity and the values in the same
    way.
    """
    root = node.compute.reduction
    if root is None or not any(axis.extent == 1 for axis in root.axes):
        return None
    mapping: dict[Var, Expr] = {axis: const(0) for axis in root.axes if axis.extent == 1}
    values = tuple(substitute(value, mapping) for value in root.values)
    return _replaced(node, root, values, tuple(a for a in root.axes if a.extent != 1))


def drop_unused_axes(node: Node) -> tuple[Tensor, ...] | None:
    """``max(x[i], axis=k)`` -> ``x[i]``, ``sum(n[i], axis=k)`` -> ``n[i] * size(k)`` for ints.

    The values must not depend on k, and k must have a point. Sums of floats round at each step:
    they stay.
    """
    root = node.compute.reduction
    if root is None or len(root.values) != 1:
        return None
    is_sum = root.combiner.fn == "add" and root.combiner.dtypes[0].is_integer
    if not is_sum and root.combiner.fn not in IDEMPOTENT:
        return None
    used = axes_of(root.values[0])
    unused = tuple(a for a in root.axes if a not in used and a.extent > 0)
    if not unused:
        return None
    (value,) = root.values
    if is_sum:
        value = apply("mul", value, cast(const(points(unused)), root.dtype))
    return _replaced(node, root, (value,), tuple(a for a in root.axes if a not in unused))


def _replaced(
    node: Node, root: Reduce, values: tuple[Expr, ...], axes: tuple[Axis, ...]
) -> tuple[Tensor, ...]:
    """``node`` with ``values`` folded over ``axes`` only."""
    parts = [part for part in node.compute.body if isinstance(part, Reduce)]
    if axes:
        body = tuple(reduce(root.combiner, values, axes, part.index) for part in parts)
    elif root.combiner.fn and not (root.combiner.fn == "add" and root.dtype.is_float):
        body = values
    else:
        folded = root.combiner.combine(root.combiner.identity, values)
        body = tuple(folded[part.index] for part in parts)
    if not axes and len(body) > 1:  # several results, and no fold that they share
        op = node.compute
        return tuple(
            Tensor(t.name, t.shape, t.dtype, replace(op, body=(body[t.index],)))
            for t in node.tensors
        )
    return with_operation(node, replace(node.compute, body=body)).tensors
