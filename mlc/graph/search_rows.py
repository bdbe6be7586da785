"""Where the extreme of a row of an array in memory stands: one pass by an intrinsic."""

from __future__ import annotations

from ..dtypes import DType, int64
from ..ir.expr import Axis, Expr, Load, Reduce, apply, cast, const
from ..ir.program import Buffer, Program, Region
from ..ir.rewrite import loads_of
from ..ops.broadcast import Shape, size_of
from ..ops.programs import Writer, threads, unflattened
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from .graph import Graph, Node, rebuild

LONG = 1 << 17  # elements of a row that is searched in parts
PART = 1 << 15


def search_rows(graph: Graph) -> Graph:
    """``argmax(x, axis=-1)`` -> a call that searches row after row, where x is an array in memory;
    its two folds (see :func:`mlc.ops.reduce.arg_extreme`) go over x twice. Other axes: see
    :mod:`mlc.graph.search_columns`."""

    def change(node: Node) -> tuple[Tensor, ...] | None:
        family, fn, *_ = (*node.compute.op.split("."), "")
        if family != "arg_extreme" or fn not in ("argmax", "argmin"):
            return None
        from .search_columns import search_columns

        columns = search_columns(node, fn)
        if columns is not None:
            return columns
        found = _search(node)
        if found is None:
            return None
        x, count = found
        out = node.tensors[0]
        program = _program(fn, x, count, out.shape, out.dtype)
        op = Call(program, (x,), node.op.op, location=node.op.location)
        return (Tensor(out.name, out.shape, out.dtype, op),)

    return rebuild(graph, change)


def _search(node: Node) -> tuple[Tensor, int] | None:
    """(the array, elements of a row) if ``node`` is a search through rows."""
    op = node.compute
    root = op.reduction
    if root is None:
        return None
    from ..intrinsics.extremes import LEAST, TYPES

    loads = [load for load in loads_of(op.body[0]) if len(load.indices) >= len(root.axes)]
    rows = [load for load in loads if _is_by_rows(load, op, root)]
    if len(rows) != 1:
        return None
    x, count = rows[0].source, size_of([a.extent for a in root.axes])
    if not isinstance(x, Tensor) or x.dtype.name not in TYPES or count < LEAST:
        return None
    return (x, count) if is_contiguous(x) else None


def _is_by_rows(load: Load, op: Compute, root: Reduce) -> bool:
    """Whether ``load`` reads all of its array in order: rows by the axes of ``op``, and within
    them by the reduce axes."""
    lead = len(load.indices) - len(root.axes)
    if any(index is not axis for index, axis in zip(load.indices[lead:], root.axes, strict=True)):
        return False
    spatial = iter(op.axes)  # those of extent 1 that keepdims leaves are skipped
    return all(
        isinstance(index, Axis) and any(index is axis for axis in spatial)
        for index in load.indices[:lead]
    )


def is_contiguous(x: Tensor) -> bool:
    """Whether ``x`` will lie in memory as a C-contiguous array, and not only in a fused loop."""
    match x.op:
        case Placeholder(strides=strides, aligned=aligned):
            return strides is None and aligned
        case Constant(array=array):
            return bool(array.flags.c_contiguous and array.flags.aligned)
        case Call():
            return True
        case _:
            return False


def _program(fn: str, x: Tensor, count: int, shape: Shape, counter: DType) -> Program:
    w = Writer(fn)
    source, out = w.input("x", x.shape, x.dtype), w.output("out", shape, counter)
    inner: Shape = ()
    lead = x.shape
    while size_of(inner) < count:
        lead, inner = lead[:-1], (lead[-1], *inner)
    rows, zeros = size_of(lead), [const(0)] * len(inner)
    each = max(PART // size_of(inner[1:]), 1)
    parts = inner[0] // each if rows < 8 and count >= LONG else 1
    if parts > 1:
        with w.loop(rows, "r") as r:
            found = _in_parts(w, fn, source, unflattened(r, lead), inner, parts, counter)
            w.store(out, unflattened(r, shape), found)
        return w.program()
    named = _intrinsic(fn, x.dtype, inner, counter)
    with w.loop(rows, "r", threads(rows, x.size)) as r:
        read = Region(source, (*unflattened(r, lead), *zeros), (*(1 for _ in lead), *inner))
        w.run_on(named, read, Region(out, tuple(unflattened(r, shape)), (1,) * len(shape)))
    return w.program()


def _in_parts(
    w: Writer, fn: str, x: Buffer, row: list[Expr], inner: Shape, parts: int, counter: DType
) -> Expr:
    """The place in one long row, of which threads search ``parts``."""
    rest, each = size_of(inner[1:]), inner[0] // parts
    places = w.memory("places", (parts,), counter)
    ones, zeros = [1] * len(row), [const(0)] * (len(inner) - 1)

    def search(part: Expr, size: int) -> None:
        shape = (size, *inner[1:])
        read = Region(x, (*row, part * each, *zeros), (*ones, *shape))
        named = _intrinsic(fn, x.dtype, shape, counter)
        w.run_on(named, read, Region(places, (part,), (1,)))

    last = inner[0] - each * (parts - 1)
    even = parts if last == each else parts - 1
    with w.loop(even, "t", threads(even, size_of(inner))) as t:
        search(t, each)
    if even < parts:
        search(const(even), last)
    value = lambda place: x[tuple(row + unflattened(place, inner))]
    at = w.variable("at", cast(places[0], int64))
    here = w.variable("here", const(0))
    with w.loop(parts - 1, "t") as t:
        w.set(here, cast(places[t + 1], int64) + (t + 1) * (each * rest))
        with w.when(_is_better(fn, value(here[()]), value(at[()]))):
            w.set(at, here[()])
    return at[()]


def _is_better(fn: str, value: Expr, best: Expr) -> Expr:
    """Whether ``value``, which comes later, takes the place of ``best``."""
    wins = value > best if fn == "argmax" else value < best
    if not value.dtype.is_float:
        return wins
    return wins | (apply("isnan", value) & ~apply("isnan", best))


def _intrinsic(fn: str, dtype: DType, shape: Shape, counter: DType) -> str:
    def meaning(name: str) -> Program:
        w = Writer(name)
        a, place = w.input("A", shape, dtype), w.output("P", (1,), counter)
        at = w.variable("at", const(0))
        value = lambda i: a[tuple(unflattened(i, shape))]
        with w.loop(size_of(shape) - 1, "i") as i:
            with w.when(_is_better(fn, value(i + 1), value(at[()]))):
                w.set(at, i + 1)
        w.store(place, (0,), at[()])
        return w.program()

    from ..intrinsics.extremes import extreme_place

    return extreme_place(fn, dtype, shape, counter, meaning).name
