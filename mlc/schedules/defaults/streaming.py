"""Products of few rows with a large matrix: memory gives the pace, so the matrix is read once, in
order.

::

    for i, j in T.grid(8, 4096):     ->     for jo in T.parallel(4):
        for k in range(4096):                   for ko, jp in T.grid(512, 32):  # along eight rows
            c[i, j] += a[i, k] * b[k, j]            for k in range(8):
                                                        8 rows x 2 vectors of c += ...

The rows of the result are in registers, go back to the cache after a few steps of the reduction,
and so the columns can be walked in long runs, with what comes next asked for early where a vector
is a whole line: rows that take more loads are seen coming by the processor itself, and by some
processors all that is not in main memory. More rows than registers hold go by in tiles, while what
they read is in the nearest cache; where there are too many for that, blocks of the matrix are
copied there first.
Rows of the result are gathered apart: in a result as wide as the matrix, and often a power of two,
they would all want the places in the cache that rows of the matrix want. Rows of the other operand
that lie so are copied, those of a tile together.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir.expr import Axis, Load, Var, load
from ...ir.program import Buffer, reads_of, writes_of
from ...records import dataclass
from ...te.program import Nest, Tiling
from ...te.tensor import Tensor
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step
from .contraction import LATENCY, Roles, choose_tile, is_packed_ahead, pack_axis, pays_to_pack
from .folds import is_foldable
from .machine import FEW_REGISTERS, LARGE_L2, LINE_BYTES, STACK_BYTES, Machine
from .vectors import lanes_for, private_loops, split_roles

MOST_ROWS = 256
TOGETHER = 14  # rows that are in registers at once
SOME_ROWS = 48  # in tiles that read the matrix where it lies
TILE_ROWS = 8, 7, 6
FEW_ROWS = 6  # of a tile in few registers, if it should have two vectors
FEW_TILE_ROWS = 4, 5, 6
STEPS = 8  # of the reduction at a time: as many rows of the matrix are read side by side
RUN_BYTES = 16384  # of a row that one task reads before it goes on to the next rows
AHEAD_BYTES = 1024
APART_BYTES = 512, 128  # rows of the result begin that far behind multiples of the first
SUMS_BYTES = 192 << 10  # of the result that is gathered
FAR_BYTES = 2048  # rows that lie multiples of this apart push each other out of the nearest cache
LEAST_ROWS = 4  # with fewer they do not
BLOCK = 128  # rows of the matrix that are copied at a time for several tiles of rows


@dataclass(frozen=True, eq=False)
class Stream:
    """All rows by ``run`` columns at a time: in registers are ``rows`` by ``vectors`` of ``lanes``,
    for ``steps`` of the reduction. Whether blocks of the matrix are ``copied``, or what comes next
    is ``asked_for``."""

    roles: Roles
    run: int
    rows: int
    steps: int
    vectors: int
    lanes: int
    copied: bool
    asked_for: bool


def plan_stream(nest: Nest, roles: Roles | None, machine: Machine) -> Stream | None:
    """How to walk the columns' operand once; None if it is not large, or not read so."""
    if roles is None:
        return None
    folds = reduce_axes(nest)
    matrix = _matrix(nest, roles)
    if matrix is None or len(folds) != 1 or not is_foldable(nest):
        return None
    others = [a for a in nest.compute.axes if a is not roles.m and a is not roles.n]
    rows = 1 if roles.m is None else roles.m.extent
    if any(a.extent > 1 for a in others) or rows > MOST_ROWS or is_packed_ahead(matrix, rows):
        return None
    if rows == 1 and machine.looks_ahead:
        from .reduction import factor_rows

        if factor_rows(nest, machine) is not None:
            return None  # blocks of whole rows are read faster than runs of them
    n, k, size = roles.n.extent, folds[0].extent, matrix.dtype.itemsize
    lanes = lanes_for(nest, n, machine)
    is_small = machine.registers <= FEW_REGISTERS
    most = SOME_ROWS if machine.looks_ahead else TOGETHER  # rows for which a copy never pays
    packs = rows > most and (is_small or machine.l2 < LARGE_L2)
    if packs and pays_to_pack(matrix, nest, roles, lanes, machine):
        return None  # blocks of columns are copied by longer rows than those of one tile
    if rows > TOGETHER and pays_to_pack(matrix, nest, roles, lanes, machine):
        from .packing import early_steps

        if early_steps(nest, roles, choose_tile(nest, roles, machine), machine, direct=False):
            return None  # each panel comes while the one before it is multiplied
    together, steps, run_bytes = rows, STEPS, RUN_BYTES
    if TOGETHER < rows <= SOME_ROWS:
        together = max(TILE_ROWS, key=lambda n: ((rows % n or n) >= n / 2, n))
        run_bytes = min(RUN_BYTES // 2, SUMS_BYTES // rows)
    elif rows > TOGETHER:
        whole = [r for r in (6, 5, 4) if rows % r == 0]  # no tile with fewer rows: less code
        together = whole[0] if whole else 6
        steps, run_bytes = BLOCK, RUN_BYTES // 4
    if is_small and together > FEW_ROWS:
        together = min(FEW_TILE_ROWS, key=lambda n: _cycles(rows, n, _vectors(n, machine)))
    steps = next((n for n in range(steps, steps // 2, -1) if k % n == 0), steps)
    vectors = _vectors(together, machine)
    width = lanes * vectors
    large = machine.l2 if rows > 1 else 8 * machine.l2
    if n * k * size <= large or k < 4 * steps or n < 4 * width:
        return None
    runs = -(-n * size // run_bytes)
    runs = -(-runs // machine.threads) * machine.threads  # no thread waits for another's last run
    run = -(-n // (runs * width)) * width
    copied = rows > SOME_ROWS
    seen = machine.vector_bytes < LINE_BYTES  # coming, by the processor
    if machine.looks_ahead:
        seen = n * k * size <= max(machine.past_bytes, machine.l2)
    return Stream(roles, run, together, steps, vectors, lanes, copied, not (copied or seen))


def _vectors(rows: int, machine: Machine) -> int:
    """Vectors of a tile of so many rows."""
    wishes = (4, 3, 2) if machine.registers <= FEW_REGISTERS else (4, 2)
    return next((v for v in wishes if v * (rows + 1) < machine.registers), 1)


def _cycles(rows: int, high: int, across: int) -> float:
    """Cycles that a vector of columns takes for all rows by tiles of ``high``: multiply-adds, two
    at a time, or the wait for what the step before has made."""
    whole, left = divmod(rows, high)
    last = max(left * across / 2, LATENCY) if left else 0.0
    return (whole * max(high * across / 2, LATENCY) + last) / across


def _matrix(nest: Nest, roles: Roles) -> Load | None:
    """What the columns read, if that is one load of neighbours that all rows have in common."""
    loads = loads_in(nest)
    found = [node for node in loads if step(node, roles.n) != 0]
    if len(found) != 1 or len(loads) < 2 or step(found[0], roles.n) != 1:
        return None
    return found[0] if roles.m is None or step(found[0], roles.m) == 0 else None


def columns_of(nest: Nest) -> Roles | None:
    """The roles in a product of one row: its columns are the last axis that is any."""
    wide = [a for a in nest.compute.axes if a.extent > 1]
    return Roles(wide[-1], None) if wide else None


def gather_apart(nest: Nest, stream: Stream) -> list[Nest]:
    """The nest, into memory of its own unless blocks of the matrix are copied, and what copies that
    to the result."""
    m, (tensor,) = stream.roles.m, nest.tensors
    if m is None or stream.copied or m.extent == 1:
        return [nest]
    if m.extent * (stream.run * tensor.dtype.itemsize + sum(APART_BYTES)) > STACK_BYTES:
        return [nest]
    sums = Tensor(f"{tensor.name}_sums", tensor.shape, tensor.dtype, nest.compute)
    axes = tuple(Axis(a.name, a.extent) for a in nest.compute.axes)
    copy = replace(nest.compute, axes=axes, body=(load(sums, axes),))
    return [Nest((sums,), nest.compute), Nest(nest.tensors, copy)]


def pack_rows(nest: Nest, stream: Stream) -> list[Nest]:
    """The nest, after what copies the rows' operand where its rows push each other out."""
    m = stream.roles.m
    if m is None or stream.copied or m.extent < LEAST_ROWS:
        return [nest]
    (fold,) = reduce_axes(nest)
    for node in loads_in(nest):
        apart = step(node, m)
        if (
            step(node, stream.roles.n) == 0
            and apart
            and apart * node.dtype.itemsize % FAR_BYTES == 0
        ):
            return list(pack_axis(nest, node, [m, fold], m, stream.rows))
    return [nest]


def stream_tiling(nest: Nest, stream: Stream) -> Tiling:
    """All rows and a run of columns."""
    roles = stream.roles
    sizes = {roles.n: stream.run}
    if roles.m is not None:
        sizes[roles.m] = roles.m.extent
    return Tiling(tuple(sizes.get(a, 1) for a in nest.compute.axes))


def schedule_stream(s: Schedule, name: str, shared: int, nest: Nest, stream: Stream) -> None:
    """Inside a run of columns: a few steps of the reduction for all of them before the next."""
    block = s.block(name)
    _set_apart(s, name)
    spatial, (fold,) = split_roles(s, block, private_loops(s, block, shared), nest)
    *rows, columns = spatial
    strip, vector, lane = s.split(columns, [None, stream.vectors, stream.lanes])
    outer, inner = s.split(fold, [None, stream.steps])
    tiles = None
    if rows:
        tiles, row = s.split(rows[0], [None, stream.rows])
        s.reorder(outer, strip, tiles, inner, row, vector, lane)
    else:
        row = inner
        s.reorder(outer, strip, inner, vector, lane)
    s.unroll(row)
    s.unroll(vector)
    s.vectorize(lane)
    matrix = max((node.source for node in reads_of(s.block(name))), key=lambda source: source.size)
    if stream.copied:
        _copy(s, name, matrix, strip, stream)
    s.decompose_reduction(name, outer)
    if stream.asked_for:
        width = stream.vectors * stream.lanes * matrix.dtype.itemsize
        s.prefetch(name, matrix.name, strip, max(AHEAD_BYTES // width, 1))


def _set_apart(s: Schedule, name: str) -> None:
    """Rows of the sums, where they have memory of their own, begin in places that differ."""
    ((buffer, _),) = writes_of(s.block(name).body)
    rows = [d for d, extent in enumerate(buffer.shape[:-1]) if extent > 1]
    multiple, behind = (n // buffer.dtype.itemsize for n in APART_BYTES)
    if buffer in s.program.params or not rows or buffer.shape[-1] % multiple:
        return
    s.storage_align(name, buffer, rows[-1], multiple, behind)


def _copy(s: Schedule, name: str, matrix: Buffer, strip: Var, stream: Stream) -> None:
    """A block of the matrix lies together, in the nearest cache, while all tiles of rows use it."""
    copy = s.cache_read(name, matrix, "stack")
    s.compute_at(copy, strip)
    *_, columns = s.loops(copy)
    _, vector, lane = s.split(columns, [None, stream.vectors, stream.lanes])
    s.unroll(vector)
    s.vectorize(lane)
