"""Products of bytes and of bfloat16 in the matrix tiles of a processor.

::

    c[i, j] = sum over k of int32(a[i, k]) * int32(b[k, j])
    ->  right[p, q, l] = the bytes b[4q, j] .. b[4q + 3, j] of column j = p * panel + l
        sums[i, j]     = sum over q of the products of a[i, 4q] .. a[i, 4q + 3] with right
        c[i, j]        = what is made of sums[i, j]

One call of an intrinsic (`mlc.intrinsics.tile_products`) makes a block of ``sums`` over the whole
reduction. ``a`` is read where it lies if its rows are contiguous, else as a copy, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...dtypes import DType, bfloat16, float32, int8, int32, uint8, uint16
from ...intrinsics.tile_products import (
    group_of,
    neighbours,
    steps_of,
    sums_of,
    tile_product,
)
from ...intrinsics.tile_text import BLOCK, STEP_BYTES, TILE_COLUMNS, TILE_ROWS, panels_of
from ...ir.combiner import reducer
from ...ir.expr import Axis, Expr, Load, Var, apply, cast, const, load, reduce, select
from ...ir.rewrite import substitute, variables_of
from ...records import dataclass
from ...te.program import Nest, Tiling
from ...te.tensor import Compute, Placeholder, Tensor
from ..schedule import Schedule
from .access import reduce_axes, step
from .byte_products import MOST_DEPTH
from .contraction import Roles
from .groups import narrow_operands, pack_groups
from .half_products import LEAST_DEPTH
from .half_products import LEAST_ROWS as LEAST_HALF_ROWS
from .machine import Machine
from .vectors import private_loops

LEAST_ROWS = 8
LEAST_COLUMNS = 16
LEAST_POINTS = 1 << 16  # of one matrix: registers are set up for each call
SHARED_POINTS = 1 << 22  # of a call that threads should share
MOST_ROWS = 256  # of one call
MOST_COLUMNS = 1024
MOST_BYTES = 64 << 10  # of sums that wait for what is made of them


@dataclass(frozen=True, eq=False)
class TileProducts:
    """``before`` makes the operands; ``nests`` are the product, a call of ``intrinsic`` for each
    tile of ``tiling``, and what makes its result of it, if anything has to."""

    before: list[Nest]
    nests: list[Nest]
    tiling: Tiling
    intrinsic: str


def tile_products(nest: Nest, roles: Roles, machine: Machine, direct: bool) -> TileProducts | None:
    """The nest by matrix tiles; None where it does not apply. With ``direct`` nothing else follows
    in the kernel: the sums are the result."""
    folds = reduce_axes(nest)
    if roles.m is None or roles.groups or len(folds) != 1:
        return None
    operands = _operands(nest, roles, machine)
    (fold,) = folds
    rows, columns = roles.m.extent, roles.n.extent
    if operands is None or rows < LEAST_ROWS or columns < LEAST_COLUMNS:
        return None
    if rows * columns * fold.extent < LEAST_POINTS:
        return None
    left, right = operands
    if left.dtype is bfloat16 and (rows < LEAST_HALF_ROWS or fold.extent < LEAST_DEPTH):
        return None
    root = nest.compute.body[0]
    if fold.extent > MOST_DEPTH and root.dtype.bits > 32:
        return None
    panels, panel = panels_of(-(-columns // BLOCK) * BLOCK if columns > TILE_COLUMNS else columns)
    width = _width(panels * panel, left, fold, machine)
    is_alone = direct and root.dtype is sums_of(left.dtype) and columns % width == 0
    most = MOST_ROWS if is_alone else MOST_BYTES // (4 * width)
    share = SHARED_POINTS // (width * fold.extent)
    height = _height(nest, roles, width, (min(most, MOST_ROWS), share), machine)
    before: list[Nest] = []
    depth, indices = fold.extent, left.indices
    source = left.source
    if rows % height or not _in_place(left, roles.m, fold):
        depth = steps_of(left.dtype, depth) * STEP_BYTES // left.dtype.itemsize
        packing, indices = _copy(nest, left, roles.m, fold, -(-rows // height) * height, depth)
        before.append(packing)
        source = packing.tensors[0]
    panels = -(-columns // width) * width // panel
    words = pack_groups(
        nest, right, fold, roles.n, panel, _bits, 4 // right.dtype.itemsize, TILE_ROWS, panels
    )
    before += words.before
    groups = Axis(fold.name, steps_of(left.dtype, depth) * TILE_ROWS, is_reduce=True)
    whole = {roles.m: -(-rows // height) * height, roles.n: -(-columns // width) * width}
    axes = tuple(Axis(a.name, whole.get(a, a.extent)) for a in nest.compute.axes)
    swap: dict[Var, Expr] = dict(zip(nest.compute.axes, axes, strict=True))

    def element(at: Expr) -> Expr:
        mapping = {**swap, fold: at}
        return load(source, tuple(substitute(index, mapping) for index in indices))

    parts = neighbours(element, groups, left.dtype, depth)
    value = group_of(parts, words.at({**swap, fold: groups}), right.dtype)
    total = sums_of(left.dtype)
    sums = reduce(reducer("sum", total), (value,), (groups,), 0)
    compute = Compute(axes, (sums,), nest.compute.op, location=nest.compute.location)
    sizes = {roles.m: height, roles.n: width}
    order = [d for d, a in enumerate(nest.compute.axes) if a not in sizes]
    for role in (roles.n, roles.m):  # the columns of one call stay near while all rows go by
        order += [d for d, a in enumerate(nest.compute.axes) if a is role]
    tiling = Tiling(tuple(sizes.get(a, 1) for a in nest.compute.axes), tuple(order))
    name = tile_product(left.dtype, right.dtype, height, width, depth, words=True, begin=True).name
    is_whole = all(a.extent == b.extent for a, b in zip(axes, nest.compute.axes, strict=True))
    if root.dtype is total and (is_whole or not direct):
        tensor = nest.tensors[0]
        return TileProducts(before, [Nest((tensor,), compute)], tiling, name)
    tensor = Tensor("sums", tuple(a.extent for a in axes), total, compute)
    found = cast(load(tensor, nest.compute.axes), root.dtype)
    final = Nest(nest.tensors, replace(nest.compute, body=(found,)))
    return TileProducts(before, [Nest((tensor,), compute), final], tiling, name)


def schedule_tiles(s: Schedule, name: str, shared: int, intrinsic: str) -> None:
    """The block of sums becomes the call."""
    s.tensorize(private_loops(s, s.block(name), shared)[0], intrinsic)


def _operands(nest: Nest, roles: Roles, machine: Machine) -> tuple[Load, Load] | None:
    """What the rows and the columns read, of types that there are tiles for."""
    root = nest.compute.body[0]
    if machine.has_byte_tiles:
        found = narrow_operands(nest, roles, (int8, uint8), "iu")
        if found is not None:
            return found
    if machine.has_half_tiles and root.dtype is float32:
        return narrow_operands(nest, roles, (bfloat16,), "f")
    return None


def _width(columns: int, node: Load, fold: Axis, machine: Machine) -> int:
    """Columns of one call: an equal share of all of them that stays in the cache."""
    if columns <= BLOCK:
        return columns
    size = fold.extent * node.dtype.itemsize
    most = max(min(machine.l2 // 2 // size, MOST_COLUMNS) // BLOCK, 1) * BLOCK
    shares = -(-columns // most)
    return -(-columns // (shares * BLOCK)) * BLOCK


def _height(nest: Nest, roles: Roles, width: int, limits: tuple[int, int], machine: Machine) -> int:
    """Rows of one call: an equal share of all of them, in which few tiles are not full; else as
    many as fit, the last ones filled up. Each thread should get some calls, but for those below
    the second of the ``limits``; the first is that of all calls."""
    assert roles.m is not None
    rows, (most, share) = roles.m.extent, limits
    others = -(-roles.n.extent // width)
    for axis in nest.compute.axes:
        others *= 1 if axis is roles.m or axis is roles.n else axis.extent
    while most > max(BLOCK, share) and -(-rows // most) * others < 2 * machine.threads:
        most //= 2
    if rows <= most:
        return rows
    best = max((n for n in range(1, most + 1) if rows % n == 0), key=lambda n: (_use(n), n))
    return best if 4 * best >= most and _use(best) > 0.7 else most


def _use(rows: int) -> float:
    """The part of the time in which tiles of full height multiply, for calls of so many rows."""
    return rows / (-(-rows // BLOCK) * BLOCK)


def _in_place(node: Load, row: Axis, fold: Axis) -> bool:
    """Whether rows of the operand are contiguous, and each index is an axis or a number."""
    source = node.source
    if isinstance(source.op, Placeholder) and not source.op.aligned:
        return False
    if node.indices[-1] is not fold or step(node, fold) != 1:
        return False
    if sum(index is row for index in node.indices[:-1]) != 1:
        return False
    return not any(variables_of(i) and not isinstance(i, Axis) for i in node.indices) and not any(
        index is fold for index in node.indices[:-1]
    )


def _copy(
    nest: Nest, node: Load, row: Axis, fold: Axis, rows: int, depth: int
) -> tuple[Nest, tuple[Expr, ...]]:
    """What copies the rows' operand with zeros behind its rows and below them, and the indices at
    which the nest finds its elements."""
    used = {v for index in node.indices for v in variables_of(index)}
    batch = [a for a in nest.compute.axes if a in used and a is not row]
    axes = (*batch, row, fold)
    shape = (*(a.extent for a in batch), rows, depth)
    index = tuple(Axis(f"p{n}", extent) for n, extent in enumerate(shape))
    mapping: dict[Var, Expr] = dict(zip(axes, index, strict=True))
    value: Expr = load(node.source, tuple(substitute(i, mapping) for i in node.indices))
    test = _inside(((index[-2], row, rows), (index[-1], fold, depth)))
    if test is not None:
        value = select(test, value, const(0, node.dtype))
    compute = Compute(index, (value,), "pack", location=nest.compute.location)
    tensor = Tensor(f"{node.source.name}_packed", shape, node.dtype, compute)
    return Nest((tensor,), compute), axes


def _inside(bounds: Iterable[tuple[Axis, Axis, int]]) -> Expr | None:
    test: Expr | None = None
    for index, axis, extent in bounds:
        if extent > axis.extent:
            below = index < axis.extent
            test = below if test is None else test & below
    return test


def _bits(raw: Expr) -> Expr:
    """The bits of a number as an int32 with zeros above."""
    kind: DType = raw.dtype
    unsigned = apply("bitcast", raw, dtype=uint16) if kind is bfloat16 else cast(raw, uint8)
    return cast(unsigned, int32)
