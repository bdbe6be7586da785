"""Boxes of buffer elements: what a block, a loop's body or a whole program reads and writes.

A box is a :class:`Region`: its starts are expressions of the variables *outside* the part in
question, its extents are numbers. It holds every element that is touched and may hold more: guards
are not looked at, and an index that is no affine function gets the whole dimension. Where accesses
are guarded a box may stick out of its buffer; who runs over one guards it the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from ..ir.affine import Sum, as_sum
from ..ir.bounds import interval
from ..ir.call_names import is_intrinsic
from ..ir.expr import Apply, Const, Expr, Load, Var, apply, const
from ..ir.program import (
    Accumulate,
    Block,
    Buffer,
    Evaluate,
    For,
    Program,
    Region,
    Stmt,
    Store,
    children_of,
    expressions_of,
)
from ..ir.rewrite import loads_of, postorder, substitute, variables_of
from ..ir.simplify import simplify
from .step import find_block, find_loop

Kind = Literal["read", "write"]


def block_reads(block: Block) -> list[Region]:
    """What one point of ``block`` reads: boxes whose starts speak of its axes, in order.

    An element is a box of ones. What an accumulation updates counts as read where the block has no
    init of its own. Declared regions are believed.
    """
    return list(_of_block(block, "read", {}))


def block_writes(block: Block) -> list[Region]:
    """What one point of ``block`` writes, its init included; as :func:`block_reads`."""
    return list(_of_block(block, "write", {}))


def buffers_read(block: Block) -> tuple[Buffer, ...]:
    """The buffers that ``block`` reads, in order of first appearance."""
    return tuple(dict.fromkeys(region.buffer for region in block_reads(block)))


def buffers_written(block: Block) -> tuple[Buffer, ...]:
    """The buffers that ``block`` writes, in order of first appearance."""
    return tuple(dict.fromkeys(region.buffer for region in block_writes(block)))


def region_in(
    stmt: Stmt, buffer: Buffer, kind: Kind = "read", block: Block | None = None
) -> Region | None:
    """The box of ``buffer`` that running ``stmt`` once touches; None if it does not touch it.

    The starts speak of the variables that ``stmt`` gets from outside. With ``block``, what that
    block in ``stmt`` touches.
    """
    inner: dict[Var, int] = {}
    return union(_touched(stmt, buffer, kind, inner, block), inner)


def region_under(
    program: Program, loop: Var | None, block: str, buffer: Buffer, kind: Kind = "read"
) -> Region | None:
    """The box of ``buffer`` that the block touches in one iteration of ``loop``.

    With ``loop`` None, in the whole program. The starts speak of ``loop`` and what is around it.
    """
    stmt = program.body if loop is None else find_loop(program, loop).body
    return region_in(stmt, buffer, kind, find_block(program, block))


def union(regions: Sequence[Region], inner: Mapping[Var, int]) -> Region | None:
    """One box around ``regions`` of one buffer for all values of the ``inner`` variables.

    A range that begins at a number is cut to what exists; another that is as long as its dimension
    becomes all of it.
    """
    if not regions:
        return None
    buffer = regions[0].buffer
    starts: list[Expr] = []
    extents: list[int] = []
    for d, size in enumerate(buffer.shape):
        spans = dict.fromkeys((r.starts[d], r.extents[d]) for r in regions)
        start, extent = _hull([_span(s, n, inner) for s, n in spans]) or (const(0), size)
        if isinstance(start, Const):
            low = max(int(start.value), 0)
            high = min(int(start.value) + extent, size)
            if low < high:
                start, extent = const(low), high - low
        elif extent >= size:
            start, extent = const(0), size
        starts.append(start)
        extents.append(extent)
    return type(regions[0])(buffer, tuple(starts), tuple(extents))


Span = tuple[Expr, int]  # start, extent


def span_of(index: Expr, inner: Mapping[Var, int]) -> Span | None:
    """The least range around ``index`` for all values of the ``inner`` variables.

    The start speaks of the other variables; None where no such range is known.
    """
    return _span(index, 1, inner)


def _span(index: Expr, extent: int, inner: Mapping[Var, int]) -> Span | None:
    if isinstance(index, Var):
        return (const(0), inner[index] + extent - 1) if index in inner else (index, extent)
    if isinstance(index, Const):
        return index, extent
    return _widen(simplify(index, inner), extent, inner)


def _widen(index: Expr, extent: int, inner: Mapping[Var, int]) -> Span | None:
    total = as_sum(index)
    start, mixed = Sum((), total.constant), extent - 1
    free: list[tuple[Expr, int]] = []
    for atom, c in total.terms:
        used = variables_of(atom)
        if any(isinstance(node, Load) for node in postorder(atom)):
            return None
        if not any(v in inner for v in used):
            start = start.plus(Sum(((atom, c),), 0))
        elif all(v in inner for v in used):
            free.append((atom, c))
        else:
            span = _mixed(atom, inner)
            if span is None:
                return None
            start = start.plus(as_sum(span[0]), c)
            mixed += abs(c) * (span[1] - 1)
            if c < 0:
                start = start.plus(Sum((), c * (span[1] - 1)))
    low = high = 0.0
    if free:
        low, high = interval(Sum(tuple(free), 0).expr(), inner)
        if not math.isfinite(high - low):
            return None
    return start.plus(Sum((), int(low))).expr(), int(high - low) + 1 + mixed


def _mixed(atom: Expr, inner: Mapping[Var, int]) -> Span | None:
    """A term that joins inner variables and others."""
    match atom:
        case Apply(fn="floordiv", args=(a, Const(value=d))) if d > 0:
            span = _widen(a, 1, inner)
            if span is None:
                return None
            return span[0] // d, (span[1] - 1 + d - 1) // d + 1
        case Apply(fn="mod", args=(_, Const(value=d))) if d > 0:
            return const(0), d
        case Apply(fn="minimum" | "maximum" as fn, args=(a, b)):
            left, right = _widen(a, 1, inner), _widen(b, 1, inner)
            if left is None or right is None:
                return None
            return apply(fn, left[0], right[0]), max(left[1], right[1])
        case _:
            return None


def _hull(spans: Iterable[Span | None]) -> Span | None:
    """One range around ranges whose starts differ by numbers."""
    out: Span | None = None
    for span in spans:
        if span is None:
            return None
        if out is None:
            out = span
            continue
        shift = as_sum(span[0]).plus(as_sum(out[0]), -1)
        if shift.terms:
            return None
        low = min(0, shift.constant)
        high = max(out[1], shift.constant + span[1])
        out = (span[0] if low else out[0]), high - low
    return out


def _of(
    stmt: Stmt,
    kind: Kind,
    axes: Mapping[Var, Expr],
    inner: dict[Var, int],
    wanted: Block | None = None,
) -> Iterator[Region]:
    """The accesses in ``stmt`` as boxes, axes replaced by their bindings; the loops found on the
    way are put into ``inner``. With ``wanted``, those of that block only."""
    if isinstance(stmt, Block):
        bound: dict[Var, Expr] = {it.axis: substitute(it.binding, axes) for it in stmt.iters}
        if wanted is None or stmt is wanted:
            yield from _of_block(stmt, kind, bound)
            return
        yield from _of(stmt.body, kind, bound, inner, wanted)
        return
    if isinstance(stmt, For):
        inner[stmt.var] = stmt.extent
    if wanted is None:
        for region in _direct(stmt, kind):
            yield _placed(region, axes)
    for child in children_of(stmt):
        yield from _of(child, kind, axes, inner, wanted)


def _touched(
    stmt: Stmt, buffer: Buffer, kind: Kind, inner: dict[Var, int], wanted: Block | None
) -> list[Region]:
    """Those of :func:`_of` that are boxes of ``buffer``; in programs without blocks, where there
    are many of others, these are not made."""
    found: list[Region] = []
    stack = [stmt]
    while stack:
        node = stack.pop()
        if isinstance(node, Block):
            found += [r for r in _of(node, kind, {}, inner, wanted) if r.buffer is buffer]
            continue
        if isinstance(node, For):
            inner[node.var] = node.extent
            stack.append(node.body)
            continue
        if wanted is None:
            if isinstance(node, Evaluate):
                found += [r for r in _direct(node, kind) if r.buffer is buffer]
                continue
            if kind == "read":
                for expr in expressions_of(node):
                    found += [_element(n) for n in loads_of(expr) if n.source is buffer]
            if isinstance(node, Store):
                if kind == "write" and node.buffer is buffer:
                    found.append(Region(buffer, node.indices, (1,) * len(node.indices)))
                continue
            if isinstance(node, Accumulate):
                if buffer in node.buffers:
                    make = Region if kind == "write" else _Updated
                    found.append(make(buffer, node.indices, (1,) * len(node.indices)))
                continue
        stack.extend(reversed(children_of(node)))
    return found


def _of_block(block: Block, kind: Kind, axes: Mapping[Var, Expr]) -> Iterator[Region]:
    """The accesses of one point, its own loops widened away; ``axes`` places its axes."""
    declared = block.reads if kind == "read" else block.writes
    if declared is not None:
        yield from (_placed(region, axes) for region in declared)
        return
    if kind == "read":
        for expr in expressions_of(block):
            yield from (_placed(_element(node), {}) for node in loads_of(expr))
    own: dict[Var, int] = {}
    parts = () if block.init is None else (block.init,)
    found: list[Region] = []
    for part in (*parts, block.body):
        found.extend(_of(part, kind, {}, own))
    if kind == "read" and block.init is not None:
        found = [r for r in found if not isinstance(r, _Updated)]
    if own:
        found = [u for r in found if (u := union([r], own)) is not None]
    for region in found:
        yield _placed(region, axes)


class _Updated(Region):
    """What an accumulation reads of the buffer it updates."""


def _element(node: Load) -> Region:
    return Region(node.source, node.indices, (1,) * len(node.indices))


def _direct(stmt: Stmt, kind: Kind) -> Iterator[Region]:
    """The accesses of ``stmt`` itself."""
    if kind == "read":
        for expr in expressions_of(stmt):
            yield from map(_element, loads_of(expr))
    match stmt:
        case Store(buffer=buffer, indices=indices) if kind == "write":
            yield Region(buffer, indices, (1,) * len(indices))
        case Accumulate(buffers=buffers, indices=indices):
            make = Region if kind == "write" else _Updated
            for buffer in buffers:
                yield make(buffer, indices, (1,) * len(indices))
        case Evaluate(name=name) if is_intrinsic(name):
            from ..ir.intrinsic import call_effects

            reads, writes = call_effects(stmt)
            yield from reads if kind == "read" else writes
        case Evaluate(args=args):
            for arg in args:
                if isinstance(arg, Region):
                    yield arg
                elif isinstance(arg, Buffer):
                    yield Region(arg, (const(0),) * arg.ndim, arg.shape)
        case _:
            return


def _placed(region: Region, axes: Mapping[Var, Expr]) -> Region:
    if not axes:
        return region
    starts = tuple(substitute(start, axes) for start in region.starts)
    return type(region)(region.buffer, starts, region.extents)
