"""Long chains of views, as of a loop that takes off the first element of an array each time."""

from __future__ import annotations

from dataclasses import replace

from ...ir.expr import Load, Var, load
from ...ir.simplify import simplify
from ...te.classify import is_view
from ...te.inline import remap_loads
from ...te.tensor import Compute, Tensor
from ..graph import Node, with_operation

LONGEST = 8


def shorten_views(node: Node) -> tuple[Tensor, ...] | None:
    """``x[1:][1:]...[1:]`` -> ``x[8:]`` for the last view of a chain of `LONGEST`.

    Whoever reads a view goes through all of its chain, so that long ones would cost the square of
    their length. Short ones are left to be inlined with all else.
    """
    chain: list[Compute] = []
    op = node.op
    while isinstance(op, Compute) and len(chain) < LONGEST and is_view(op):
        chain.append(op)
        found = op.body[0]
        assert isinstance(found, Load)
        op = found.source.op
    if len(chain) < LONGEST:
        return None
    first, *others = chain
    at = first.body[0]
    assert isinstance(at, Load)
    for view in others:
        mapping: dict[Var, object] = dict(zip(view.axes, at.indices, strict=True))
        (at,) = remap_loads(view.body[0], mapping).values()  # type: ignore[arg-type]
    moved = load(at.source, tuple(map(simplify, at.indices)))
    return with_operation(node, replace(first, body=(moved,))).tensors
