"""Whether an index stays in its buffer, and if not, for which values of the loops it leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..dtypes import int64
from ..errors import BoundsError, SourceLocation
from ..ir.bounds import interval
from ..ir.expr import Apply, Cast, Const, Expr, Load, Select, Var
from ..ir.program import Buffer
from ..ir.rewrite import conjuncts, loads_of, postorder, variables_of
from ..ir.scalar import SCALAR_FNS

Guard = tuple[Expr, bool]

MOST_POINTS = 1 << 18  # looked at one by one to find a violation, or to prove that there is none


def check_bounds(
    buffer: Buffer | None,
    exprs: Sequence[Expr],
    ranges: Mapping[Var, int],
    guards: Sequence[Guard],
    location: SourceLocation | None,
) -> bool:
    """Raises :class:`BoundsError` if ``exprs`` index ``buffer`` outside, or load from outside.

    False if they may: the points are too many to look at all of them.

    Indices that depend on data are not judged: debug mode checks those as they happen. Nor are
    points that a guard rules out, be it a condition around the statement or that of a select.
    """
    if any(extent == 0 for extent in ranges.values()):
        return True
    is_certain = True
    if buffer is not None:
        is_certain = _check_access(buffer, exprs, ranges, guards, location)
    for expr in exprs:
        for load, conditions in _loads(expr, tuple(guards)):
            is_certain &= _check_access(load.source, load.indices, ranges, conditions, location)
    return is_certain


def _loads(root: Expr, guards: tuple[Guard, ...]) -> Iterator[tuple[Load, tuple[Guard, ...]]]:
    """Every load under ``root`` with what must hold for it to happen."""
    seen: set[tuple[Expr, int]] = set()
    stack: list[tuple[Expr, tuple[Guard, ...]]] = [(root, guards)]
    while stack:
        node, around = stack.pop()
        if (node, id(around)) in seen:
            continue
        seen.add((node, id(around)))
        if isinstance(node, Load):
            yield node, around
        if isinstance(node, Select):
            stack.append((node.condition, around))
            stack.append((node.then, (*around, (node.condition, True))))
            stack.append((node.otherwise, (*around, (node.condition, False))))
        else:
            stack.extend((child, around) for child in node.children)


def _check_access(
    buffer: Buffer,
    indices: Sequence[Expr],
    ranges: Mapping[Var, int],
    guards: Sequence[Guard],
    location: SourceLocation | None,
) -> bool:
    is_certain = True
    for position, (index, size) in enumerate(zip(indices, buffer.shape, strict=True)):
        low, high = interval(index, ranges)
        if low >= 0 and high < size or loads_of(index):
            continue
        point, is_sampled = find_point((index < 0) | (index >= size), ranges, guards)
        if point is None:
            is_certain &= not is_sampled
            continue
        value = int(evaluate(index, point))
        involved = set(variables_of(index))
        at = ", ".join(f"{var.name}={n}" for var, n in point.items() if var in involved)
        raise BoundsError(
            f"index {index!r} leaves axis {position} of {buffer.name}, which has {size} elements: "
            f"at {at or 'every point'} it is {value}",
            location,
        )
    return is_certain


def find_point(
    wanted: Expr, ranges: Mapping[Var, int], guards: Sequence[Guard]
) -> tuple[dict[Var, int] | None, bool]:
    """A point at which ``wanted`` and all ``guards`` hold, or None; and whether only a sample of
    the points was looked at.

    Where a guard depends on data nothing is claimed. Of spaces of more than ``MOST_POINTS`` points
    the first, the last and some between are looked at along each variable.
    """
    tests: list[Guard] = [(wanted, True)]
    for condition, value in guards:
        parts = conjuncts(condition) if value else [condition]
        for part in parts:
            if any(v not in ranges for v in variables_of(part)):
                continue
            if loads_of(part):
                return None, False
            tests.append((part, value))
    variables = list(dict.fromkeys(v for test, _ in tests for v in variables_of(test)))
    total = 1
    for variable in variables:
        total *= ranges[variable]
    axes = [_values(ranges[v], None if total <= MOST_POINTS else len(variables)) for v in variables]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    point = dict(zip(variables, grid))
    holds: Any = np.ones((1,) * len(variables), bool)
    for test, value in tests:
        holds = holds & (np.asarray(evaluate(test, point), bool) == value)
    holds = np.broadcast_to(holds, tuple(len(a) for a in axes))
    found = np.argwhere(holds)
    if not len(found):
        return None, total > MOST_POINTS
    return {v: int(a[n]) for v, a, n in zip(variables, axes, found[0])}, False


def _values(extent: int, among: int | None) -> Any:
    """All of ``range(extent)``, or a few of its values: both ends, and some between."""
    if among is None:
        return np.arange(extent, dtype=np.int64)
    count = max(int(MOST_POINTS ** (1 / among)), 2)
    return np.unique(np.linspace(0, extent - 1, min(count, extent)).astype(np.int64))


def evaluate(root: Expr, point: Mapping[Var, Any]) -> Any:
    """The value of an expression without loads at ``point``, or at many at once."""
    values: dict[Expr, Any] = {}
    with np.errstate(all="ignore"):
        for node in postorder(root):
            match node:
                case Const(value=value):
                    values[node] = node.dtype.numpy.type(value)
                case Var():
                    values[node] = np.asarray(point[node], int64.numpy)
                case Apply(fn="bitcast"):
                    values[node] = np.asarray(values[node.args[0]]).view(node.dtype.numpy)
                case Apply(fn=fn, args=args):
                    values[node] = SCALAR_FNS[fn].numpy(*(values[a] for a in args))
                case Cast(value=value):
                    values[node] = np.asarray(values[value]).astype(node.dtype.numpy)
                case Select(condition=test, then=a, otherwise=b):
                    values[node] = np.where(values[test], values[a], values[b])
    return values[root]
