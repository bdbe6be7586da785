"""Computes of constants, done while compiling."""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Expr, Load, const
from ..ir.rewrite import loads_of, substitute_loads
from ..te.key import SMALL_CONSTANT
from ..te.tensor import Constant, Tensor
from .graph import Graph, Node, rebuild, with_operation

MAX_POINTS = 1 << 20


def fold_constants(graph: Graph) -> Graph:
    """``f(constant)`` -> a constant, and a constant with one value -> that number.

    Only constants of up to ``SMALL_CONSTANT`` bytes take part: the elements of larger ones do not
    count in the key under which compiled code is kept. A compute that reads nothing (arange,
    zeros) stays: it costs less than memory does.
    """

    def fold(node: Node) -> tuple[Tensor, ...] | None:
        arrays = [t.op.array for t in node.compute.inputs if isinstance(t.op, Constant)]
        small = [array for array in arrays if array.nbytes <= SMALL_CONSTANT]
        if not small:
            return None
        result = sum(t.size * t.dtype.itemsize for t in node.tensors)
        if (
            len(small) == len(node.compute.inputs)
            and result <= SMALL_CONSTANT
            and node.size <= MAX_POINTS
        ):
            from ..te.evaluate import evaluate  # few graphs need it

            values = evaluate(node.tensors, {})
            return tuple(
                Tensor(t.name, t.shape, t.dtype, Constant(value))
                for t, value in zip(node.tensors, values, strict=True)
            )
        return _with_numbers(node)

    return rebuild(graph, fold)


def _with_numbers(node: Node) -> tuple[Tensor, ...] | None:
    numbers: dict[Tensor, Expr] = {}
    for tensor in node.compute.inputs:
        if isinstance(tensor.op, Constant) and tensor.op.array.nbytes <= SMALL_CONSTANT:
            value = _only_value(tensor)
            if value is not None:
                numbers[tensor] = value
    if not numbers:
        return None

    def on_load(found: Load) -> Expr | None:
        return numbers.get(found.source)

    body = tuple(substitute_loads(part, on_load) for part in node.compute.body)
    assert not any(n.source in numbers for part in body for n in loads_of(part))
    return with_operation(node, replace(node.compute, body=body)).tensors


def _only_value(tensor: Tensor) -> Expr | None:
    """The number that every element is, by its bits; None if there are several, or none."""
    assert isinstance(tensor.op, Constant)
    array = tensor.op.array
    if array.size == 0:
        return None
    head = array.flat[0]
    if array.size > 1:
        raw = array.tobytes()
        if raw != raw[: array.itemsize] * array.size:
            return None
    if head != head:  # the bits of a NaN are its own
        return None
    return const(head, tensor.dtype)
