"""Products of a matrix with its own transpose: a little more than half is made, the rest copied."""

from __future__ import annotations

from math import ceil

from ..dtypes import float32, float64
from ..ir.expr import Axis, Expr, Load, Reduce, Var, apply, const, load, reduce
from ..ir.program import Program, Region
from ..ir.rewrite import substitute
from ..ops.programs import Writer, threads
from ..schedules.defaults.access import step
from ..te.classify import axes_of, contraction_of, is_view
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

        halves[d, p] = a[block (p + d) % parts] @ a[block p].T        for d <= parts / 2

    An element and its mirror image are sums of the same numbers in the same order, so nothing
    changes but the time, which is about that of 0.6 products.
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

    def work(parts: int) -> float:
        block = rows // parts
        tiles = ceil(block / ROWS) * ROWS * ceil(block / columns) * columns
        return parts * (parts // 2 + 1) * tiles + (rows - parts * block) * rows

    best = min(range(1, max(min(MOST_PARTS, rows // LEAST_BLOCK), 1) + 1), key=work)
    return best if work(best) < 0.75 * rows * rows else 1


def _halved(node: Node, first: Load, second: Load) -> Tensor:
    out, op = node.tensors[0], node.compute
    parts = parts_of(out.shape[0], out.dtype.itemsize)
    if parts == 1:
        return out
    block = out.shape[0] // parts
    first, second = _in_rows(node, first, second, block)
    d, p = Axis("d", parts // 2 + 1), Axis("p", parts)
    inner, across = Axis("i", block), Axis("j", block)
    halves = _product(
        node, f"{out.name}_halves", (d, p, inner, across), first, second,
        (apply("mod", p + d, const(parts)) * block + inner, p * block + across),
    )  # fmt: skip
    made, rest = [halves], out.shape[0] - parts * block
    if rest:
        last, column = Axis("i", rest), Axis("j", out.shape[0])
        places = (last + parts * block, column)
        made.append(_product(node, f"{out.name}_rest", (last, column), first, second, places))
    program = _put_together(out, parts, block)
    call = Call(program, tuple(made), op.op, location=op.location)
    return Tensor(out.name, out.shape, out.dtype, call)


def _in_rows(node: Node, first: Load, second: Load, block: int) -> tuple[Load, Load]:
    """Both operands with neighbours along the reduction: of a turned copy, where a matrix has
    neighbours along its rows."""
    root = node.compute.reduction
    assert isinstance(root, Reduce)
    (i, j), (k,) = node.compute.axes, root.axes
    source, is_matrix = first.source, len(first.indices) == 2 and first.indices[0] is k
    if step(first, i) != 1 or not is_matrix or source.shape != (k.extent, i.extent):
        return first, second
    program = _turned(source, block)
    call = Call(program, (source,), "turn", location=node.compute.location)
    turned = Tensor(f"{source.name}_turned", (i.extent, k.extent), source.dtype, call)
    mine, other = load(turned, (i, k)), load(turned, (j, k))
    assert isinstance(mine, Load) and isinstance(other, Load)
    return mine, other


def _turned(source: Tensor, block: int) -> Program:
    """The transpose of ``source``, made by ``block`` rows at a time."""
    from ..intrinsics.transpose_blocks import transpose_block

    height, size = source.shape
    parts, rest = size // block, size % block
    w = Writer("turn")
    given = w.input("x", source.shape, source.dtype)
    turned = w.output("turned", (size, height), source.dtype)
    turn = transpose_block(LANES, source.dtype, block, height).name
    with w.loop(parts, "p", threads(parts, source.size)) as p:
        read = Region(given, (const(0), p * block), (height, block))
        w.run_on(turn, read, Region(turned, (p * block, const(0)), (block, height)))
    with w.loop(rest, "i") as i, w.loop(height, "k") as k:
        w.store(turned, (i + parts * block, k), given[k, i + parts * block])
    return w.program()


def _product(
    node: Node, name: str, axes: tuple[Axis, ...], first: Load, second: Load,
    places: tuple[Expr, Expr],
) -> Tensor:  # fmt: skip
    """What the product ``node`` is at ``places``, over ``axes``."""
    root = node.compute.reduction
    assert isinstance(root, Reduce)
    (old,) = root.axes
    k = Axis(old.name, old.extent, is_reduce=True)
    mapping: dict[Var, Expr] = dict(zip((*node.compute.axes, old), (*places, k), strict=True))
    read = [
        expand(side, mapping, remap_loads(side, mapping), lambda _: None)
        for side in (first, second)
    ]
    body = reduce(root.combiner, (apply("mul", *read),), (k,), 0)
    op = Compute(axes, (body,), node.compute.op, node.compute.params, node.compute.location)
    return Tensor(name, tuple(axis.extent for axis in axes), node.tensors[0].dtype, op)


def _put_together(out: Tensor, parts: int, block: int) -> Program:
    """Each block of ``out`` from the half that has it, or its transpose."""
    from ..intrinsics.transpose_blocks import transpose_block

    size, made = out.shape[0], parts * block
    rest = size - made
    w = Writer("mirror")
    halves = w.input("halves", (parts // 2 + 1, parts, block, block), out.dtype)
    below = w.input("rest", (rest, size), out.dtype) if rest else None
    whole = w.output("whole", out.shape, out.dtype)
    turn = transpose_block(LANES, out.dtype, block, block).name
    with w.loop(parts, "p", threads(parts, out.size)) as p:
        with w.loop(parts, "q") as q:
            d = apply("mod", p - q + parts, const(parts))
            with w.when(d <= parts // 2):
                with w.loop(block, "i") as i, w.loop(block, "j", "lanes") as j:
                    w.store(whole, (p * block + i, q * block + j), halves[d, q, i, j])
            with w.otherwise():
                read = Region(
                    halves, (const(parts) - d, p, const(0), const(0)), (1, 1, block, block)
                )
                w.run_on(turn, read, Region(whole, (p * block, q * block), (block, block)))
        if below is not None:
            with w.loop(block, "i") as i, w.loop(rest, "j") as j:
                w.store(whole, (p * block + i, made + j), below[j, p * block + i])
    if below is not None:
        with w.loop(rest, "i") as i, w.loop(size, "j", "lanes") as j:
            w.store(whole, (i + made, j), below[i, j])
    return w.program()
