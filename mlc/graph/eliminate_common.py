"""Common subexpressions of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.combiner import Combiner
from ..ir.expr import Axis, Expr, Reduce, Var, reduce
from ..ir.rewrite import substitute
from ..te.key import SMALL_CONSTANT, combiner_text
from ..te.tensor import Call, Compute, Constant, Tensor
from .graph import Graph, Node, graph_of, redirect


def eliminate_common(graph: Graph) -> Graph:
    """``f(x), f(x)`` -> ``y = f(x); y, y``: computes with one body over the same tensors are one.

    Names, parameters and lines do not count. Constants are the same if they hold the same array, or
    small ones of equal elements.
    """
    normal = _Normal()
    mapping: dict[Tensor, Tensor] = {}
    first: dict[Any, Node] = {}
    for node in graph.nodes:
        for tensor in node.op.inputs:
            if isinstance(tensor.op, Constant):
                kept = normal.constants.setdefault(_content(tensor.op.array), tensor)
                if kept is not tensor:
                    mapping[tensor] = kept
        current = redirect(node, mapping)
        op = current.op
        key = normal.call_key(op) if isinstance(op, Call) else normal.key(op)
        same = first.setdefault(key, current)
        have = {t.index: t for t in same.tensors}
        for old, new in zip(node.tensors, current.tensors, strict=True):
            found = have.get(new.index)
            if found is None:
                found = Tensor(new.name, new.shape, new.dtype, same.op, new.index)
                have[new.index] = found
            if found is not old:
                mapping[old] = found
        first[key] = Node(same.op, tuple(have[n] for n in sorted(have)))
    if not mapping:
        return graph
    return graph_of(graph.inputs, (mapping.get(t, t) for t in graph.outputs))


def _content(array: np.ndarray[Any, Any]) -> Any:
    if array.nbytes > SMALL_CONSTANT:
        return id(array)
    return array.dtype, array.shape, array.strides, array.tobytes()


class _Normal:
    """Bodies over axes that are the same objects wherever they have the same place and extent.

    Expressions are interned, so equal bodies become one object. The objects are kept alive, as
    their identities are the keys.
    """

    def __init__(self) -> None:
        self.axes: dict[tuple[int, int, bool], Axis] = {}
        self.combiners: dict[tuple[str, str], Combiner] = {}
        self.constants: dict[Any, Tensor] = {}
        self.alive: list[Expr] = []

    def key(self, op: Compute) -> tuple[Any, ...]:
        """Equal for computes that have the same body."""
        mapping: dict[Var, Expr] = {a: self.axis(n, a) for n, a in enumerate(op.axes)}
        root = op.reduction
        if root is None:
            parts = [substitute(part, mapping) for part in op.body]
        else:
            over = tuple(self.axis(n, a) for n, a in enumerate(root.axes))
            mapping.update(zip(root.axes, over, strict=True))
            values = tuple(substitute(v, mapping) for v in root.values)
            combiner = self.combiners.setdefault(
                (combiner_text(root.combiner), str(root.combiner.dtypes)), root.combiner
            )
            parts = [
                reduce(combiner, values, over, part.index)
                for part in op.body
                if isinstance(part, Reduce)
            ]
        self.alive += parts
        return (tuple(a.extent for a in op.axes), *map(id, parts))

    def call_key(self, op: Call) -> tuple[Any, ...]:
        """Equal for calls of one program with the same tensors."""
        return ("call", id(op.program), *map(id, op.inputs))

    def axis(self, position: int, like: Axis) -> Axis:
        key = (position, like.extent, like.is_reduce)
        if key not in self.axes:
            self.axes[key] = Axis(like.name, like.extent, like.is_reduce)
        return self.axes[key]
