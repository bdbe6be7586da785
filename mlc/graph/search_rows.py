"""Where the extreme of a row of an array in memory stands: one pass by an intrinsic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from ..dtypes import DType, boolean, int64
from ..ir.expr import Axis, Expr, Load, Reduce, apply, cast, const
from ..ir.program import Buffer, Program, Region, contiguous_strides
from ..ir.rewrite import loads_of
from ..ops.broadcast import Shape, size_of
from ..ops.programs import Writer, threads, unflattened
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from .graph import Graph, Node, rebuild

_T = TypeVar("_T")

LONG = 1 << 17  # elements of a row that is searched in parts
PART = 1 << 15


def search_rows(graph: Graph) -> Graph:
    """``argmax(x, axis=-1)`` -> a call that searches row after row, where x is an array in memory;
    its two folds (see :func:`mlc.ops.reduce.arg_extreme`) go over x twice. Truth values are put
    there, since their search ends early. Other axes: see :mod:`mlc.graph.search_columns`."""

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
        out = node.tensors[0]
        program = _program(fn, *found, out.shape, out.dtype)
        op = Call(program, found[:1], node.op.op, location=node.op.location)
        return (Tensor(out.name, out.shape, out.dtype, op),)

    return rebuild(graph, change)


def _search(node: Node) -> tuple[Tensor, tuple[int, ...]] | None:
    """(the array, the axes of which are searched) if ``node`` is a search through rows."""
    op = node.compute
    root = op.reduction
    if root is None:
        return None
    from ..intrinsics import narrow_extremes
    from ..intrinsics.extremes import LEAST, TYPES

    loads = [load for load in loads_of(op.body[0]) if len(load.indices) >= len(root.axes)]
    rows = [(load, inner) for load in loads if (inner := _row_axes(load, op, root)) is not None]
    if len(rows) != 1:
        return None
    ((load, inner),) = rows
    x, count = load.source, size_of([a.extent for a in root.axes])
    if not isinstance(x, Tensor) or count < LEAST:
        return None
    if x.dtype is boolean and isinstance(x.op, Compute):  # to be made pays: the search ends early
        return (x, inner) if _is_last(x, inner) else None
    types = (*TYPES, *narrow_extremes.TYPES, "bool")
    return (x, inner) if x.dtype.name in types and _is_dense(x, inner) else None


def _is_last(x: Tensor, inner: tuple[int, ...]) -> bool:
    return inner == tuple(range(x.ndim - len(inner), x.ndim))


def _row_axes(load: Load, op: Compute, root: Reduce) -> tuple[int, ...] | None:
    """The axes of the array that ``load`` reads whole, by the reduce axes in order; the others are
    read by the axes of ``op``, in order."""
    is_inner = [any(index is axis for axis in root.axes) for index in load.indices]
    inner = tuple(d for d, found in enumerate(is_inner) if found)
    if len(inner) != len(root.axes):
        return None
    if any(load.indices[d] is not axis for d, axis in zip(inner, root.axes, strict=True)):
        return None
    spatial = iter(op.axes)  # those of extent 1 that keepdims leaves are skipped
    in_order = all(
        isinstance(index, Axis) and any(index is axis for axis in spatial)
        for index, found in zip(load.indices, is_inner, strict=True)
        if not found
    )
    return inner if in_order else None


def _is_dense(x: Tensor, inner: tuple[int, ...]) -> bool:
    """Whether elements along ``inner`` follow each other in memory, and not only in a fused
    loop."""
    if is_contiguous(x):
        return _is_last(x, inner)
    op = x.op
    if not isinstance(op, Placeholder) or op.strides is None or not op.aligned:
        return False
    dense = contiguous_strides(tuple(x.shape[d] for d in inner))
    pairs = zip(inner, dense, strict=True)
    return all(x.shape[d] == 1 or op.strides[d] == step for d, step in pairs)


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


def _program(
    fn: str, x: Tensor, searched: tuple[int, ...], shape: Shape, counter: DType
) -> Program:
    w = Writer(fn)
    source, out = w.input("x", x.shape, x.dtype), w.output("out", shape, counter)
    lead = [n for d, n in enumerate(x.shape) if d not in searched]
    inner = tuple(x.shape[d] for d in searched)
    rows, count = size_of(lead), size_of(inner)

    def joined(row: Sequence[_T], place: Sequence[_T]) -> tuple[_T, ...]:
        """One for each axis of x: in order, of ``row`` and of ``place`` in it."""
        rest, near = iter(row), iter(place)
        return tuple(next(near if d in searched else rest) for d in range(x.ndim))

    each = max(PART // size_of(inner[1:]), 1)
    is_long = rows < 8 and count >= LONG and x.dtype is not boolean
    parts = inner[0] // each if is_long else 1
    if parts > 1:
        with w.loop(rows, "r") as r:
            row = unflattened(r, lead)
            found = _in_parts(w, fn, source, partial(joined, row), inner, parts, counter)
            w.store(out, unflattened(r, shape), found)
        return w.program()
    named = _intrinsic(fn, x.dtype, inner, counter)
    with w.loop(rows, "r", threads(rows, x.size)) as r:
        start = joined(unflattened(r, lead), [const(0)] * len(inner))
        read = Region(source, start, joined([1] * len(lead), inner))
        w.run_on(named, read, Region(out, tuple(unflattened(r, shape)), (1,) * len(shape)))
    return w.program()


def _in_parts(
    w: Writer,
    fn: str,
    x: Buffer,
    joined: Callable[[Sequence[Any]], tuple[Any, ...]],
    inner: Shape,
    parts: int,
    counter: DType,
) -> Expr:
    """The place in one long row, of which threads search ``parts``."""
    rest, each = size_of(inner[1:]), inner[0] // parts
    places = w.memory("places", (parts,), counter)
    zeros = [const(0)] * (len(inner) - 1)

    def search(part: Expr, size: int) -> None:
        shape = (size, *inner[1:])
        extents = tuple(1 if isinstance(n, Expr) else n for n in joined(shape))
        read = Region(x, joined([part * each, *zeros]), extents)
        named = _intrinsic(fn, x.dtype, shape, counter)
        w.run_on(named, read, Region(places, (part,), (1,)))

    last = inner[0] - each * (parts - 1)
    even = parts if last == each else parts - 1
    with w.loop(even, "t", threads(even, size_of(inner))) as t:
        search(t, each)
    if even < parts:
        search(const(even), last)
    value = lambda place: x[joined(unflattened(place, inner))]
    at = w.variable("at", cast(places[0], int64))
    here = w.variable("here", const(0))
    with w.loop(parts - 1, "t") as t:
        w.set(here, cast(places[t + 1], int64) + (t + 1) * (each * rest))
        with w.when(_is_better(fn, value(here[()]), value(at[()]))):
            w.set(at, here[()])
    return at[()]


def _is_better(fn: str, value: Expr, best: Expr) -> Expr:
    """Whether ``value``, which comes later, takes the place of ``best``."""
    if value.dtype is boolean:
        return value & ~best if fn == "argmax" else ~value & best
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

    if dtype is boolean:
        from ..intrinsics.first_truth import first_truth

        return first_truth(fn, shape, counter, meaning).name
    if dtype.itemsize < 4:
        from ..intrinsics.narrow_extremes import narrow_place

        return narrow_place(fn, dtype, shape, counter, meaning).name
    from ..intrinsics.extremes import extreme_place

    return extreme_place(fn, dtype, shape, counter, meaning).name
