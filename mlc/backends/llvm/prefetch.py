"""Loads that are announced: the hint of the schedule step prefetch as instructions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from ...ir.affine import as_sum
from ...ir.expr import Expr, Load, Var, apply, const
from ...ir.program import Accumulate, Allocate, Buffer, For, Stmt, Store, walk
from ...ir.rewrite import loads_of, substitute, variables_of
from ...ir.simplify import simplify
from .addressing import address_of
from .emitter import Emitter
from .types import memory_type

_LINE = 64  # bytes that one instruction asks for
_MOST_LINES = 32  # of one read in one iteration
_MOST_POINTS = 1 << 14
_LARGE_L2 = 2 << 20
NEAREST, SECOND = 3, 2  # caches, as LLVM's prefetch has them

Read = tuple[Buffer, tuple[Expr, ...]]


def emit_prefetches(e: Emitter, loop: For) -> None:
    """Asks, at the begin of an iteration of ``loop``, for the lines that its hints name: those that
    it reads of a buffer some iterations later.

    A hint with two more numbers, ``part`` and ``parts``, asks for one of so many equal shares; one
    that ends with "in order" for as many lines, but as they lie in memory, one with "last" for
    those of the last row, and one with "chosen" for those at the same place of a row that data
    choose some rows later.

    Addresses behind the end of a buffer do no harm. Left out are indices that depend on data or
    are no sums, what is in registers, and what each iteration allocates for itself.
    """
    for _, name, distance, *share in dict(loop.annotations).get("prefetch", ()):
        inner = {s.var: s.extent for s in walk(loop.body) if isinstance(s, For)}
        fresh = {b for s in walk(loop.body) if isinstance(s, Allocate) for b in s.buffers}
        asked: dict[tuple[str, int], Buffer] = {}
        part, parts, *how = share or (0, 1)
        reads = _reads(loop.body, name)
        if how == ["chosen"]:
            asking = _chosen_rows(e, loop.var, distance, inner, reads)
        else:
            ways = {(): _row_by_row, ("in order",): _as_they_lie, ("last",): _last_row}
            asking = ways[tuple(how)](loop.var, distance, inner, reads)
        for buffer, indices, offsets in asking:
            if buffer in e.registers or buffer in fresh:
                continue
            zeros: dict[Var, Expr] = dict.fromkeys(inner, const(0))
            start = address_of(e, buffer, tuple(substitute(i, zeros) for i in indices)).pointer
            for offset in offsets:
                asked.setdefault((start, offset), buffer)
        for (start, offset), buffer in list(asked.items())[part::parts]:
            _ask(e, buffer, start, offset, _cache_for(e, buffer, loop))


def _cache_for(e: Emitter, buffer: Buffer, loop: For) -> int:
    """Where to bring what is needed later: of memory that is far away only a few lines can be on
    their way to the nearest cache at a time, and these are for what is needed now, if the next
    cache is large enough to wait in. A loop that writes far away, too, needs them for its stores
    anyway, unless these pass the caches by."""

    def far(target: Buffer) -> bool:
        return target.size * target.dtype.itemsize > e.target.far_bytes

    writes = {s.buffer for s in walk(loop.body) if isinstance(s, Store)} - e.passing
    waits = far(buffer) and not any(map(far, writes))
    return SECOND if waits and e.target.l2_bytes >= _LARGE_L2 else NEAREST


def _ask(e: Emitter, buffer: Buffer, start: str, offset: int, cache: int) -> None:
    place = e.raw(f"getelementptr {memory_type(buffer.dtype)}, ptr {start}, i64 {offset}")
    e.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    e.line(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 {cache}, i32 1)")


def _reads(body: Stmt, name: str) -> list[Read]:
    """The elements of the buffer called ``name`` that stores in ``body`` read."""
    found: dict[Load, None] = {}
    for stmt in walk(body):
        values: tuple[Expr, ...] = ()
        match stmt:
            case Store(value=value):
                values = (value,)
            case Accumulate(values=values):
                pass
        for value in values:
            found.update(dict.fromkeys(n for n in loads_of(value) if n.source.name == name))
    return [(node.source, node.indices) for node in found]


def _row_by_row(
    var: Var, distance: int, inner: dict[Var, int], reads: list[Read]
) -> Iterator[tuple[Buffer, tuple[Expr, ...], list[int]]]:
    """What each read means ``distance`` iterations later: elements, and how far behind these one of
    each line lies."""
    for buffer, indices in reads:
        walk = _walk(var, inner, buffer, indices)
        if walk is not None and walk[1] * distance:
            _, step, offsets = walk
            yield buffer, indices, _one_of_each_line(buffer, [step * distance + o for o in offsets])


def _as_they_lie(
    var: Var, distance: int, inner: dict[Var, int], reads: list[Read]
) -> Iterator[tuple[Buffer, tuple[Expr, ...], list[int]]]:
    """As many lines as all reads of an iteration of ``var``, which begins at 0, but one behind the
    other, from where the first row will be ``distance`` iterations later."""
    walks = [_walk(var, inner, *read) for read in reads]
    found = [(*walk, *read) for walk, read in zip(walks, reads, strict=True) if walk is not None]
    if not found or len({(step, buffer) for _, step, _, buffer, _ in found}) > 1:
        return
    first, step, _, buffer, indices = min(found, key=lambda each: each[0])
    if not step or buffer.element_strides[-1] != 1:
        return
    every = [begin - first + o for begin, _, offsets, _, _ in found for o in offsets]
    count, line = len(_one_of_each_line(buffer, every)), _line(buffer)
    behind = var * (count * line - step) + step * distance
    yield buffer, (*indices[:-1], indices[-1] + behind), [n * line for n in range(count)]


def _last_row(
    var: Var, distance: int, inner: dict[Var, int], reads: list[Read]
) -> Iterator[tuple[Buffer, tuple[Expr, ...], list[int]]]:
    """What `_row_by_row` gives for what is read last, by no more than an iteration goes on."""
    walks = [(walk[0], walk[1], read) for read in reads if (walk := _walk(var, inner, *read))]
    last = max((begin for begin, _, _ in walks), default=0)
    near = [(begin, read) for begin, step, read in walks if last - begin < step]
    known: set[int] = set()
    for begin, read in sorted(near, key=lambda each: each[0]):
        for buffer, indices, offsets in _row_by_row(var, distance, inner, [read]):
            lines = {(begin + o) // _line(buffer): o for o in reversed(offsets)}
            new = [o for line, o in sorted(lines.items()) if line not in known]
            known.update(lines)
            if new:
                yield buffer, indices, new


def _chosen_rows(
    e: Emitter, var: Var, distance: int, inner: dict[Var, int], reads: list[Read]
) -> Iterator[tuple[Buffer, tuple[Expr, ...], list[int]]]:
    """What is read at the same place of the row that data choose ``distance`` iterations of the
    loop around later, or of the last one: elements, and how far behind these one of each line
    lies."""
    for buffer, indices in reads:
        found = [n for index in indices for n in loads_of(index)]
        rows = {v for n in found for index in n.indices for v in variables_of(index)}
        around = [v for v in rows if v in e.level_of and v is not var and v not in inner]
        plain = tuple(const(0) if any(True for _ in loads_of(i)) else i for i in indices)
        walk = _walk(var, inner, buffer, plain)
        if not around or len(around) < len(rows) or walk is None or not walk[1]:
            continue
        row = max(around, key=lambda v: e.level_of[v])
        last = const(e.facts.ranges[row] - 1)
        later: dict[Var, Expr] = {row: apply("minimum", row + distance, last)}
        moved = tuple(substitute(index, later) for index in indices)
        yield buffer, moved, _one_of_each_line(buffer, walk[2])


def _line(buffer: Buffer) -> int:
    return max(_LINE // buffer.dtype.itemsize, 1)


def _one_of_each_line(buffer: Buffer, offsets: list[int]) -> list[int]:
    lines: dict[int, int] = {}
    for offset in offsets:
        lines.setdefault(offset // _line(buffer), offset)
    return list(lines.values())[:_MOST_LINES]


def _walk(
    var: Var, inner: dict[Var, int], buffer: Buffer, indices: tuple[Expr, ...]
) -> tuple[int, int, list[int]] | None:
    """Of a read: the number in its sum of elements, how many of them an iteration of ``var`` goes
    on, and how far behind the first one in it the others lie; None where that is not a matter of
    numbers."""
    step, steps = 0, dict.fromkeys(inner, 0)
    total: Expr = const(0)
    for index, stride in zip(indices, buffer.element_strides, strict=True):
        if loads_of(index):
            return None
        total = total + index * stride
    address = as_sum(simplify(total))  # rows and columns of one number become it again
    for atom, c in address.terms:
        if atom is var:
            step += c
        elif isinstance(atom, Var) and atom in steps:
            steps[atom] += c
        elif any(v is var or v in inner for v in variables_of(atom)):
            return None
    moving = [(inner[v], step) for v, step in steps.items() if step and inner[v] > 1]
    if prod(extent for extent, _ in moving) > _MOST_POINTS:
        return None
    points = product(*(range(extent) for extent, _ in moving))
    offsets = [sum(i * by for i, (_, by) in zip(p, moving, strict=True)) for p in points]
    return address.constant, step, offsets
