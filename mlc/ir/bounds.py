"""What values an integer expression can take, from the ranges of its variables."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..dtypes import int64
from .affine import Sum, as_sum
from .expr import Apply, Axis, Cast, Const, Expr, Load, Select, Var
from .rewrite import variables_of

Interval = tuple[float, float]
Ranges = Mapping[Var, int]  # a variable runs over range(extent)
Seen = dict[Expr, Interval]

_UNKNOWN: Interval = (-math.inf, math.inf)


def interval(expr: Expr, ranges: Ranges, seen: Seen | None = None) -> Interval:
    """Least and greatest value ``expr`` may take; exact for affine expressions. ``seen`` holds what
    was found of its parts with the same ranges: parts have more than one place in it."""
    match expr:
        case Const(value=value):
            return (value, value)
        case Var():
            extent = ranges.get(expr, expr.extent if isinstance(expr, Axis) else None)
            return _UNKNOWN if extent is None else (0, max(int(extent) - 1, 0))
        case Apply() | Select() | Cast():
            if seen is None:
                return _composed(expr, ranges, {})
            found = seen.get(expr)
            if found is None:
                found = seen[expr] = _composed(expr, ranges, seen)
            return found
        case _:
            return _UNKNOWN


def _composed(expr: Expr, ranges: Ranges, seen: Seen) -> Interval:
    match expr:
        case Apply(fn="add" | "sub" | "neg" | "mul"):
            total = as_sum(expr)
            if len(total.terms) == 1 and total.terms[0][0] is expr:
                return _product(expr, ranges, seen)
            if expr.dtype is int64:
                return _UNKNOWN if may_wrap(total, ranges, seen) else _sum(total, ranges, seen)
            return _held(_sum(total, ranges, seen), expr)
        case Apply(fn="floordiv", args=(a, Const(value=d))) if d > 0:
            low, high = interval(a, ranges, seen)
            return (_floor(low, d), _floor(high, d))
        case Apply(fn="mod", args=(a, Const(value=d))) if d > 0:
            low, high = interval(a, ranges, seen)
            if math.isfinite(low) and math.isfinite(high) and low // d == high // d:
                return (low % d, high % d)
            return (0, d - 1)
        case Apply(fn="minimum", args=(a, b)):
            (la, ha), (lb, hb) = interval(a, ranges, seen), interval(b, ranges, seen)
            return (min(la, lb), min(ha, hb))
        case Apply(fn="maximum", args=(a, b)):
            (la, ha), (lb, hb) = interval(a, ranges, seen), interval(b, ranges, seen)
            return (max(la, lb), max(ha, hb))
        case Select(condition=test, then=a, otherwise=b):
            (la, ha), (lb, hb) = interval(a, ranges, seen), interval(b, ranges, seen)
            match test:  # x where it is not below a limit is at least that
                case Apply(fn="lt", args=(x, Const(value=limit))) if x is b:
                    lb = max(lb, limit)
            return (min(la, lb), max(ha, hb))
        case Cast(value=value) if value.dtype.kind in "biu" and expr.dtype.bits > value.dtype.bits:
            low, high = interval(value, ranges, seen)
            return (max(low, value.dtype.lowest), min(high, value.dtype.highest))
        case _:
            return _UNKNOWN


def _floor(value: float, divisor: int) -> float:
    return value // divisor if math.isfinite(value) else value


def _product(expr: Expr, ranges: Ranges, seen: Seen) -> Interval:
    if isinstance(expr, Apply) and expr.fn == "mul":
        (la, ha), (lb, hb) = (interval(arg, ranges, seen) for arg in expr.args)
        if all(map(math.isfinite, (la, ha, lb, hb))):
            corners = (la * lb, la * hb, ha * lb, ha * hb)
            return _held((min(corners), max(corners)), expr)
    return _UNKNOWN


def _held(found: Interval, expr: Expr) -> Interval:
    """What the dtype of ``expr`` makes of a result: any value, once it wraps."""
    least, most = expr.dtype.lowest, expr.dtype.highest
    return found if least <= found[0] and found[1] <= most else _UNKNOWN


def _sum(total: Sum, ranges: Ranges, seen: Seen | None = None) -> Interval:
    low = high = float(total.constant)
    for atom, c in total.terms:
        a, b = interval(atom, ranges, seen)
        low += c * (a if c > 0 else b)
        high += c * (b if c > 0 else a)
    return (low, high)


def may_wrap(total: Sum, ranges: Ranges, seen: Seen | None = None) -> bool:
    """Whether a sum of what the data hold may leave int64, so that its value is another one.

    Sizes and loop variables are those of arrays in memory: sums of them do not.
    """
    if len(total.terms) == 1 and total.terms[0][1] == 1 and not total.constant:
        return False
    low = high = total.constant
    for atom, c in total.terms:
        least, most = interval(atom, ranges, seen)
        if not (math.isfinite(least) and math.isfinite(most)):
            if not _reads_data(atom):
                continue
            least, most = max(least, int64.lowest), min(most, int64.highest)
        low += c * int(least if c > 0 else most)
        high += c * int(most if c > 0 else least)
    return low < int64.lowest or high > int64.highest


def _reads_data(expr: Expr) -> bool:
    left, seen = [expr], set()
    while left:
        node = left.pop()
        if isinstance(node, Load):
            return True
        if node.children and node not in seen:
            seen.add(node)
            left.extend(node.children)
    return False


def decide(condition: Expr, ranges: Ranges) -> bool | None:
    """Whether a comparison always holds (True), never holds (False), or depends (None)."""
    match condition:
        case Const(value=value):
            return bool(value)
        case Apply(fn="bitand", args=(a, b)):
            left, right = decide(a, ranges), decide(b, ranges)
            return False if False in (left, right) else left and right
        case Apply(fn="bitor", args=(a, b)):
            left, right = decide(a, ranges), decide(b, ranges)
            return True if True in (left, right) else None if None in (left, right) else False
        case Apply(fn="invert", args=(a,)):
            inner = decide(a, ranges)
            return None if inner is None else not inner
        case Apply(fn="lt" | "le" | "gt" | "ge" | "eq" | "ne" as fn, args=(a, b)):
            seen: Seen = {}
            if a.dtype is not int64 or any(may_wrap(as_sum(side), ranges, seen) for side in (a, b)):
                return None
            low, high = _sum(as_sum(a - b), ranges, seen)
            match fn:
                case "lt":
                    return True if high < 0 else False if low >= 0 else None
                case "le":
                    return True if high <= 0 else False if low > 0 else None
                case "gt":
                    return True if low > 0 else False if high <= 0 else None
                case "ge":
                    return True if low >= 0 else False if high < 0 else None
                case "eq":
                    return False if low > 0 or high < 0 else True if low == high == 0 else None
                case _:
                    return True if low > 0 or high < 0 else False if low == high == 0 else None
        case _:
            return None


def index_violation(root: Expr) -> str | None:
    """A sentence about an index that leaves its tensor, with a concrete point, or None.

    Sides of a select may be guarded by its condition and are not judged here, nor are indices that
    depend on data: debug mode checks those as they happen.
    """
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.extend(node.children[:1] if isinstance(node, Select) else node.children)
        if not isinstance(node, Load):
            continue
        for position, (index, extent) in enumerate(
            zip(node.indices, node.source.shape, strict=True)
        ):
            total = as_sum(index)
            if not total.is_affine or any(
                v.extent == 0 for v in variables_of(index) if isinstance(v, Axis)
            ):
                continue
            low, high = interval(index, {})
            if low >= 0 and high < int(extent) or not math.isfinite(high - low):
                continue
            worst = low < 0
            point = ", ".join(
                f"{v.name}={(v.extent - 1) if (c > 0) != worst else 0}"  # type: ignore[attr-defined]
                for v, c in total.terms
            )
            value = int(low if worst else high)
            return (
                f"index {index!r} is out of bounds for axis {position} of {node.source.name} with "
                f"size {extent}: at {point or 'every point'} it is {value}"
            )
    return None
