"""Products of float32 matrices in micro-kernels: intrinsics whose registers are chosen by hand.

::

    for i, j, k in T.grid(M, N, K):     ->     for j0, i0, k0 in T.grid(...):
        C[i, j] += A[i, k] * B[k, j]               fma_f32_6x64x256_v16(A[...], B[...], C[...])
"""

from __future__ import annotations

from ...dtypes import float32
from ...errors import ScheduleError
from ...intrinsics.register_tiles import fma_f32
from ...ir.combiner import reducer
from ...ir.expr import Apply, Load, Var
from ...ir.program import Accumulate
from ...ir.rewrite import variables_of
from ...looking.nests import depends
from ...schedules.schedule import Schedule
from ...schedules.step import find_block
from .contraction import share, the_rest
from .leaves import attempt, finish, prefer
from .structure import Context, Nest, depth_of, extent_of, nest_of, sampled

_ROWS = (4, 6, 8, 10, 12, 14)
_DEPTHS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_LEAST = 1 << 15  # points below which a call for each tile does not pay


def is_product(s: Schedule, name: str) -> bool:
    """Whether the block is a plain product of two float32 matrices, perhaps many of them."""
    nest, body = nest_of(s.program, name), find_block(s.program, name).body
    match body:
        case Accumulate(combiner=combiner, values=(Apply("mul", (Load(), Load())),)):
            is_sum = combiner is reducer("sum", float32)
        case _:
            return False
    touched = (*nest.reads, *nest.writes)
    if not is_sum or len(nest.reads) != 2 or any(a.buffer.dtype is not float32 for a in touched):
        return False
    return nest.points >= _LEAST and len(nest.reduce) == 1 and _roles(nest) is not None


def _roles(nest: Nest) -> tuple[Var, Var] | None:
    """The loops of rows and of columns: along each, one of the operands stays the same."""
    column = nest.lane_loop
    if column is None or len(nest.spatial) < 2:
        return None
    across = [a for a in nest.reads if depends(a, column)]
    if len(across) != 1:
        return None
    for row in reversed(nest.spatial):
        if row is not column and not depends(across[0], row):
            if all(depends(a, row) for a in nest.reads if a is not across[0]):
                return row, column
    return None


def micro_kernel(s: Schedule, name: str, context: Context) -> None:
    """Tiles of the product are calls; operands are padded where tiles do not fit."""
    nest = nest_of(s.program, name)
    roles = _roles(nest)
    if roles is None:
        raise ScheduleError(f"{name} has no rows and columns for a micro-kernel")
    rows, columns, depth, lanes = _tile(s, nest, *roles, context)
    nest = _whole_tiles(s, name, dict(zip((*roles, nest.reduce[0]), (rows, columns, depth))))
    row, column = _roles(nest) or roles
    outer = [v for v in nest.spatial if v is not row and v is not column]
    row_0, row_1 = s.split(row, [None, rows])
    column_0, column_1 = s.split(column, [None, columns])
    fold_0, fold_1 = s.split(nest.reduce[0], [None, depth])
    is_columns_first = sampled(s, [0, 1], [0.4, 0.6])
    first = [column_0, row_0] if is_columns_first else [row_0, column_0]
    if extent_of(s, fold_0) > 1 and sampled(s, [0, 1], [0.7, 0.3]):
        order = [first[0], fold_0, first[1]]
    else:
        order = [*first, fold_0]
    s.reorder(*outer, *order, row_1, column_1, fold_1)
    s.decompose_reduction(name, fold_0)
    if is_columns_first:
        _pack(
            s,
            nest,
            name,
            column,
            order[: next(n for n, v in enumerate(order) if v is row_0)],
            context,
        )
    call = s.tensorize(row_1, fma_f32(rows, columns, depth, lanes).name)
    if order[-1] is fold_0:
        _epilogue(s, call, first, context)
    share(s, [*outer, order[0]], context, nest.points / (lanes * 2.0))
    the_rest(s, context)


def _tile(
    s: Schedule, nest: Nest, row: Var, column: Var, context: Context
) -> tuple[int, int, int, int]:
    """Rows, columns, depth and lanes, as many accumulators as there are registers for."""
    lanes, registers = context.lanes(nest), context.facts.registers
    most = max(-(-nest.extents[column] // lanes), 1)
    widths = [v for v in (1, 2, 3, 4) if v <= most]
    vectors = int(sampled(s, widths, prefer(widths, 4 if registers >= 32 else 2)))
    fitting = [r for r in _ROWS if r * vectors + vectors + 1 <= registers] or [4]
    extent = nest.extents[row]
    best = max(fitting, key=lambda r: extent / (-(-extent // r) * r) + r / 1000)
    rows = int(sampled(s, fitting, prefer(fitting, best)))
    fold = nest.extents[nest.reduce[0]]
    depths = [d for d in _DEPTHS if d < fold and -(-fold // d) * d <= 1.1 * fold]
    if fold <= 2 * _DEPTHS[-1]:
        depths.append(fold)
    if not depths:
        raise ScheduleError(f"a fold of {fold} is cut into no whole micro-kernels")
    return rows, vectors * lanes, int(sampled(s, depths, prefer(depths, 256))), lanes


def _whole_tiles(s: Schedule, name: str, sizes: dict[Var, int]) -> Nest:
    """The nest over copies whose extents are multiples of the tile's, where they are not."""
    nest = nest_of(s.program, name)
    if all(nest.extents[v] % size == 0 for v, size in sizes.items()):
        return nest
    block = find_block(s.program, name)
    paddings = []
    for it in block.iters:
        used = [v for v in sizes if any(w is v for w in variables_of(it.binding))]
        paddings.append(sizes[used[0]] if used else 1)
    s.pad_einsum(name, paddings)
    return nest_of(s.program, name)


def _pack(
    s: Schedule, nest: Nest, name: str, column: Var, places: list[Var], context: Context
) -> None:
    """The columns' operand is copied into panels, at one of the loops that its part belongs to."""
    wanted = next(a for a in nest.reads if depends(a, column))
    options = list(range(len(places) + 1))  # 0: it is read where it lies
    chosen = sampled(s, options, [0.3, 1.0, 0.7][: len(options)])
    if chosen:
        with s.part("packing"):
            copy = s.cache_read(name, wanted.buffer, "local", [name])
            s.compute_at(copy, places[chosen - 1])
            finish(s, copy, context, depth_of(s, copy, places[chosen - 1]))


def _epilogue(s: Schedule, name: str, places: list[Var], context: Context) -> None:
    """What is applied to the result moves to where a tile of it is complete."""
    here = name
    while True:
        following = [b for b in s.consumers(here) if not b.is_reduction]
        if len(following) != 1:
            return
        here = following[0].name
        options = list(range(len(places)))
        place = places[sampled(s, options, prefer(options, 99))]
        if not attempt(s, "reverse_compute_at", here, place):
            return
        finish(s, here, context, depth_of(s, here, place))
