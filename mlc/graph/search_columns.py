"""Where the extremes of columns of an array in memory stand: an intrinsic that reads row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..dtypes import DType
from ..ir.expr import Axis, Load, apply, cast, const, load, reduce
from ..ir.program import Program, Region
from ..ops.broadcast import Shape, size_of
from ..ops.programs import Writer, nested, threads, unflattened
from ..te.tensor import Call, Tensor
from .graph import Node, with_operation

ROWS = 512  # from which on new extremes are rare
PART = 2048  # rows that one thread should search at least: each starts with nothing
MOST_PARTS = 16
HELD_BYTES = 32 << 10  # of the best elements so far: they are looked at again for each row


def search_columns(node: Node, fn: str) -> tuple[Tensor, ...] | None:
    """``argmax(x, axis=0)`` -> a call that searches all columns at once, by some parts of the rows,
    and a fold over those, for the ``fn`` that ``node`` is; None where it is none over columns, or x
    is no array in memory."""
    from .search_rows import is_contiguous

    root = node.compute.reduction
    if root is None or len(root.axes) != 1 or len(root.values) != 2:
        return None
    value, (axis,) = root.values[0], root.axes
    if not isinstance(value, Load) or not isinstance(value.source, Tensor):
        return None
    x = value.source
    fold = next((d for d, index in enumerate(value.indices) if index is axis), None)
    if fold is None or not _is_in_order(value, node.compute.axes, axis):
        return None
    from ..intrinsics import narrow_extremes
    from ..intrinsics.column_extremes import narrowest
    from ..intrinsics.extremes import TYPES

    rows, columns = x.shape[fold], size_of(x.shape[fold + 1 :])
    if x.dtype.name not in (*TYPES, *narrow_extremes.TYPES) or rows < ROWS or not is_contiguous(x):
        return None
    if columns < narrowest(x.dtype) or columns * x.dtype.itemsize > HELD_BYTES:
        return None
    parts = next(p for p in range(min(MOST_PARTS, max(rows // PART, 1)), 0, -1) if rows % p == 0)
    program = _program(fn, x, fold, parts, root.combiner.dtypes[1])
    shape = (*x.shape[:fold], parts, *x.shape[fold + 1 :])
    call = Call(program, (x,), node.compute.op, location=node.compute.location)
    values, places = (
        Tensor(f"{fn}_part", shape, dtype, call, n) for n, dtype in enumerate(root.combiner.dtypes)
    )
    part = Axis("t", parts, is_reduce=True)
    at = tuple(part if index is axis else index for index in value.indices)
    counter = root.combiner.dtypes[1]
    place = load(places, at)
    if parts > 1:
        place = place + cast(part, counter) * const(rows // parts, counter)
    read = (load(values, at), place)
    body = tuple(reduce(root.combiner, read, (part,), n) for n in range(len(read)))
    return with_operation(node, replace(node.compute, body=body)).tensors


def _is_in_order(value: Load, axes: Sequence[Axis], fold: Axis) -> bool:
    """Whether ``value`` walks through its array by ``axes`` in order, and by ``fold``."""
    spatial = iter(axes)  # those of extent 1 that keepdims leaves are skipped
    return all(i is fold or any(i is axis for axis in spatial) for i in value.indices)


def _program(fn: str, x: Tensor, fold: int, parts: int, counter: DType) -> Program:
    """Each part of the rows by itself: the best element of each column, and its row in the part."""
    lead, rest = x.shape[:fold], x.shape[fold + 1 :]
    shape, each = (*lead, parts, *rest), x.shape[fold] // parts
    w = Writer(fn)
    source = w.input("x", x.shape, x.dtype)
    best, place = w.output("best", shape, x.dtype), w.output("place", shape, counter)
    named = _intrinsic(fn, x.dtype, each, rest, counter)
    pieces = size_of(lead) * parts
    with w.loop(pieces, "t", threads(pieces, x.size)) as t:
        *outer, part = unflattened(t, (*lead, parts))
        ones, zeros = (1,) * len(lead), (const(0),) * len(rest)
        read = Region(source, (*outer, part * each, *zeros), (*ones, each, *rest))
        made = (*outer, part, *zeros), (*ones, 1, *rest)
        w.run_on(named, read, Region(best, *made), Region(place, *made))
    return w.program()


def _intrinsic(fn: str, dtype: DType, rows: int, rest: Shape, counter: DType) -> str:
    def meaning(name: str) -> Program:
        w = Writer(name)
        a = w.input("A", (rows, *rest), dtype)
        v, p = w.output("V", rest, dtype), w.output("P", rest, counter)
        with nested(w, rest, "j") as j:
            head = (0, *j)
            w.store(v, j, a[head])
            w.store(p, j, const(0, counter))
        with w.loop(rows - 1, "i") as i, nested(w, rest, "j") as j:
            here = (i + 1, *j)
            value, best = a[here], v[tuple(j)]
            wins = value > best if fn == "argmax" else value < best
            if dtype.is_float:
                wins = wins | (apply("isnan", value) & ~apply("isnan", best))
            with w.when(wins):
                w.store(v, j, value)
                w.store(p, j, i + 1)
        return w.program()

    from ..intrinsics.column_extremes import column_places

    return column_places(fn, dtype, rows, rest, counter, meaning).name
