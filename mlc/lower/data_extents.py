"""Loops of as many iterations as data say: they run through a capacity, and ask each time."""

from __future__ import annotations

from ..ir.expr import Load
from ..ir.program import For, If


def is_open(loop: For) -> bool:
    """Whether data say how many iterations ``loop`` has: ``for i: if i < n[()]: ...``.

    ``for i: if mask[i]: ...`` is none of these: each of its iterations may do something.
    """
    if not isinstance(loop.body, If):
        return False
    stack = [loop.body.condition]
    while stack:
        node = stack.pop()
        if node is loop.var:
            return True
        if not isinstance(node, Load):
            stack.extend(node.children)
    return False
