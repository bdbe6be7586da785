"""Blocks of a traced program: their axes, what they declare, and how they begin."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..dtypes import int64
from ..errors import ArgumentError, DTypeError, ShapeError, user_location
from ..ir.bounds import interval
from ..ir.expr import Axis, Expr, Var, as_expr
from ..ir.intrinsic import reads_past_ends
from ..ir.program import Block, Buffer, Iter, walk, writes_of
from ..ir.rewrite import substitute
from .bounds import find_point
from .loops import as_extent
from .names import assigned_names
from .trace import Draft, Level, Trace, current
from .values import as_region


@contextmanager
def block(name: str) -> Iterator[None]:
    """``with T.block("C"):`` a unit of computation over axes of its own.

    A second block of the same name is called ``C_1``.
    """
    trace = current("T.block")
    if not isinstance(name, str) or not name:
        raise ArgumentError(f'a block has a name: T.block("C"), got {name!r}')
    unique, count = name, 1
    while unique in trace.block_names:
        unique, count = f"{name}_{count}", count + 1
    trace.block_names.add(unique)
    draft = Draft(unique)
    level = trace.open(Level("block", draft=draft))
    yield
    _check_reads(trace, level, draft)
    body = trace.close(level)
    made = Block(
        unique,
        tuple(draft.iters),
        body,
        draft.init,
        draft.predicate,
        level.location,
        tuple(draft.annotations.items()),
        draft.reads,
        draft.writes,
    )
    _check_init(made, trace.unsafe)
    _check_signature(trace, made, draft)
    trace.emit(made)


def _block_level(trace: Trace, name: str) -> tuple[Level, Draft]:
    """The block that ``name`` speaks of: that around it, before its first statement."""
    level = trace.level
    if level.draft is None:
        where = "inside a loop or branch of it" if trace.block() else "outside"
        raise ArgumentError(
            f"{name} belongs directly into a block, `with T.block(...):`; it stands {where}"
        )
    if level.items:
        raise ArgumentError(f"{name} must come before the statements of block {level.draft.name!r}")
    return level, level.draft


def _axis(kind: str, extent: Any, binding: Any, name: str, part: bool = False) -> Axis:
    trace = current(f"T.axis.{kind}")
    level, draft = _block_level(trace, f"T.axis.{kind}")
    if isinstance(extent, (tuple, list)):
        if len(extent) != 2 or as_extent(extent[0], f"T.axis.{kind}") != 0:
            raise ShapeError(
                f"an axis begins at 0: expected an extent or (0, extent), got {tuple(extent)}; "
                f"shift the index in the body instead"
            )
        extent = extent[1]
    size = as_extent(extent, f"T.axis.{kind}")
    bound = as_expr(binding, int64)
    if bound.dtype is not int64:
        raise DTypeError(f"an axis is bound to an int64 expression, got {bound!r}: {bound.dtype}")
    _use_outside(trace, level, bound)
    if not name:
        name = f"v{bound.name}" if isinstance(bound, Var) else "v"
    axis = Axis(name, size, kind == "reduce")
    draft.iters.append(Iter(axis, bound))
    draft.places.append(user_location())
    if part:
        draft.parts.add(axis)
    level.variables[axis] = size
    return axis


def _use_outside(trace: Trace, level: Level, expr: Expr) -> None:
    """Checks an expression that stands in the head of a block: it speaks of what is around."""
    trace.levels.pop()
    try:
        trace.use((expr,), user_location())
    finally:
        trace.levels.append(level)


class axis:
    """The axes of a block: ``vi = T.axis.spatial(extent, binding)``."""

    @staticmethod
    def spatial(extent: Any, binding: Any, *, part: bool = False) -> Axis:
        """An axis that names elements written: each of its points is visited once.

        ``part=True`` says that the loops reach but a part of the axis, on purpose: another block
        does the rest, or nobody asks for it.
        """
        return _axis("spatial", extent, binding, _name(sys._getframe(1)), part)

    @staticmethod
    def reduce(extent: Any, binding: Any) -> Axis:
        """An axis that is combined away."""
        return _axis("reduce", extent, binding, _name(sys._getframe(1)))

    @staticmethod
    def remap(kinds: str, loops: Sequence[Any]) -> Any:
        """As ``T.remap``."""
        return _remap(kinds, loops, assigned_names(sys._getframe(1), len(kinds)))


def remap(kinds: str, loops: Sequence[Any]) -> Any:
    """``vi, vj, vk = T.remap("SSR", [i, j, k])``: an axis for each loop, with its extent.

    S makes a spatial axis and R a reduce axis.
    """
    return _remap(kinds, loops, assigned_names(sys._getframe(1), len(kinds)))


def _remap(kinds: str, loops: Sequence[Any], names: list[str]) -> Any:
    trace = current("T.remap")
    if not isinstance(kinds, str) or set(kinds) - {"S", "R"} or len(kinds) != len(loops):
        raise ArgumentError(
            f"T.remap wants S or R for each loop, as in T.remap('SSR', [i, j, k]); "
            f"got {kinds!r} for {len(loops)} loops"
        )
    extents: dict[Any, int] = {}
    for level in trace.levels:
        extents.update(level.variables)
    axes = []
    for number, (kind, loop) in enumerate(zip(kinds, loops)):
        if not isinstance(loop, Var):
            raise ArgumentError(
                f"T.remap takes loop variables, got {loop!r}; "
                f"use T.axis.spatial(extent, expression) or T.axis.reduce"
            )
        if loop not in extents:
            raise ArgumentError(trace.invisible(loop))
        name = names[number] if names else f"v{loop.name}"
        axes.append(_axis("spatial" if kind == "S" else "reduce", extents[loop], loop, name))
    return axes[0] if len(axes) == 1 else tuple(axes)


def _name(frame: Any) -> str:
    return next(iter(assigned_names(frame, 1)), "")


@contextmanager
def init() -> Iterator[None]:
    """``with T.init():`` what runs for each point of the spatial axes before its reduction."""
    trace = current("T.init")
    _, draft = _block_level(trace, "T.init()")
    if draft.init is not None:
        raise ArgumentError(f"block {draft.name!r} has two T.init(); one initialises everything")
    level = trace.open(Level("init"))
    yield
    draft.init = trace.close(level)


def where(condition: Any) -> None:
    """The block runs only where ``condition`` holds, which may speak of the loops around it, and of
    its axes: those stand for what they are bound to."""
    trace = current("T.where")
    level, draft = _block_level(trace, "T.where")
    bindings: dict[Var, Expr] = {it.axis: it.binding for it in draft.iters}
    trace.levels.pop()
    try:
        test = trace.condition(substitute(as_expr(condition), bindings), "T.where")
    finally:
        trace.levels.append(level)
    draft.predicate = test if draft.predicate is None else draft.predicate & test


def annotate(annotations: Mapping[str, Any] | str, value: Any = None) -> None:
    """Hints on the block around: ``T.annotate({"key": value})`` or ``T.annotate("key", value)``."""
    _, draft = _block_level(current("T.annotate"), "T.annotate")
    draft.annotations.update({annotations: value} if isinstance(annotations, str) else annotations)


def reads(*regions: Any) -> None:
    """What the block reads: ``T.reads(A[vi, 0:16])``. Without it, the body tells."""
    trace = current("T.reads")
    _, draft = _block_level(trace, "T.reads")
    draft.reads = tuple(as_region(r) for r in regions)
    draft.read_place = user_location()


def writes(*regions: Any) -> None:
    """What the block writes: ``T.writes(C[vi, vj])``. Without it, the body tells."""
    trace = current("T.writes")
    _, draft = _block_level(trace, "T.writes")
    draft.writes = tuple(as_region(r) for r in regions)
    for region in draft.writes:
        trace.expect_region(region, user_location())


def _check_reads(trace: Trace, level: Level, draft: Draft) -> None:
    """What the block says that it reads is in the buffer, but for what calls read as 0."""
    if draft.reads:
        items = [item for item in level.items if not isinstance(item, Buffer)]
        padded = {b for item in items for stmt in walk(item) for b in reads_past_ends(stmt)}
        for region in draft.reads:
            trace.expect_region(region, draft.read_place, region.buffer in padded)


def _check_init(made: Block, is_unsafe: bool) -> None:
    if made.init is None or is_unsafe:
        return
    if not made.is_reduction:
        raise ArgumentError(
            f"block {made.name!r} has a T.init() but no reduce axis; store the value instead",
            made.location,
        )
    updated = {buffer for buffer, _ in writes_of(made.body)}
    updated |= {region.buffer for region in made.writes or ()}
    for stmt in walk(made.body):
        for arg in getattr(stmt, "args", ()):
            updated.add(getattr(arg, "buffer", arg))
    for buffer, _ in writes_of(made.init):
        if buffer not in updated:
            raise ArgumentError(
                f"the T.init() of block {made.name!r} writes {buffer.name}, "
                f"which its body does not update",
                made.location,
            )


def _check_signature(trace: Trace, made: Block, draft: Draft) -> None:
    """Each binding stays within its axis where the block runs, and a spatial axis is covered."""
    ranges = trace.visible()
    if trace.unsafe or any(extent == 0 for extent in ranges.values()):
        return
    guards = trace.guards()
    if made.predicate is not None:
        guards = [*guards, (made.predicate, True)]
    for it, place in zip(made.iters, draft.places, strict=True):
        name, extent, binding = it.axis.name, it.axis.extent, it.binding
        low, high = interval(binding, ranges)
        what = f"axis {name} of block {made.name!r} has extent {extent} but its binding {binding!r}"
        if low < 0 or high >= extent:
            point, is_sampled = find_point((binding < 0) | (binding >= extent), ranges, guards)
            trace.is_undecided |= is_sampled
            if point is not None:
                at = ", ".join(f"{v.name}={n}" for v, n in point.items()) or "every point"
                raise ShapeError(
                    f"{what} covers {low:.0f}..{high:.0f}, and leaves the axis at {at}; guard it "
                    f"with T.where({binding!r} < {extent}), or make the loops fit the axis",
                    place,
                )
        is_whole = it.axis.is_reduce or it.axis in draft.parts
        if not is_whole and (low > 0 or high < extent - 1):
            raise ShapeError(
                f"{what} covers {low:.0f}..{high:.0f}; "
                f"make the axis as large as what the loops around it cover, or say part=True if "
                f"the rest is done elsewhere",
                place,
            )
