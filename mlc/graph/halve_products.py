"""Products of a matrix with its own transpose: a little more than half is made, the rest copied."""

from __future__ import annotations

from math import ceil

from ..dtypes import float32, float64
from ..ir.expr import Axis, Expr, Load, Reduce, Var, apply, const, load, reduce, select
from ..ir.program import Program, Region
from ..ir.rewrite import substitute
from ..ops.programs import Writer, threads
from ..schedules.defaults.access import step
from ..te.classify import axes_of, is_view
from ..te.folds import contraction_of
from ..te.inline import expand, remap_loads
from ..te.tensor import Call, Compute, Tensor
from .graph import Graph, Node, rebuild

LEAST_STEPS = 192  # of the reduction: so many cost more than copying what they make
LEAST_BLOCK = 48  # rows
MOST_PARTS = 16
ROWS, LINES = 6, 4  # rows, and cache lines across, of a tile, which is made whole
LINE = 64
LANES = 8  # of the tiles that are turned in registers


def halve_products(graph: Graph) -> Graph:
    """``a @ a.T`` of many rows -> products of blocks of rows with others, each pair of blocks once,
    and a call that puts them, and their transposes, together::

        panels[p, k, j] = a[block p, row j, k]
        halves[t] = a[block q] @ panels[p]      for p, q = each pair, those with one p in a row

    What is multiplied with many blocks one after the other stays in the cache meanwhile. An element
    and its mirror image are sums of the same numbers in the same order, so nothing changes but the
    time, which is about that of 0.6 products.
    """

    def change(node: Node) -> tuple[Tensor, ...] | None:
        found = _own_product(node)
        return None if found is None else (_halved(node, *found),)

    return rebuild(graph, change)


def _own_product(node: Node) -> tuple[Load, Load] | None:
    """What a large product multiplies, if that is an element of the row and one of the column of
    the result in the same array."""
    op = node.op
    if not isinstance(op, Compute) or len(op.body) != 1 or contraction_of(op) is None:
        return None
    root = op.reduction
    if root is None or len(op.axes) != 2 or len(root.axes) != 1:
        return None
    i, j = op.axes
    if i.extent != j.extent or root.axes[0].extent < LEAST_STEPS:
        return None
    if node.tensors[0].dtype not in (float32, float64):
        return None
    sides = [_without_views(side) for side in root.values[0].children]
    if not all(isinstance(side, Load) for side in sides):
        return None
    first, second = sides
    assert isinstance(first, Load) and isinstance(second, Load)
    if i not in axes_of(first):
        first, second = second, first
    if first.source is not second.source or j in axes_of(first) or i in axes_of(second):
        return None
    (k,), line, turn = root.axes, Var("line"), Var("turn")  # names of axes may be the same
    ways: tuple[dict[Var, Expr], ...] = ({i: line, k: turn}, {j: line, k: turn})
    one, other = (
        [str(substitute(n, names)) for n in side.indices]
        for side, names in zip((first, second), ways, strict=True)
    )
    return (first, second) if one == other else None


def _without_views(value: Expr) -> Expr:
    while isinstance(value, Load) and isinstance(value.source.op, Compute):
        op = value.source.op
        if not is_view(op):
            break
        places: dict[Var, Expr] = dict(zip(op.axes, value.indices, strict=True))
        value = expand(op.body[0], places, remap_loads(op.body[0], places), lambda _: None)
    return value


def parts_of(rows: int, itemsize: int) -> int:
    """Into how many blocks that many rows are parted, so that the least is multiplied; 1 where it
    would be nearly all."""
    columns = LINES * LINE // itemsize

    def work(parts: int) -> int:
        block = ceil(rows / parts)
        return pairs_of(parts) * ceil(block / ROWS) * ROWS * ceil(block / columns) * columns

    best = min(range(1, max(min(MOST_PARTS, rows // LEAST_BLOCK), 1) + 1), key=work)
    return best if work(best) < 0.75 * rows * rows else 1


def pairs_of(parts: int) -> int:
    """How many pairs there are of so many blocks, and of each with itself."""
    return parts * (parts + 1) // 2


def pair(t: Expr, parts: int) -> tuple[Expr, Expr]:
    """The blocks (p, q) of pair number ``t``: q is p or one of the half of all that follow it, the
    first behind the last. An even number of blocks has one right across, which is paired once."""
    half = parts // 2
    if parts % 2:
        p, d = t // (half + 1), t % (half + 1)
    else:
        first, rest = t // (parts + 1), t % (parts + 1)  # a block and the one across share a run
        p, d = first + rest // (half + 1) * half, rest % (half + 1)
    return p, apply("mod", p + d, const(parts))


def number_of(p: Expr, q: Expr, parts: int) -> tuple[Expr, Expr]:
    """The number of the pair (p, q), and whether it is one: else (q, p) is."""
    half = parts // 2
    d = apply("mod", q - p + parts, const(parts))
    if parts % 2:
        return p * (half + 1) + d, d <= half
    is_second = p // half
    t = p % half * (parts + 1) + is_second * (half + 1) + d
    return t, d * 2 + is_second <= parts


def start_of(p: Expr, block: int, rows: int) -> Expr:
    """The first row of block number ``p``: the last one may overlap the one before it, and makes
    what that makes once more."""
    return apply("minimum", p * block, const(rows - block))


def _halved(node: Node, first: Load, second: Load) -> Tensor:
    out, op = node.tensors[0], node.compute
    parts = parts_of(out.shape[0], out.dtype.itemsize)
    if parts == 1:
        return out
    root = op.reduction
    assert isinstance(root, Reduce)
    (i, j), (k,) = op.axes, root.axes
    block = ceil(out.shape[0] / parts)
    panels = _panels(second, j, k, parts, block, op)
    t = Axis("t", pairs_of(parts))
    inner, across = Axis("i", block), Axis("j", _width(block, out.dtype.itemsize))
    steps = Axis(k.name, k.extent, is_reduce=True)
    p, q = pair(t, parts)
    row: Expr = load(panels, (q, steps, inner))
    if step(first, i) != 1:
        row = _at(first, {i: start_of(q, block, i.extent) + inner, k: steps})
    body = reduce(
        root.combiner, (apply("mul", row, load(panels, (p, steps, across))),), (steps,), 0
    )
    compute = Compute((t, inner, across), (body,), op.op, op.params, op.location)
    shape = tuple(axis.extent for axis in compute.axes)
    halves = Tensor(f"{out.name}_halves", shape, out.dtype, compute)
    program = _put_together(out, parts, block, across.extent)
    call = Call(program, (halves,), op.op, location=op.location)
    return Tensor(out.name, out.shape, out.dtype, call)


def _width(block: int, itemsize: int) -> int:
    """Columns of that many rows, filled up to whole lines."""
    return ceil(block * itemsize / LINE) * (LINE // itemsize)


def _at(value: Expr, mapping: dict[Var, Expr]) -> Expr:
    return expand(value, mapping, remap_loads(value, mapping), lambda _: None)


def _panels(value: Load, j: Axis, k: Axis, parts: int, block: int, op: Compute) -> Tensor:
    """Blocks of the rows that ``value`` counts by ``j``, turned: neighbours along the rows, filled
    up with zeros to whole lines. Steps lie an odd number of lines apart: those of one line of a
    block, which is what a tile reads, have all of a cache for themselves then, not a half or a
    quarter of its places."""
    from ..intrinsics.transpose_blocks import transpose_block

    source, steps = value.source, k.extent
    width = _width(block, source.dtype.itemsize)
    line = LINE // source.dtype.itemsize
    apart = width + (line if width // line % 2 == 0 else 0)
    w = Writer("panels")
    given = w.input("x", source.shape, source.dtype)
    panels = w.output("panels", (parts, steps, apart), source.dtype)
    zero = const(0, source.dtype)
    with w.loop(parts, "p", threads(parts, source.size)) as p:
        start = start_of(p, block, j.extent)
        if len(value.indices) == 2 and value.indices[0] is j and value.indices[1] is k:
            turn = transpose_block(LANES, source.dtype, steps, block).name
            read = Region(given, (start, const(0)), (block, steps))
            w.run_on(turn, read, Region(panels, (p, const(0), const(0)), (1, steps, block)))
            with w.loop(steps, "k") as at, w.loop(width - block, "j") as column:
                w.store(panels, (p, at, column + block), zero)
        else:
            with w.loop(steps, "k") as at, w.loop(width, "j", "lanes") as column:
                mapping: dict[Var, Expr] = {j: start + column, k: at}
                places = tuple(substitute(index, mapping) for index in value.indices)
                w.store(panels, (p, at, column), select(column < block, load(given, places), zero))
    call = Call(w.program(), (source,), "pack", location=op.location)
    return Tensor(f"{source.name}_panels", panels.shape, source.dtype, call)


def _put_together(out: Tensor, parts: int, block: int, width: int) -> Program:
    """Each block of ``out`` from the half that has it, or its transpose."""
    from ..intrinsics.transpose_blocks import transpose_block

    size = out.shape[0]
    w = Writer("mirror")
    halves = w.input("halves", (pairs_of(parts), block, width), out.dtype)
    whole = w.output("whole", out.shape, out.dtype)
    turn = transpose_block(LANES, out.dtype, block, block).name
    with w.loop(parts, "q", threads(parts, out.size)) as q, w.loop(parts, "p") as p:
        row, column = start_of(q, block, size), start_of(p, block, size)
        t, is_there = number_of(p, q, parts)
        with w.when(is_there):
            with w.loop(block, "i") as i, w.loop(block, "j", "lanes") as j:
                w.store(whole, (row + i, column + j), halves[t, i, j])
        with w.otherwise():
            mirrored, _ = number_of(q, p, parts)
            read = Region(halves, (mirrored, const(0), const(0)), (1, block, block))
            w.run_on(turn, read, Region(whole, (row, column), (block, block)))
    return w.program()
