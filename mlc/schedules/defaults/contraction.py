"""Contractions: register tiles, and operands packed so that the lanes load neighbours."""

from __future__ import annotations

from math import gcd, prod

from ...dtypes import DType
from ...ir.affine import as_sum
from ...ir.expr import (
    Apply,
    Axis,
    Cast,
    Const,
    Expr,
    Load,
    Reduce,
    Var,
    cast,
    const,
    load,
    select,
)
from ...ir.rewrite import postorder, substitute, variables_of
from ...records import dataclass
from ...te.factor import pack_operand
from ...te.program import Nest, Tiling
from ...te.tensor import Constant
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step
from .machine import FEW_REGISTERS, LINE_BYTES, Machine
from .vectors import extent_of, lanes_for, private_loops, split_roles

PACK_BYTES = 96 << 10  # operands up to this size are read in place if the next cache is near
BLOCK_BYTES = 512 << 10  # of columns that rows go by at once: others want room in the cache, too
PACK_ROWS = 384  # a copy pays when this many rows are multiplied with it
FEW_PACK_ROWS = 64  # the same, where rows of the operand push each other out of a small cache,
SMALL_L1 = 32 << 10
LARGE_L2 = 2 << 20  # or where the copy stays in one that answers late, unless reads are in order
NEAR_PACK_ROWS = 128  # the same, where the copy is small, but not for the nearest cache
ACROSS_PACK_ROWS = 48  # the same, where vectors are lines, and lie in two of them as arrays come
BEHIND_PACK_ROWS = 32  # the same, where what is copied comes from behind the second cache
AHEAD_ROWS = 4  # the same, where it is made once before the first call
AHEAD_BYTES = 32 << 10
CONVERT_ROWS = 16  # with as many, and a panel of columns, operands are converted once
LATENCY = 4.0  # cycles until the next multiply-add can use what one has made
STEPS = 2  # of the reduction, in each turn: counting would take a tenth of the multiply-adds' time
TURNS = 4  # with fewer, the loop is over before that matters
PLACES_BYTES = 4096  # addresses so far apart share a place in the nearest cache
FEW_SUMS = 12  # vectors, whose step takes no longer than a turn of the loop would
MOST_UNROLLED = 96  # multiply-adds in a loop that is written out
FAR_BYTES = 2048  # rows that are read so far apart at every step are packed
LEAST_STEPS = 200  # of a reduction at once: sums are taken up and put down each time
FEW_STEPS = 80  # the same, where a smaller cache would have what is shared come from behind it
SPACIOUS_L2 = 1 << 20


@dataclass(frozen=True, eq=False)
class Roles:
    """``n`` runs in the lanes, ``m`` in register rows; both are spatial axes of the nest. Where
    there are ``groups`` of that many rows, what the lanes load is another operand for each."""

    n: Axis
    m: Axis | None
    groups: int = 0


def find_roles(nest: Nest) -> Roles | None:
    """The roles of the axes if the nest is a contraction: some operand is used again along another
    axis."""
    root = nest.compute.body[0]
    loads = loads_in(nest)
    spatial = [a for a in nest.compute.axes if a.extent > 1]
    if not isinstance(root, Reduce) or root.combiner.fn != "add" or len(loads) < 2 or not spatial:
        return None
    work = 1
    for axis in root.axes:
        work *= axis.extent
    if work < 2:
        return None
    n = spatial[-1]
    lanes = [x for x in loads if _uses(x, n)]
    if len(lanes) == len(loads) or not lanes:
        return None
    for m in reversed(spatial[:-1]):  # what the lanes load is used again for every row
        if not any(_uses(x, m) for x in lanes) and any(_uses(x, m) for x in loads):
            return Roles(n, m)
    return None


def find_grouped_roles(nest: Nest) -> Roles | None:
    """The roles of the axes if the nest is many contractions side by side: groups of neighbours
    along an axis use what the lanes load, which are neighbours themselves, again."""
    root = nest.compute.body[0]
    spatial = [a for a in nest.compute.axes if a.extent > 1]
    if not isinstance(root, Reduce) or root.combiner.fn != "add" or len(spatial) < 2:
        return None
    n, loads = spatial[-1], loads_in(nest)
    lanes = [x for x in loads if _uses(x, n)]
    if not lanes or len(lanes) == len(loads) or any(step(x, n) != 1 for x in lanes):
        return None
    for m in reversed(spatial[:-1]):
        each = min(repeats(x, m) for x in lanes)
        if 1 < each < m.extent and m.extent % each == 0 and any(_uses(x, m) for x in loads):
            return Roles(n, m, each)
    return None


def repeats(node: Load, axis: Axis) -> int:
    """How many points of ``axis``, from each multiple of that number, read the same."""
    each = axis.extent
    for index in node.indices:
        for atom, _ in as_sum(index).terms:
            if not any(v is axis for v in variables_of(atom)):
                continue
            match atom:
                case Apply(fn="floordiv", args=(a, Const(value=size))) if a is axis:
                    each = min(each, int(size))
                case _:
                    return 1
    return each


def _uses(node: Load, axis: Axis) -> bool:
    return any(v is axis for i in node.indices for v in variables_of(i))


def pack_operands(nest: Nest, roles: Roles, panel: int, machine: Machine) -> list[Nest]:
    """Copies of the operands whose lanes are not neighbours, or that are too large to be walked in
    place, followed by the nest that reads the copies. ``panel`` are the columns of a tile."""
    out: list[Nest] = []
    current = nest
    rows = roles.m.extent if roles.m is not None else 1
    for node in loads_in(nest):
        wide = _wider_type(node, nest, roles, panel)
        if wide is not None:
            axes = _axes_of(node, nest)
            if _uses(node, roles.n):
                packing, current = pack_axis(current, node, axes, roles.n, panel, wide)
            else:
                name = f"{node.source.name}_{wide.name}"
                packing, current = _copy(current, node, axes, wide, name)
            out.append(packing)
            continue
        if not _uses(node, roles.n) and _is_far(node, nest, roles, panel):
            axes, name = _axes_of(node, nest), f"{node.source.name}_turned"
            packing, current = _copy(current, node, axes, node.dtype, name)
            out.append(packing)
            continue
        if not _uses(node, roles.n) or (roles.m is not None and _uses(node, roles.m)):
            continue
        along = step(node, roles.n)
        axes = _axes_of(node, nest)
        elements = prod(axis.extent for axis in axes)
        too_large = roles.n.extent > panel and pays_to_pack(node, nest, roles, panel, machine)
        if (along in (0, 1) and not too_large) or rows < 4 or elements > 2 * node.source.size:
            continue
        packing, current = pack_axis(current, node, axes, roles.n, panel)
        out.append(packing)
    return [*out, current]


def pays_to_pack(node: Load, nest: Nest, roles: Roles, panel: int, machine: Machine) -> bool:
    """Whether a copy of the lanes' operand is worth its making for the rows there are."""
    rows = roles.m.extent if roles.m is not None else 1
    axes = _axes_of(node, nest)
    many = prod(axis.extent for axis in axes if axis is not roles.n and not axis.is_reduce)
    size = node.dtype.itemsize * prod(axis.extent for axis in axes) // many  # of one matrix
    if is_packed_ahead(node, rows):
        return size > AHEAD_BYTES
    lines, across = _is_line_by_line(node, nest, panel, machine), machine.vector_bytes >= LINE_BYTES
    is_small = across and machine.l2 < LARGE_L2
    if size <= PACK_BYTES:  # no panel stays in the nearest cache, and rows may begin within lines
        early = lines or ((across or machine.l2 >= LARGE_L2) and size > machine.l1)
        least = NEAR_PACK_ROWS if lines or not is_small or machine.threads == 1 else PACK_ROWS
        return (many == 1 or lines) and early and rows >= least
    if is_small:
        return rows >= (BEHIND_PACK_ROWS if size > machine.l2 else ACROSS_PACK_ROWS)
    early = lines or _push_out(node, nest, machine) or machine.l2 >= LARGE_L2
    return rows >= (FEW_PACK_ROWS if early else PACK_ROWS)


def is_packed_ahead(node: Load, rows: int) -> bool:
    """Whether a copy of what is read is made once, before the first call, and so worth more than
    any way to read it in place. What all rows together read once is not."""
    return isinstance(node.source.op, Constant) and rows >= AHEAD_ROWS


def _wider_type(node: Load, nest: Nest, roles: Roles, panel: int) -> DType | None:
    """The type of numbers that every use of an operand turns its elements into, if there are so
    many uses that it pays to do that once; else None."""
    if roles.m is None or roles.m.extent < CONVERT_ROWS or roles.n.extent < panel:
        return None
    if _uses(node, roles.n) is _uses(node, roles.m):
        return None
    root = nest.compute.body[0]
    users = [n for v in root.children for n in postorder(v) if any(c is node for c in n.children)]
    types = {n.dtype for n in users if isinstance(n, Cast)}
    if len(types) != 1 or not all(isinstance(n, Cast) for n in users):
        return None
    (wide,) = types
    size = prod(axis.extent for axis in _axes_of(node, nest))
    narrow = wide.is_float and node.dtype.itemsize < wide.itemsize
    return wide if narrow and size <= 2 * node.source.size else None


def _copy(nest: Nest, node: Load, axes: list[Axis], dtype: DType, name: str) -> tuple[Nest, Nest]:
    """What copies the operand ``node`` as ``dtype``, indexed by ``axes``, and the nest that reads
    the copy."""

    def element(*p: Expr) -> Expr:
        mapping: dict[Var, Expr] = dict(zip(axes, p, strict=True))
        return cast(load(node.source, tuple(substitute(i, mapping) for i in node.indices)), dtype)

    shape = tuple(a.extent for a in axes)
    return pack_operand(nest, shape, element, {node: tuple(axes)}, name)


def _is_far(node: Load, nest: Nest, roles: Roles, panel: int) -> bool:
    """Whether the rows' operand is neighbours along the rows but far apart along the reduction, and
    read often enough to be worth a copy."""
    last = reduce_axes(nest)[-1]
    if roles.m is None or step(node, roles.m) != 1 or roles.n.extent < 4 * panel:
        return False
    along = step(node, last)
    far = along is not None and abs(along) * node.dtype.itemsize >= FAR_BYTES
    return far and last.extent >= 4 * FEW_PACK_ROWS


def _push_out(node: Load, nest: Nest, machine: Machine) -> bool:
    """Whether rows of the lanes' operand lie so that they want the same few places of a small
    cache."""
    along = step(node, reduce_axes(nest)[-1])
    far = along is not None and along != 0 and along * node.dtype.itemsize % FAR_BYTES == 0
    return far and machine.l1 <= SMALL_L1


def _is_line_by_line(node: Load, nest: Nest, panel: int, machine: Machine) -> bool:
    """Whether each step of the reduction loads no more than a line for a panel of columns, and the
    next one far from it: such lines of a panel meet in a few places of the nearest cache, half of
    which hold fewer of them than there are; rows want the others."""
    last = reduce_axes(nest)[-1]
    apart = abs(step(node, last) or 0) * node.dtype.itemsize
    if panel * node.dtype.itemsize > LINE_BYTES or apart <= LINE_BYTES:
        return False
    return 2 * last.extent > machine.l1 // max(gcd(apart, PLACES_BYTES), LINE_BYTES)


def _axes_of(node: Load, nest: Nest) -> list[Axis]:
    """The axes of the nest that ``node`` depends on, in order."""
    used = {v for i in node.indices for v in variables_of(i)}
    return [a for a in (*nest.compute.axes, *reduce_axes(nest)) if a in used]


def pack_axis(
    nest: Nest, node: Load, axes: list[Axis], n: Axis, panel: int, dtype: DType | None = None
) -> tuple[Nest, Nest]:
    """What copies the operand ``node``, which depends on ``axes``, such that ``panel`` neighbours
    along ``n`` lie together, as ``dtype`` if one is given, and the nest that reads the copy."""
    others = [a for a in axes if a is not n]
    batch = [a for a in others if not a.is_reduce]
    inner = [a for a in others if a.is_reduce]
    width = panel  # whole vectors, even if there are fewer columns: then no load needs a mask
    shape = (
        *(a.extent for a in batch),
        -(-n.extent // width),
        *(a.extent for a in inner),
        width,
    )

    def element(*p: Expr) -> Expr:
        column = p[len(batch)] * width + p[-1]
        mapping: dict[Var, Expr] = dict(zip(batch, p, strict=False))
        mapping.update(zip(inner, p[len(batch) + 1 :], strict=False))
        mapping[n] = column
        value: Expr = load(node.source, tuple(substitute(i, mapping) for i in node.indices))
        value = value if dtype is None else cast(value, dtype)
        if n.extent % width == 0:
            return value
        return select(column < n.extent, value, const(0, value.dtype))

    where = (*batch, n // width, *inner, n % width)
    return pack_operand(nest, shape, element, {node: where}, f"{node.source.name}_packed")


@dataclass(frozen=True)
class Tile:
    """The register tile: ``rows`` of ``vectors`` of ``lanes``."""

    rows: int
    vectors: int
    lanes: int

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes


def choose_tile(nest: Nest, roles: Roles, machine: Machine) -> Tile:
    """As many accumulators as registers hold beside the operands: rows * vectors + vectors + 1."""
    lanes = lanes_for(nest, roles.n.extent, machine)
    budget = machine.registers - (4 if machine.registers > FEW_REGISTERS else 1)
    if roles.groups:
        return _tile_of_groups(-(-roles.n.extent // lanes), roles.groups, lanes, budget)
    have_rows = roles.m.extent if roles.m is not None else 1
    widest = 4 if machine.registers > FEW_REGISTERS else 2
    vectors = min(widest, -(-roles.n.extent // lanes))
    if have_rows < 6:
        vectors = min(8, -(-roles.n.extent // lanes), max(budget // (have_rows + 1), 1))
    rows = max(min(have_rows, (budget - vectors) // vectors, 8), 1)
    if vectors == 4 and rows > 6:
        rows = 6
    if have_rows > 2 * rows and _are_rows_stacked(nest, roles):
        rows = min(rows, max(machine.l1 // PLACES_BYTES - 1, 1))
    return Tile(rows, vectors, lanes)


def _are_rows_stacked(nest: Nest, roles: Roles) -> bool:
    """Whether rows of the other operand all want the same places of the nearest cache: it has so
    many as there are pages in it, and the columns want one."""
    sides = [node for node in loads_in(nest) if not _uses(node, roles.n)]
    if roles.m is None:
        return False
    apart = [(step(node, roles.m) or 0) * node.dtype.itemsize for node in sides]
    return any(size and size % PLACES_BYTES == 0 for size in apart)


def _tile_of_groups(vectors: int, group: int, lanes: int, budget: int) -> Tile:
    """The tile, a part of a group of rows, that loads and waits least for what it multiplies."""

    def cycles(tile: Tile) -> tuple[float, float]:
        rows, across = tile.rows, tile.vectors
        loads = rows / 2 + across  # neighbours seldom begin where cache lines do
        return max(rows * across / 2, loads, LATENCY) / (rows * across), loads / (rows * across)

    tiles = [
        Tile(rows, across, lanes)
        for across in range(1, min(vectors, 8) + 1)
        for rows in range(1, group + 1)
        if group % rows == 0 and (rows == 1 or rows * across + across <= budget)
    ]
    return min(tiles, key=cycles)


def tiling_for(
    nest: Nest, roles: Roles, tile: Tile, machine: Machine, large: int = 2 * PACK_BYTES
) -> Tiling:
    """Tiles over the axes of the nest: the other axes outside; then rows outside columns, or the
    other way round if what the columns load is too large to stay in cache while the rows go by, or
    threads had to wait for a ``large`` copy of it, while all rows stay in the cache of each."""
    axes = nest.compute.axes
    sizes = tuple(tile.columns if a is roles.n else tile.rows if a is roles.m else 1 for a in axes)
    others = [d for d, a in enumerate(axes) if a is not roles.n and a is not roles.m]
    inner = [d for role in (roles.m, roles.n) for d, a in enumerate(axes) if a is role]
    size = _column_bytes(nest, roles.n.extent)

    if not roles.groups and (
        size > machine.l2 // 4 or would_wait(nest, roles, tile, machine, large)
    ):
        inner.reverse()
    return Tiling(sizes, (*others, *inner))


def would_wait(
    nest: Nest, roles: Roles, tile: Tile, machine: Machine, large: int = 2 * PACK_BYTES
) -> bool:
    """Whether a copy of the lanes' operand is ``large`` enough to be waited for, there are columns
    for each thread to copy its own, as many for each or enough to share out, and all rows stay near
    while columns go by."""
    is_small = machine.l2 < LARGE_L2
    if machine.threads == 1 or roles.m is None or (is_small and machine.vector_bytes < LINE_BYTES):
        return False
    others = [a for a in nest.compute.axes if a is not roles.n and a is not roles.m]
    if any(a.extent > 1 for a in others) or roles.m.extent < FEW_PACK_ROWS:
        return False
    panels = -(-roles.n.extent // tile.columns)
    is_large = _column_bytes(nest, roles.n.extent) > large
    rows = _column_bytes(nest, roles.m.extent)
    shared = panels >= 2 * machine.threads or panels % machine.threads == 0
    return is_large and shared and rows <= machine.l2 // (4 if is_small else 8)


def _column_bytes(nest: Nest, columns: int) -> int:
    """Bytes that ``columns`` of the lanes' operand take, or so many rows of the other one, over the
    whole reduction."""
    size = columns * nest.tensors[0].dtype.itemsize
    for axis in reduce_axes(nest):
        size *= axis.extent
    return size


def block_columns(s: Schedule, name: str, nest: Nest, tile: Tile, machine: Machine) -> int:
    """Columns outside rows: take as many panels at once as stay in cache, so that rows are used
    more than once from the nearest cache, or from the next one where the lines of a panel are no
    more than those of rows: ``jo, io`` -> ``jo_0, io, jo_1``. Returns how many loops that added:
    none where that cache does not hold the rows of a tile beside what goes by."""
    is_small = machine.registers <= FEW_REGISTERS
    if _column_bytes(nest, tile.rows) > (machine.l2 // 8 if is_small else machine.l1 * 3 // 4):
        return 0
    columns, rows = s.loops(name)[len(nest.compute.axes) - 2 : len(nest.compute.axes)]
    panels = extent_of(s, columns)
    most = min(machine.l2 // 2, BLOCK_BYTES) // max(_column_bytes(nest, tile.columns), 1)
    if machine.threads > 1 and panels >= 4 * machine.threads:  # blocks for each of them
        most = min(most, panels // (2 * machine.threads))
    together = max((p for p in range(1, min(most, 4) + 1) if panels % p == 0), default=1)
    if together == 1 or together == panels:
        return 0
    outer, inner = s.split(columns, [None, together])
    s.reorder(outer, rows, inner)
    return 1


def steps_at_once(nest: Nest, roles: Roles, tile: Tile, machine: Machine) -> int | None:
    """How many steps of the reduction, a divisor of all of them, go by for all tiles before any
    goes on, so that the second cache holds what these read again and again: a panel of columns, or
    all operands where more than the tiles of one matrix share them. None for all steps."""
    (fold, *others), sources = reduce_axes(nest), {node.source for node in loads_in(nest)}
    if others or roles.groups or roles.m is None:
        return None
    most, size = machine.l2 // 2, sum(source.size * source.dtype.itemsize for source in sources)
    if not _are_shared(nest):
        size = _column_bytes(nest, min(tile.columns, roles.n.extent))
        most = machine.l2 // 4 if machine.l2 >= LARGE_L2 else most
        if roles.m.extent <= tile.rows:
            return None
    if size <= most:
        return None
    steps, least = fold.extent * most // size, LEAST_STEPS
    runs = [n for n in range(FEW_STEPS, fold.extent) if fold.extent % n == 0]
    if _are_shared(nest) and machine.l2 < SPACIOUS_L2 and not _is_near(nest, roles, machine):
        runs, least = [n for n in runs if n * size <= machine.l2 * fold.extent], FEW_STEPS
        steps = max(steps, min(runs, default=0))
    return max((n for n in runs if least <= n <= steps), default=None)


def _is_near(nest: Nest, roles: Roles, machine: Machine) -> bool:
    """Whether what one matrix multiplies stays in half the second cache, and its rows are read in
    order."""
    (fold,) = reduce_axes(nest)
    rows = [node for node in loads_in(nest) if not _uses(node, roles.n)]
    lines = roles.n.extent + (roles.m.extent if roles.m is not None else 0)
    in_order = all(step(node, fold) == 1 for node in rows)
    return in_order and _column_bytes(nest, lines) <= machine.l2 // 2


def _are_shared(nest: Nest) -> bool:
    """Whether points of axes that are no rows or columns of one matrix read the same again."""
    return all(
        2 * prod(axis.extent for axis in _axes_of(node, nest)) >= 3 * node.source.size
        for node in loads_in(nest)
    )


def bring_out(s: Schedule, name: str, nest: Nest, runs: Var, depth: int) -> list[Var]:
    """The loop over ``runs`` of the reduction outside that over rows, the last of ``depth`` loops,
    or outside all of them where matrices share operands. Returns the loops that are inside now."""
    loops = list(s.loops(name)[:depth])
    inside = loops if _are_shared(nest) else loops[-1:]
    s.reorder(runs, *inside)
    return inside


def schedule_tile(
    s: Schedule, name: str, nest: Nest, shared: int, tile: Tile, at_once: int | None = None
) -> Var | None:
    """Inside a tile: for each step of the reduction, all rows times all vectors. The first loop
    there is the one that is returned, over runs of ``at_once`` steps, where there are several."""
    block = s.block(name)
    loops = private_loops(s, block, shared)
    spatial, reduce = split_roles(s, block, loops, nest)
    if not spatial:
        return None
    runs: list[Var] = []
    if reduce and at_once is not None and at_once < extent_of(s, reduce[0]):
        run, reduce[0] = s.split(reduce[0], [None, at_once])
        runs.append(run)
    rows, columns = spatial[:-1], spatial[-1]
    if tile.vectors > 1:
        vectors, lanes = s.split(columns, [tile.vectors, tile.lanes])
        s.reorder(*runs, *reduce, *rows, vectors, lanes)
        s.unroll(vectors)
    else:
        lanes = columns
        s.reorder(*runs, *reduce, *rows, lanes)
    for row in rows:
        s.unroll(row)
    if reduce:
        unroll_steps(s, reduce[-1], tile, is_alone=len(reduce) == 1)
    if tile.lanes > 1:
        s.vectorize(lanes)
    return runs[0] if runs else None


def unroll_steps(s: Schedule, loop: Var, tile: Tile, is_alone: bool) -> None:
    """A few steps of the reduction in each turn of its innermost ``loop``; all of them where that
    is short, begins anew for each step of others, and takes little code."""
    steps, sums = extent_of(s, loop), tile.rows * tile.vectors
    if steps >= TURNS * STEPS:
        s.unroll(loop, STEPS)
    elif not is_alone and sums <= FEW_SUMS and sums * steps <= MOST_UNROLLED:
        s.unroll(loop)
