"""Convolutions: contractions that read one operand through windows over its last two dimensions.

Rows of windows are short and seldom a whole number of vectors. What helps is to run over the rows
of the operand, ``L`` elements each, as one: ``f = i * L + j`` makes windows step by one element all
the way, and only the last ``L - columns`` results of a row are for nothing::

    out[n, o, i, j] = sum(x[n, c, i + p, j + q] * w[o, c, p, q])        ->
    flat[n, o, f] = sum(x[n, c, (f + p * L + q) // L, (f + p * L + q) % L] * w[o, c, p, q])
    out[n, o, i, j] = flat[n, o, i * L + j]

``flat`` exists for one register tile's rows of outputs at a time, which also keeps their weights in
the cache while the windows go by. Windows that step by more than one element, or over rows that do
not follow each other in memory, read a copy that is sorted by what is left over::

    sorted[n, c, a, b, h, w] = x[n, c, h * step + a, w * step + b]

Where shuffles take the place of multiply-adds, rows that stay apart gain by such a copy, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ...ir.affine import as_sum
from ...ir.expr import Axis, Expr, Load, Reduce, const, load, reduce, select
from ...ir.rewrite import substitute_loads, variables_of
from ...records import dataclass
from ...te.program import Nest, Tiling
from ...te.tensor import Compute, Tensor
from .access import loads_in, reduce_axes, strides_of
from .contraction import LATENCY, Roles, Tile, choose_tile, repeats
from .machine import FEW_REGISTERS, Machine
from .row_blocks import RowBlocks
from .vectors import lanes_for

COPIED = 4.0  # cycles that it takes to copy a vector of results to its place
SORTED = 12.0  # cycles that it takes to sort a vector of the operand
FAR_WEIGHTS = 1.3  # how much slower it is to fetch weights for every row of windows
STRIDED = 1.4  # how much slower loads are that leave elements out
ALONE = 4.0  # how much slower a direct sum is that register tiles do not fit
LOADED = 0.1  # of the time of a multiply-add, for each load
MOST_BYTES = 256 << 10  # results that wait for their places


@dataclass(frozen=True, eq=False)
class _Windows:
    """``x`` is read at ``step * (i, j) + offset`` in its last two dimensions; ``w`` does not depend
    on ``i`` and ``j``, the last two axes, but on ``outputs``; ``each`` of its points, one after
    the other, read the same of ``x``."""

    x: Load
    w: Load
    outputs: Axis
    step: tuple[int, int]
    offset: tuple[Expr, Expr]
    each: int


def plan_windows(
    nests: Sequence[Nest], shared: int, kept: set[int], machine: Machine
) -> RowBlocks | None:
    """How to run the first nest, and those after it that work on its results, if it is a
    convolution that gains by flat rows."""
    first, *rest = nests
    axes = first.compute.axes
    found = _windows(first)
    if found is None or (rest and shared != len(axes)):
        return None
    if any(reduce_axes(n) or len(n.compute.axes) != len(axes) for n in rest):
        return None
    length, copies = _row_length(found)
    flat = Axis("f", (axes[-2].extent - 1) * length + axes[-1].extent)
    lanes = lanes_for(first, flat.extent, machine)
    depth = prod(a.extent for a in reduce_axes(first))
    outputs = found.outputs.extent
    columns = -(-flat.extent // lanes)
    others = prod(a.extent for a in axes[:-2]) // outputs
    tile = _best_tile(found.each, outputs, others, columns, lanes, machine)
    if tile.rows * flat.extent * first.tensors[0].dtype.itemsize > min(machine.l2 // 4, MOST_BYTES):
        return None
    vectors = -(-axes[-2].extent * axes[-1].extent // lanes) * outputs * others
    direct = _direct_cycles(first, found, depth, lanes, machine) * vectors
    direct -= max(_gain_of_columns(first, found, machine), 0.0)
    cycles = _tile_cycles(tile, outputs, columns) * depth * others + COPIED * vectors
    if copies:
        cycles += SORTED * found.x.source.size / lanes
    if cycles >= direct:
        return None
    before, sums, whole = _flattened(first, found, flat, length, copies)
    if id(first.tensors[0]) in kept:
        after = [whole, *rest]
    else:  # what follows reads the flat results
        after = [_reading(n, first.tensors[0], whole) for n in rest]
    tiling = Tiling(tuple(tile.rows if a is found.outputs else 1 for a in axes[:-2]))
    return RowBlocks(before, [sums, *after], {sums: tile}, tiling)


def sort_columns(nest: Nest, machine: Machine) -> tuple[Nest, Nest] | None:
    """A copy of what windows that step by several elements read, with the columns sorted by what
    is left over, and the nest that reads neighbours of it; None if that does not pay."""
    found = _windows(nest)
    if found is None or _gain_of_columns(nest, found, machine) <= 0:
        return None
    along, q = found.step[1], found.offset[1]
    by_columns = replace(found, step=(1, along))
    packing, source = _sorted(nest, by_columns)
    *lead, high, _ = found.x.indices
    moved = load(source, (*lead, const(0), q % along, high, q // along + nest.compute.axes[-1]))
    return packing, _with_windows(nest, nest.compute.axes, found.x, moved)


def _gain_of_columns(nest: Nest, found: _Windows, machine: Machine) -> float:
    """Cycles that `sort_columns` saves; negative where copying costs more than it gains."""
    if found.step[1] == 1 or found.each < found.outputs.extent or machine.shuffles_apart:
        return 0.0
    axes = nest.compute.axes
    lanes = lanes_for(nest, axes[-1].extent, machine)
    depth = prod(a.extent for a in reduce_axes(nest))
    vectors = prod(a.extent for a in axes[:-1]) * -(-axes[-1].extent // lanes)
    gain: float = vectors * depth / 2 * (1 - 1 / STRIDED) - SORTED * found.x.source.size / lanes
    return gain


def _windows(nest: Nest) -> _Windows | None:
    root, axes = nest.compute.body[0], nest.compute.axes
    loads = loads_in(nest)
    if not isinstance(root, Reduce) or root.combiner.fn != "add" or len(root.values) != 1:
        return None
    if len(loads) != 2 or len(axes) < 3 or min(a.extent for a in axes[-2:]) < 2:
        return None
    row, column = axes[-2:]
    xs = [n for n in loads if _uses(n, row) and _uses(n, column)]
    ws = [n for n in loads if not _uses(n, row) and not _uses(n, column)]
    if len(xs) != 1 or len(ws) != 1 or len(xs[0].indices) < 2:
        return None
    (x,), (w,) = xs, ws
    *others, high, wide = x.indices
    steps = (_step(high, row), _step(wide, column))
    if any(set(variables_of(i)) & {row, column} for i in others) or None in steps:
        return None
    by_weights = [a for a in axes[:-2] if a.extent > 1 and _uses(w, a)]
    if len(by_weights) != 1:
        return None
    (outputs,) = by_weights
    each = repeats(x, outputs)
    if each < 2:
        return None
    (down, p), (along, q) = steps  # type: ignore[misc]
    return _Windows(x, w, outputs, (down, along), (p, q), each)


def _uses(node: Load, axis: Axis) -> bool:
    return any(v is axis for i in node.indices for v in variables_of(i))


def _step(index: Expr, axis: Axis) -> tuple[int, Expr] | None:
    """(factor, rest) of ``factor * axis + rest``, the factor positive and the rest made of reduce
    axes."""
    total = as_sum(index)
    factor = total.coefficient(axis)
    rest = total.plus(as_sum(axis), -factor)
    if factor < 1 or rest.constant < 0 or any(c < 0 for _, c in rest.terms):
        return None
    if not rest.is_affine or any(not v.is_reduce for v in variables_of(rest.expr())):  # type: ignore[attr-defined]
        return None
    return factor, rest.expr()


def _row_length(found: _Windows) -> tuple[int, bool]:
    """The elements from one row of windows to the next, and whether that takes a copy."""
    wide = found.x.source.shape[-1]
    strides = strides_of(found.x.source)
    if found.step == (1, 1) and strides[-1] == 1 and strides[-2] == wide:
        return wide, False
    return -(-wide // found.step[1]), True


def _best_tile(
    each: int, outputs: int, others: int, vectors: int, lanes: int, machine: Machine
) -> Tile:
    """The register tile that takes the fewest cycles, also of the thread that has the most tiles
    to do; its rows read the same windows."""
    is_small = machine.registers <= FEW_REGISTERS
    budget = machine.registers - (1 if is_small else 2)
    best: tuple[float, Tile] | None = None
    for across in range(1, min(6, vectors) + 1):
        for rows in range(1, min(each, (budget - across) // across, 14) + 1):
            if each < outputs and each % rows:
                continue
            tile = Tile(rows, across, lanes)
            cycles = _tile_cycles(tile, outputs, vectors)
            if is_small:  # small tiles spend more on loads, as instructions
                cycles *= 1 + LOADED * (rows + across) / (rows * across)
            tasks = -(-outputs // rows) * others
            cycles *= -(-tasks // machine.threads) * machine.threads / tasks
            if best is None or cycles < best[0]:
                best = cycles, tile
    assert best is not None
    return best[1]


def _tile_cycles(tile: Tile, outputs: int, vectors: int) -> float:
    """Cycles that one step of the reduction takes for all tiles: multiply-adds or loads, two at a
    time, or the wait for what the step before has made."""

    def cycles(rows: int, across: int) -> float:
        loads = (rows + 1.5 * across) / 2  # vectors seldom begin where cache lines do
        return max(rows * across / 2, loads, LATENCY) + 0.25 if rows and across else 0.0

    total = 0.0
    for rows, many in ((tile.rows, outputs // tile.rows), (outputs % tile.rows, 1)):
        whole, left = divmod(vectors, tile.vectors)
        total += many * (whole * cycles(rows, tile.vectors) + cycles(rows, left))
    return total


def _direct_cycles(nest: Nest, found: _Windows, depth: int, lanes: int, machine: Machine) -> float:
    """Cycles for a vector of useful results where every row of windows has vectors of its own."""
    column = nest.compute.axes[-1]
    if found.each < found.outputs.extent:
        return ALONE * depth / 2
    across, outputs = -(-column.extent // lanes), found.outputs.extent
    useful = column.extent / (across * lanes)
    tile = choose_tile(nest, Roles(column, found.outputs), machine)
    cycles = max(_tile_cycles(tile, outputs, across) / (outputs * across), 0.5) * depth / useful
    weights = prod(found.w.source.shape) * found.w.dtype.itemsize
    if column.extent <= lanes:
        cycles *= 1.15  # a load for every multiply-add
    if found.step[1] > 1:
        cycles *= STRIDED
    return cycles * (FAR_WEIGHTS if weights > machine.l2 // 2 else 1.0)


def _flattened(
    nest: Nest, found: _Windows, flat: Axis, length: int, copies: bool
) -> tuple[list[Nest], Nest, Nest]:
    """Copies that have to be made, the flat sums, and the nest that puts them in their places."""
    op = nest.compute
    (tensor,) = nest.tensors
    outer = op.axes[:-2]
    before: list[Nest] = []
    p, q = found.offset
    if copies:
        packing, source = _sorted(nest, found)
        before.append(packing)
        (down, along) = found.step
        left = (p % down, q % along)
        at = (p // down) * length + q // along + flat
        lead = (*found.x.indices[:-2], *left)
    else:
        source, lead = found.x.source, found.x.indices[:-2]
        at = p * length + q + flat
    moved = load(source, (*lead, at // length, at % length))
    axes = (*outer, flat)
    compute = _with_windows(nest, axes, found.x, moved).compute
    shape = tuple(a.extent for a in axes)
    name = tensor.name.split(".")[0]
    made = Tensor(f"{name}_flat", shape, tensor.dtype, compute)
    fresh = tuple(Axis(a.name, a.extent) for a in op.axes)
    result = load(made, (*fresh[:-2], fresh[-2] * length + fresh[-1]))
    placed = replace(op, axes=fresh, body=(result,))
    return before, Nest((made,), compute), Nest(nest.tensors, placed)


def _with_windows(nest: Nest, axes: tuple[Axis, ...], x: Load, moved: Expr) -> Nest:
    """The sums over ``axes``, with ``moved`` in place of ``x``."""
    root = nest.compute.body[0]
    assert isinstance(root, Reduce)
    value = substitute_loads(root.values[0], lambda node: moved if node is x else None)
    body = (reduce(root.combiner, (value,), root.axes, 0),)
    return Nest(nest.tensors, replace(nest.compute, axes=axes, body=body))


def _sorted(nest: Nest, found: _Windows) -> tuple[Nest, Tensor]:
    """The nest that sorts the operand's rows and columns by what is left over."""
    source, (down, along) = found.x.source, found.step
    *others, high, wide = source.shape
    shape = (*others, down, along, -(-high // down), -(-wide // along))
    axes = tuple(Axis(f"p{n}", e) for n, e in enumerate(shape))
    *lead, a, b, h, w = axes
    i, j = h * down + a, w * along + b
    value: Expr = load(source, (*lead, i, j))
    inside = [t for t, n, s in ((i < high, high, down), (j < wide, wide, along)) if n % s]
    for test in inside:
        value = select(test, value, const(0, found.x.dtype))
    compute = Compute(axes, (value,), "sort", location=nest.compute.location)
    tensor = Tensor(f"{source.name}_sorted", shape, found.x.dtype, compute)
    return Nest((tensor,), compute), tensor


def _reading(nest: Nest, tensor: Tensor, whole: Nest) -> Nest:
    """``nest`` with the flat results in place of ``tensor``, which nobody else reads."""
    from ...ir.rewrite import substitute

    def on_load(node: Load) -> Expr | None:
        if node.source is not tensor:
            return None
        return substitute(
            whole.compute.body[0], dict(zip(whole.compute.axes, node.indices, strict=True))
        )

    body = tuple(substitute_loads(part, on_load) for part in nest.compute.body)
    return Nest(nest.tensors, replace(nest.compute, body=body))
