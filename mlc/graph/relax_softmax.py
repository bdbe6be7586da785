"""relax_softmax: a softmax in fewer steps, where nobody can tell.

::

    m = max(x); e = exp(x - m); s = sum(e)      ->  m = the greatest number in x; e, s as before
    (e / s) @ v                                 ->  (p * e) @ v / sum(p * e)
    e / s                                       ->  e * (1 / s)
    p * e                                       ->  exp_less(p, x, m)

A NaN in a row is in its sum, whatever the greatest element is said to be, and so in everything that
is computed with the sum: comparisons that pass NaN over serve, in a third of the instructions.

A product with weights takes one division for each of its results instead of one for each weight.
``p`` is a power of two, at most one over the length of a row: nothing is rounded for it, and sums
of ``p * e * v`` are as far from overflow as those of ``e / s * v``. What becomes too small for a
normal number is lost beside a sum that is at least ``p``.

That nothing is above ``m`` saves exp a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from ..dtypes import DType
from ..ir.combiner import Combiner, make_combiner
from ..ir.expr import Apply, Axis, Expr, Load, apply, const, load, reduce, select
from ..ir.rewrite import substitute, substitute_loads
from ..te.inline import remap_loads
from ..te.tensor import Compute, Operation, Tensor
from .graph import Graph, Node, graph_of, redirect, with_operation
from .softmax_rows import (
    GREATEST,
    SoftmaxRows,
    WeightedProduct,
    elementwise,
    softmax_rows,
    viewed,
    weighted_product,
)

ARITHMETIC = ("add", "sub", "mul", "div")  # NaN in, NaN out

Users = dict[Tensor, list[Operation]]


def relax_softmax(graph: Graph) -> Graph:
    """``graph`` with each softmax over the last dimension as said above."""
    users: Users = {tensor: [] for tensor in graph.outputs}
    for node in graph.nodes:
        for tensor in node.op.inputs:
            users.setdefault(tensor, []).append(node.op)
    ends = set(graph.outputs)
    changes: dict[Operation, Callable[[Node], Node]] = {}
    inverses: dict[Tensor, Tensor] = {}
    for node in graph.nodes:
        if _is_quotient(node.tensors[0]):
            changes[node.op] = lambda node: _multiplied(node, inverses)
        rows = softmax_rows(node.tensors[0])
        if rows is not None:
            changes[rows.weights.op] = _weights
            if _is_told_by_sum(rows, users, ends):
                changes[rows.largest.read.source.op] = _greatest
        product = weighted_product(node.op)
        if product is not None and _is_alone(product, users, ends):
            changes[node.op] = _divided_later
            changes.pop(product.quotient.read.source.op)
            changes.pop(product.rows.weights.op)
    if not changes:
        return graph
    mapping: dict[Tensor, Tensor] = {}
    for node in graph.nodes:
        current = redirect(node, mapping)
        if node.op in changes:
            current = changes[node.op](current)
        pairs = zip(node.tensors, current.tensors, strict=True)
        mapping.update((old, new) for old, new in pairs if old is not new)
    return graph_of(graph.inputs, (mapping.get(t, t) for t in graph.outputs))


def _weights(node: Node) -> Node:
    body = _less(node.compute, 1.0)
    return with_operation(node, replace(node.compute, body=(body,)))


def _less(weights: Compute, share: float) -> Expr:
    """``share`` times what ``weights``, exp of a difference, makes."""
    match weights.body[0]:
        case Apply(fn="exp", args=(Load(source=shifted, indices=indices),)):
            assert isinstance(shifted.op, Compute)
            (difference,) = shifted.op.body
            difference = substitute(difference, dict(zip(shifted.op.axes, indices, strict=True)))
            x, m = difference.children
            return apply("exp_less", const(share, x.dtype), x, m)
        case _:
            raise AssertionError("no exp of an array")


def _is_told_by_sum(rows: SoftmaxRows, users: Users, ends: set[Tensor]) -> bool:
    """Whether all that is made of a row is made with its sum as well."""
    inside = {rows.weights.op, rows.total.op}
    made = (*rows.largest.chain, rows.shifted, rows.weights)
    if ends.intersection(made) or any(len(users[t]) > 1 for t in rows.largest.chain):
        return False
    readers = {op for t in (rows.shifted, rows.weights) for op in users[t]}
    return all(_reads(op, rows.total) for op in readers - inside)


def _reads(op: Operation, total: Tensor) -> bool:
    """Whether ``op`` does arithmetic with ``total`` or its logarithm."""
    if not isinstance(op, Compute) or len(op.body) != 1:
        return False
    match op.body[0]:
        case Apply(fn=fn, args=args) if fn in ARITHMETIC:
            return any(_is_of(arg, total) for arg in args)
        case _:
            return False


def _is_of(arg: Expr, total: Tensor) -> bool:
    if not isinstance(arg, Load):
        return False
    source = viewed(arg).read.source
    match elementwise(source):
        case Apply(fn="log", args=(Load() as inner,)):
            source = viewed(inner).read.source
    return source is total


def _is_alone(product: WeightedProduct, users: Users, ends: set[Tensor]) -> bool:
    """Whether nobody else reads the weights, divided or not, or their sum."""
    divided, weights = product.quotient.read.source, product.rows.weights
    once = (*product.quotient.chain, *product.total.chain)
    if ends.intersection((weights, *once)) or any(len(users[t]) > 1 for t in once):
        return False
    return set(users[weights]) == {divided.op, product.rows.total.op}


def _is_quotient(tensor: Tensor) -> bool:
    """Whether ``tensor`` are weights over the sum of their row."""
    match elementwise(tensor):
        case Apply(fn="div", args=(Load(source=weights), Load() as below)):
            rows = softmax_rows(viewed(below).read.source)
            return rows is not None and rows.weights is weights
        case _:
            return False


def _multiplied(node: Node, inverses: dict[Tensor, Tensor]) -> Node:
    """The quotient ``node`` as a product with the inverse of the sum, one of ``inverses``."""
    match node.compute.body[0]:
        case Apply(args=(weights, Load(source=total, indices=indices))):
            inverse = inverses.setdefault(total, _inverse(total))
            body = apply("mul", weights, load(inverse, indices))
            return with_operation(node, replace(node.compute, body=(body,)))
        case _:
            raise AssertionError("not a quotient")


def _inverse(total: Tensor) -> Tensor:
    axes = tuple(Axis(f"i{d}", extent) for d, extent in enumerate(total.shape))
    body = apply("div", const(1.0, total.dtype), load(total, axes))
    return Tensor("inverse", total.shape, total.dtype, Compute(axes, (body,), "inverse"))


@cache
def _greater(dtype: DType) -> Combiner:
    """The greater of two numbers; NaN on the right changes nothing."""
    return make_combiner(
        GREATEST, lambda a, b: select(b > a, b, a), (dtype.lowest,), (dtype,), commutative=True
    )


def _greatest(node: Node) -> Node:
    root = node.compute.reduction
    assert root is not None
    body = reduce(_greater(root.dtype), root.values, root.axes)
    return with_operation(node, replace(node.compute, body=(body,)))


def _divided_later(node: Node) -> Node:
    """The product ``node`` with weights that are divided, as one whose results are."""
    found = weighted_product(node.op)
    assert found is not None
    op, root, (result,) = node.compute, node.compute.reduction, node.tensors
    whole = found.rows.weights
    assert root is not None and isinstance(whole.op, Compute)
    share = 2.0 ** -(whole.shape[-1] - 1).bit_length()
    weights = _made_by(whole, replace(whole.op, body=(_less(whole.op, share),)))
    total = _reading(found.rows.total, whole, weights)
    quotient = found.quotient.read
    read = load(weights, quotient.indices)
    value = substitute_loads(root.values[0], lambda n: read if n is found.operand else None)
    product = _made_by(result, replace(op, body=(reduce(root.combiner, (value,), root.axes),)))
    division = quotient.source.op
    assert isinstance(division, Compute)
    at_row = remap_loads(found.total.read, dict(zip(division.axes, quotient.indices, strict=True)))
    row = at_row[found.total.read]
    axes = tuple(Axis(a.name, a.extent) for a in op.axes)
    place = remap_loads(row, dict(zip(op.axes, axes, strict=True)))[row]
    body = apply("div", load(product, axes), load(total, place.indices))
    end = _made_by(result, Compute(axes, (body,), division.op, division.params, division.location))
    return Node(end.op, (end,))  # type: ignore[arg-type]


def _made_by(tensor: Tensor, op: Compute) -> Tensor:
    return Tensor(tensor.name, tensor.shape, tensor.dtype, op)


def _reading(tensor: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """``tensor`` made of ``new`` instead of ``old``."""
    assert isinstance(tensor.op, Compute)
    (changed,) = redirect(Node(tensor.op, (tensor,)), {old: new}).tensors
    return changed
