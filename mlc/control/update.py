"""Which elements a functional update changes: ``select(i == 3 & j >= 2, v, x[i, j])``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.bounds import interval
from ..ir.expr import Apply, Axis, Const, Expr, Load, Select, Var, apply, const, load
from ..ir.program import Buffer
from ..ir.rewrite import conjuncts, loads_of, substitute, variables_of
from ..ir.simplify import simplify
from ..te.extent import Extent
from ..te.tensor import Compute, Tensor
from .nests import Span, shortened


@dataclass(frozen=True, eq=False)
class Update:
    """``fresh`` where all tests hold, else the same element of ``old``.

    ``fixed`` says which axes have one value only, ``bounds`` between which values others lie (both
    included), and ``paces`` in which steps from which value; ``tests`` are all other conditions.
    """

    old: Tensor
    fresh: Expr
    axes: tuple[Axis, ...]
    fixed: dict[Axis, Expr]
    low: dict[Axis, Expr]
    high: dict[Axis, Expr]
    paces: dict[Axis, tuple[Expr, Expr]]
    tests: tuple[Expr, ...]

    @property
    def is_partial(self) -> bool:
        """Whether only a part is touched that is known by its place."""
        return bool(self.fixed or self.low or self.high or self.paces)

    def loops(
        self, resolve: Callable[[Expr], Expr], ranges: Mapping[Var, int]
    ) -> tuple[list[tuple[Var, Span]], dict[Var, Expr]]:
        """The loops over what is touched, and the axes as expressions of their variables."""
        loops: list[tuple[Var, Span]] = []
        mapping: dict[Var, Expr] = {}
        for axis in self.axes:
            if axis in self.fixed:
                mapping[axis] = resolve(self.fixed[axis])
                continue
            low = resolve(self.low.get(axis, const(0)))
            length = const(axis.extent) if not isinstance(axis.extent, Extent) else (
                axis.extent.length[()])  # fmt: skip
            high = resolve(self.high.get(axis, length - 1))
            pace = resolve(self.paces.get(axis, (const(1), const(0)))[0])
            count = shortened(high - low + 1, ranges)
            if pace is not const(1):
                count = shortened((high - low) // pace + 1, ranges)
            var = Var(axis.name)
            if isinstance(count, Const):
                span = Span(max(int(count.value), 0))
            else:
                least, most = interval(count, ranges)
                extent = min(int(axis.extent), int(max(min(most, int(axis.extent)), 0)))
                span = Span(extent, None if least >= extent else count)
            loops.append((var, span))
            mapping[axis] = var * pace + low
        return loops, mapping


@dataclass(frozen=True, eq=False)
class Stored:
    """Where a tensor is after an update wrote it, as it is, to a part of an array: its element
    ``variables`` is at ``place`` of ``buffer``."""

    buffer: Buffer
    variables: tuple[Var, ...]
    place: tuple[Expr, ...]

    def element(self, indices: Sequence[Expr]) -> Expr:
        """The element at ``indices``."""
        given: dict[Var, Expr] = dict(zip(self.variables, indices))
        return load(self.buffer, tuple(simplify(substitute(p, given)) for p in self.place))

    def reads(self) -> set[Any]:
        """The buffers that an element is found with."""
        return {self.buffer, *(node.source for p in self.place for node in loads_of(p))}


def whole_in(
    update: Update, loops: Sequence[tuple[Var, Span]], mapping: Mapping[Any, Expr],
    ranges: Mapping[Var, int],
) -> tuple[Var, ...] | None:  # fmt: skip
    """The loop variables that are the indices of the tensor which ``update`` writes as it is, all
    of it; None if it writes another value, or a part."""
    match update.fresh:
        case Load(source=Tensor(shape=shape), indices=indices) if not update.tests:
            pass
        case _:
            return None
    spans = dict(loops)
    found = [shortened(substitute(i, dict(mapping)), ranges) for i in indices]
    if len(spans) != len(found) or set(found) != set(spans):
        return None
    variables = tuple(v for v in found if isinstance(v, Var))
    is_whole = all(
        type(n) is int and spans[v].stop is None and spans[v].extent == n
        for v, n in zip(variables, shape)
    )
    return variables if is_whole else None


def find_update(op: Compute, tensor: Tensor) -> Update | None:
    """What ``tensor`` changes of another one, if it is an update."""
    match op.body[tensor.index]:
        case Select(condition=condition, then=fresh, otherwise=Load(source=old, indices=indices)):
            pass
        case _:
            return None
    if not isinstance(old, Tensor) or not same(indices, op.axes) or old.shape != tensor.shape:
        return None
    if old.dtype is not tensor.dtype:
        return None
    found = Update(old, fresh, op.axes, {}, {}, {}, {}, ())
    rest = [test for test in conjuncts(condition) if not _take(found, test)]
    for axis, (pace, low) in list(found.paces.items()):
        known = found.low.get(axis, const(0))
        if known is not low:
            del found.paces[axis]
            rest.append(apply("eq", (axis - low) % pace, const(0)))
    return Update(old, fresh, op.axes, found.fixed, found.low, found.high, found.paces, tuple(rest))


def beyond_kept(
    update: Update, loops: Sequence[tuple[Var, Span]], place: Sequence[Expr], fresh: Expr,
    target: Buffer,
) -> Update | None:  # fmt: skip
    """The update without what is there already, where that is all there is up to some row::

        x[i] = select(i < n, x[i], v)    ->    x[i] = v from i = n on

    ``fresh`` is its value over buffers, written to ``place`` of ``target`` by ``loops``.
    """
    match fresh:
        case Select(
            condition=Apply(fn="lt", args=(Var() as var, bound)),
            then=Load(source=source, indices=indices),
            otherwise=rest,
        ) if source is target and same(indices, place) and same(place, [v for v, _ in loops]):
            axes = dict(zip((v for v, _ in loops), update.axes))
            axis = axes.get(var)
            if axis is not None and update.low.get(axis, const(0)) is const(0):
                if not any(v in axes for v in variables_of(bound)):
                    beyond = substitute(rest, dict[Var, Expr](axes))
                    return replace(update, fresh=beyond, low={**update.low, axis: bound})
    return None


def _take(found: Update, test: Expr) -> bool:
    match test:
        case Apply(fn=fn, args=(Axis() as axis, bound)) if _mentions(
            axis, found.axes
        ) and not _mentions(bound, found.axes):
            place = {"eq": found.fixed, "ge": found.low, "le": found.high}.get(fn)
            if place is None or axis in place:
                return False
            place[axis] = bound
            return True
        case Apply(fn="eq", args=(Apply(fn="mod", args=(inner, pace)), Const(value=0))):
            match inner:
                case Axis() as axis:
                    low: Expr = const(0)
                case Apply(fn="sub", args=(Axis() as axis, low)):
                    pass
                case _:
                    return False
            if (
                _mentions(pace, found.axes)
                or not _mentions(axis, found.axes)
                or axis in found.paces
                or _mentions(low, found.axes)
            ):
                return False
            found.paces[axis] = pace, low
            return True
    return False


def _mentions(expr: Expr, axes: Sequence[Axis]) -> bool:
    return any(v is axis for v in variables_of(expr) for axis in axes)


def same(left: Sequence[Expr], right: Sequence[Expr]) -> bool:
    """Whether two lists hold the very same expressions."""
    return len(left) == len(right) and all(a is b for a, b in zip(left, right))


def is_apart(
    read: Sequence[Expr], written: Sequence[Expr], loops: Sequence[Var], ranges: Mapping[Var, int]
) -> bool:
    """Whether no iteration of ``loops`` reads what any of them writes."""
    others: dict[Var, Expr] = {var: Var(var.name) for var in loops}
    wide = dict(ranges)
    for var, other in others.items():
        assert isinstance(other, Var)
        wide[other] = ranges[var]
    for a, b in zip(read, written):
        least, most = interval(shortened(substitute(a, others) - b, wide), wide)
        if least > 0 or most < 0:
            return True
    return False
