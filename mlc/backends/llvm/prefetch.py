"""Loads that are announced: the hint of the schedule step prefetch as instructions."""

from __future__ import annotations

from itertools import product

from ...ir.affine import as_sum
from ...ir.expr import Expr, Load, Var, const
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

    A hint with two more numbers, ``part`` and ``parts``, asks for one of so many equal shares.

    Addresses behind the end of a buffer do no harm. Left out are indices that depend on data or
    are no sums, what is in registers, and what each iteration allocates for itself.
    """
    for _, name, distance, *share in dict(loop.annotations).get("prefetch", ()):
        inner = {s.var: s.extent for s in walk(loop.body) if isinstance(s, For)}
        fresh = {b for s in walk(loop.body) if isinstance(s, Allocate) for b in s.buffers}
        asked: dict[tuple[str, int], Buffer] = {}
        for buffer, indices in _reads(loop.body, name):
            offsets = _offsets(loop.var, distance, inner, buffer, indices)
            if offsets is None or buffer in e.registers or buffer in fresh:
                continue
            zeros: dict[Var, Expr] = dict.fromkeys(inner, const(0))
            start = address_of(e, buffer, tuple(substitute(i, zeros) for i in indices)).pointer
            for offset in offsets:
                asked.setdefault((start, offset), buffer)
        part, parts = share or (0, 1)
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


def _offsets(
    var: Var, distance: int, inner: dict[Var, int], buffer: Buffer, indices: tuple[Expr, ...]
) -> list[int] | None:
    """How many elements behind the first one of this iteration lie those to ask for, one of each
    line; None where that is not a matter of numbers."""
    shift, steps = 0, dict.fromkeys(inner, 0)
    total: Expr = const(0)
    for index, stride in zip(indices, buffer.element_strides, strict=True):
        if loads_of(index):
            return None
        total = total + index * stride
    for atom, c in as_sum(simplify(total)).terms:  # rows and columns of one number become it again
        if atom is var:
            shift += c * distance
        elif isinstance(atom, Var) and atom in steps:
            steps[atom] += c
        elif any(v is var or v in inner for v in variables_of(atom)):
            return None
    moving = [(inner[v], step) for v, step in steps.items() if step and inner[v] > 1]
    points = 1
    for extent, _ in moving:
        points *= extent
    if not shift or points > _MOST_POINTS:
        return None
    line = max(_LINE // buffer.dtype.itemsize, 1)
    lines: dict[int, int] = {}
    for point in product(*(range(extent) for extent, _ in moving)):
        offset = shift + sum(i * step for i, (_, step) in zip(point, moving, strict=True))
        lines.setdefault(offset // line, offset)
    return list(lines.values())[:_MOST_LINES]
