"""merge_parts: what joins one computation over several places is that computation over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dtypes import int64
from ..ir.expr import Apply, Axis, Cast, Const, Expr, Load, Select, const, select

MOST = 16  # parts
_Memo = dict[tuple[Any, ...], Expr | None]


def merge_parts(root: Expr) -> Expr:
    """``select(j < 1, f(a[i, 0]), f(a[i, 1]))`` -> ``f(a[i, j])`` for an axis ``j`` of extent 2,
    and so on for more parts of one place each; else ``root``."""
    axis = _chosen_by(root)
    if axis is None or not 2 <= axis.extent <= MOST:
        return root
    parts = [part_at(root, axis, place) for place in range(axis.extent)]
    merged = _merged(parts, axis, {}, "moved")
    return root if merged is None else merged


def _chosen_by(root: Expr) -> Axis | None:
    match root:
        case Select(condition=Apply(fn="lt", args=(Axis() as axis, Const()))):
            return axis
        case _:
            return None


def part_at(root: Expr, axis: Axis, place: int) -> Expr:
    """What ``root`` is where ``axis`` is ``place``, as far as comparisons at its top tell."""
    while isinstance(root, Select) and _chosen_by(root) is axis:
        assert isinstance(root.condition, Apply)
        end = root.condition.args[1]
        assert isinstance(end, Const)
        root = root.then if place < end.value else root.otherwise
    return root


def _merged(parts: Sequence[Expr], axis: Axis, memo: _Memo, role: str) -> Expr | None:
    """The expression that is ``parts[n]`` where ``axis`` is n, but for terms that the parts have
    in common; None where they differ in more than the places they load from, and constants that
    are elements themselves. ``role``: whether it is "moved", or "computed" with, or an "index"."""
    first = parts[0]
    if all(part is first for part in parts):
        return first
    key = (role, *map(id, parts))
    if key not in memo:
        memo[key] = _merged_node(parts, axis, memo, role)
    return memo[key]


def _merged_node(parts: Sequence[Expr], axis: Axis, memo: _Memo, role: str) -> Expr | None:
    first = parts[0]
    if any(type(p) is not type(first) or p.dtype is not first.dtype for p in parts):
        return None
    if isinstance(first, Const):
        if role == "moved":
            return _chosen(parts, axis)
        return _along(parts, axis) if role == "index" and first.dtype is int64 else None
    if any(len(part.children) != len(first.children) for part in parts):
        return None
    inner = "index" if isinstance(first, Load) or role == "index" else "computed"
    children = []
    for number, group in enumerate(zip(*(part.children for part in parts), strict=True)):
        is_side = isinstance(first, Select) and number > 0
        child = _merged(group, axis, memo, role if is_side else inner)
        if child is None:
            return None
        children.append(child)
    match first:
        case Load(source=source):
            same = all(isinstance(p, Load) and p.source is source for p in parts)
        case Apply(fn=fn):
            same = all(isinstance(p, Apply) and p.fn == fn for p in parts)
        case Cast() | Select():
            same = True
        case _:
            same = False
    return first.with_children(tuple(children)) if same else None


def _chosen(parts: Sequence[Expr], axis: Axis) -> Expr:
    """The constant that ``axis`` says."""
    found = parts[-1]
    for place in reversed(range(len(parts) - 1)):
        if parts[place] is not found:
            found = select(axis < place + 1, parts[place], found)
    return found


def _along(parts: Sequence[Expr], axis: Axis) -> Expr | None:
    """``axis * step + start`` where that is each of the numbers ``parts``."""
    numbers = [int(part.value) for part in parts if isinstance(part, Const)]
    start, step = numbers[0], numbers[1] - numbers[0]
    if any(number != start + n * step for n, number in enumerate(numbers)):
        return None
    scaled = axis if step == 1 else axis * const(step)
    return scaled + const(start) if start else scaled
