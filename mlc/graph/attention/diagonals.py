"""Comparisons of rows and keys that come out one way for a whole tile of scores."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf

from ...dtypes import int64
from ...ir.affine import linear_in
from ...ir.expr import Apply, Axis, Const, Expr, Load, Select, apply, const
from ...ir.rewrite import loads_of, postorder, rewrite
from ...ir.simplify import simplify
from ...records import dataclass

_LESS = ("lt", "le")
_OPPOSITE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
Range = tuple[Expr, Expr]  # the first place and the last


@dataclass(frozen=True)
class Diagonal:
    """A comparison, and whether scores that it hides are those where it holds, or the others."""

    comparison: Apply
    is_hidden: bool

    @property
    def shown(self) -> Apply:
        """What holds of scores that are not hidden."""
        fn, args = self.comparison.fn, self.comparison.args
        made = apply(_OPPOSITE[fn], *args) if self.is_hidden else self.comparison
        assert isinstance(made, Apply)
        return made


def diagonals(score: Expr, product: Load, row: Axis, key: Axis) -> tuple[Diagonal, ...]:
    """The comparisons in ``score`` that a diagonal divides, such as ``key <= row + 3``, of int64:
    narrower ones may wrap around."""
    found = []
    for node in postorder(score):
        match node:
            case Apply(fn=fn, args=(left, right)) if fn in _OPPOSITE and left.dtype is int64:
                steps = [linear_in(right - left, axis) for axis in (row, key)]
                if None not in steps and steps[1] and not loads_of(node):
                    found.append(Diagonal(node, _is_hidden(score, node, product)))
    return tuple(found)


def _is_hidden(score: Expr, node: Apply, product: Load) -> bool:
    """Whether scores lose their product, or meet an infinity for certain, where ``node`` holds."""
    made = simplify(rewrite(score, lambda each: const(True) if each is node else None))
    if not any(load.source is product.source for load in loads_of(made)):
        return True
    stack = [made]
    while stack:
        match each := stack.pop():
            case Const(value=value) if isinf(float(value)):
                return True
            case Select(condition=condition):
                stack.append(condition)
            case _:
                stack.extend(each.children)
    return False


def worst(node: Apply, axis: Axis, places: Range) -> Expr:
    """Where in ``places`` along ``axis`` the comparison ``node`` holds last: if it holds there, it
    does everywhere."""
    left, right = node.args
    rising = linear_in(right - left, axis) or 0
    first, last = places
    return first if (rising > 0) is (node.fn in _LESS) else last


def without(score: Expr, found: Sequence[Diagonal]) -> Expr:
    """``score`` where none of ``found`` hides it."""
    known = {id(each.comparison): const(not each.is_hidden) for each in found}
    return simplify(rewrite(score, lambda node: known.get(id(node))))
