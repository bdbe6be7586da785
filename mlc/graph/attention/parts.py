"""What an attention is made of, and expressions about it."""

from __future__ import annotations

from collections.abc import Mapping

from ...dtypes import DType
from ...ir.affine import linear_in
from ...ir.expr import Axis, Cast, Expr, Load, load
from ...ir.program import Buffer
from ...ir.rewrite import loads_of, rewrite, variables_of
from ...records import dataclass
from ...te.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Attention:
    """``out[axes] = sum over key of weight[row, key] * values[key, column] / sum of weight``, for
    each point of ``batch``.

    ``query`` and ``keys`` speak of ``depth``, over which their product is summed to ``product``;
    ``score`` speaks of that, ``weight`` of ``score`` and ``largest``, the greatest score of the
    row; ``counted`` is what is summed of ``weight``. The result has ``shape``, and the element at
    ``axes`` stands at ``places``. ``kind`` is what tensor cores call the
    operands, or None.
    """

    axes: tuple[Axis, ...]
    batch: tuple[Axis, ...]
    row: Axis
    key: Axis
    depth: Axis
    column: Axis
    query: Expr
    keys: Expr
    values: Expr
    product: Load
    score: Expr
    largest: Load
    weight: Expr
    counted: Expr
    rounded: DType  # of a weight that is multiplied
    total: DType
    out: DType
    kind: DType | str | None
    places: tuple[Expr, ...]
    shape: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What is read from memory."""
        parts = (self.query, self.keys, self.values, self.score)
        inside = (self.product.source, self.largest.source)
        read = (n.source for part in parts for n in loads_of(part) if n.source not in inside)
        return tuple(dict.fromkeys(read))

    @property
    def masks(self) -> bool:
        """Whether a score is made of more than a product."""
        return any(n.source is not self.product.source for n in loads_of(self.score))


def bare(expr: Expr) -> Expr:
    """``expr`` without the casts around it."""
    while isinstance(expr, Cast):
        expr = expr.value
    return expr


def narrow(expr: Expr) -> Expr:
    """``expr`` as it is before a cast widens it."""
    if isinstance(expr, Cast) and expr.value.dtype.is_float and expr.value.dtype.bits < 32:
        return expr.value
    return expr


def is_row(expr: Expr, axis: Axis) -> bool:
    """Whether ``expr`` is an array that lies along ``axis``."""
    if not isinstance(expr, Load) or linear_in(expr.indices[-1], axis) != 1:
        return False
    return all(axis not in set(variables_of(index)) for index in expr.indices[:-1])


def with_load(expr: Expr, old: Expr, new: Expr) -> Expr:
    """``expr`` with ``new`` wherever a load of the source of ``old`` is."""
    assert isinstance(old, Load)
    return rewrite(expr, lambda n: new if isinstance(n, Load) and n.source is old.source else None)


def put_in(expr: Expr, places: Mapping[Expr, Expr]) -> Expr:
    """``expr`` with parts of it replaced; the outermost first."""
    done = dict(places)

    def walk(node: Expr) -> Expr:
        if node not in done:
            children = tuple(map(walk, node.children))
            same = all(a is b for a, b in zip(children, node.children, strict=True))
            done[node] = node if same else node.with_children(children)
        return done[node]

    return walk(expr)


def over(expr: Expr, places: Mapping[Axis, Expr], buffers: Mapping[Tensor, Buffer]) -> Expr:
    def rule(node: Expr) -> Expr | None:
        if isinstance(node, Axis):
            return places.get(node)
        if isinstance(node, Load) and node.source in buffers:
            return load(buffers[node.source], node.indices)
        return None

    return rewrite(expr, rule)
