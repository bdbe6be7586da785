"""The default schedule of a kernel for processors with vector registers and a few cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from ...ir.expr import Var
from ...ir.program import Program, blocks_of
from ...records import dataclass
from ...te.program import Nest, Tiling, create_program
from ...te.tensor import Tensor
from ..schedule import Schedule
from .access import loads_in, point_cost, points, reduce_axes, tile_bytes, transposed_axis
from .machine import STACK_BYTES, TASK_NS, Machine
from .periods import cut_period, short_periods, short_rows
from .vectors import (
    extent_of,
    fuse_contiguous,
    loop_around,
    private_loops,
    stay_apart,
    vectorize_last,
)

# What only products or folds need is imported where there are any.
if TYPE_CHECKING:
    from .contraction import Tile
    from .row_blocks import RowBlocks

CHEAP = 12  # additions, of what is written out
ROW_NS = 15.0  # what starting one more nest for one more row costs


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A scheduled program, the tensors of its scratch params, and the steps that led there."""

    program: Program
    scratch: tuple[Tensor, ...]
    schedule: Schedule
    nanoseconds: float  # a rough time on one core


# Schedules the loops of one block within the tile at hand: the block's name, its shared loops.
Way = Callable[[Schedule, str, int], None]


@dataclass(eq=False)
class _Plan:
    """What the kernel is made of before it becomes a program."""

    before: list[Nest]
    nests: list[Nest]
    tiling: Tiling
    ways: dict[Nest, Way] = field(default_factory=dict)  # for nests that have one of their own
    parts: list[Nest] = field(default_factory=list)  # of ``before``, made where they are used
    is_even: bool = False  # whether threads have as many columns each
    early: int | None = None  # steps of a reduction for which ``parts`` are made an iteration early


def default_schedule(
    name: str,
    nests: Sequence[Nest],
    shared: int,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    machine: Machine,
) -> Scheduled:
    """Vector lanes, register tiles and threads for a kernel whose nests share their first axes."""
    kept = {id(t) for t in outputs}
    if any(a.extent == 0 for nest in nests for a in (*nest.compute.axes, *reduce_axes(nest))):
        inner = tuple(t for nest in nests for t in nest.tensors if id(t) not in kept)
        plain = create_program(name, nests, inputs, outputs, scratch=inner)
        return Scheduled(plain, inner, Schedule(plain), 0.0)
    shared = shared if len(nests) > 1 else 0
    blocked = _plan_blocks(nests, shared, kept, machine)
    tile: Tile | None = None
    main: Nest | None = None
    if blocked is not None:
        plan = _Plan(blocked.before, blocked.nests, blocked.tiling, parts=blocked.parts)
    else:
        plan, tile, main = _plan(list(nests), shared, machine)
    made = [t for nest in (*plan.before, *plan.nests) for t in nest.tensors if id(t) not in kept]
    early = {id(t) for nest in plan.before if nest not in plan.parts for t in nest.tensors}
    for nest in plan.nests:  # parts of one reduction are indexed alike: all whole, or all by tile
        if kept.intersection(map(id, nest.tensors)):
            early.update(map(id, nest.tensors))
    tiles = plan.tiling.sizes
    held = {id(t) for nest in plan.parts for t in nest.tensors}
    scratch = tuple(
        t
        for t in made
        if id(t) in early or (id(t) not in held and tile_bytes(t, tiles) > STACK_BYTES)
    )
    program = create_program(name, plan.nests, inputs, outputs, plan.tiling, plan.before, scratch)
    s = Schedule(program)
    names = [b.name for b in blocks_of(s.program.body)]
    for block, nest in zip(names, plan.before, strict=False):
        if nest not in plan.parts:
            _schedule_before(s, block, nest, machine)
    first = len(blocks_of(s.program.body)) - len(plan.nests)  # copies may have become calls
    depth = len(tiles)
    runs: Var | None = None  # of a reduction: the loop goes outside
    for n, (block, nest) in enumerate(zip(names[len(plan.before) :], plan.nests, strict=True)):
        if blocked is not None:
            _schedule_in_rows(s, block, nest, n, blocked, machine)
        elif nest in plan.ways:
            plan.ways[nest](s, block, depth)
        elif nest is main and tile is not None:
            from .contraction import find_roles, schedule_tile, steps_at_once

            roles = find_roles(nest) if len(plan.nests) == 1 else None
            at_once = steps_at_once(nest, roles, tile, machine) if roles is not None else None
            at_once = at_once if plan.early is None else plan.early
            runs = schedule_tile(s, block, nest, depth, tile, at_once)
        elif depth:
            _schedule_inside(s, block, nest, plan.tiling.depth(n), machine, held=main is not None)
        else:
            _schedule_alone(s, block, nest, machine)
    copies = dict(zip(names, plan.before, strict=False))
    names = [b.name for b in blocks_of(s.program.body)]  # a call has another name
    added = 0
    if tile is not None and main is not None and _columns_first(plan.tiling) and not plan.early:
        from .contraction import block_columns

        added = block_columns(s, names[first], main, tile, machine)
    if depth:
        last = s.loops(names[first])[depth - 1]
        columns = s.loops(names[first])[depth - 2] if plan.parts else None
        chosen, total = _share_out(s, names[first], plan, added, machine)
        if blocked is not None and plan.parts:  # what a batch needs is copied right before it
            columns = loop_around(s, names[first], last)
        if plan.early is not None and columns is not None:
            from .packing import share_early

            chosen, columns = share_early(s, names[first], columns, runs, machine)
        elif runs is not None and main is not None:
            from .contraction import bring_out

            inside = bring_out(s, names[first], main, runs, depth + added)
            if any(loop is chosen for loop in inside):
                total /= extent_of(s, runs)
            columns = runs
        for block, nest in reversed(copies.items()):  # what is read before what it is made of
            if nest in plan.parts and columns is not None:
                if plan.early is not None:
                    from .packing import copy_early

                    copy_early(s, block, nest, columns, machine)
                else:
                    _schedule_part(s, block, nest, names[first], columns, chosen, machine)
        if plan.early is None or machine.threads > 1:
            _parallel(s, chosen, total)  # last: each step asks anew whether threads race
    if tile is None and blocked is None and not plan.ways:
        if depth and any(map(reduce_axes, plan.nests)):
            from .joined_folds import join_folds

            join_folds(s, names[first:], plan.nests, plan.tiling, machine)
        if any(2 * b.size * b.dtype.itemsize > machine.l2 for b in s.program.params):
            from .ahead import read_ahead

            read_ahead(s, machine)
    cost = sum(_nanoseconds(nest, machine) for nest in (*plan.before, *plan.nests))
    return Scheduled(s.program, scratch, s, cost)


def _schedule_before(s: Schedule, name: str, nest: Nest, machine: Machine) -> None:
    """A nest whose result the others read."""
    if not reduce_axes(nest):
        from .packing import read_in_order

        read_in_order(s, name, nest)
    _schedule_alone(s, name, nest, machine)


def _schedule_part(
    s: Schedule, name: str, nest: Nest, main: str, columns: Var, chosen: Var, machine: Machine
) -> None:
    """A copy of what panels of columns read: in the loop ``columns`` around block ``main``, unless
    threads share out one inside of it."""
    outermost = next(loop for loop in s.loops(main) if loop is chosen or loop is columns)
    if outermost is not chosen:
        _schedule_before(s, name, nest, machine)
        return
    from .packing import copy_in_parts, turn_in_part

    shared = copy_in_parts(s, name, nest, columns)
    if not turn_in_part(s, name, nest, shared, machine):
        _schedule_inside(s, name, nest, shared, machine)


def _columns_first(tiling: Tiling) -> bool:
    """Whether the loop over the last axis stands outside that over rows."""
    order = tiling.order
    return order is not None and len(order) >= 2 and order[-1] != len(order) - 1


def _plan_blocks(
    nests: Sequence[Nest], shared: int, kept: set[int], machine: Machine
) -> RowBlocks | None:
    """How to run the nests by blocks of rows, or one as windows of flat rows, if that gains."""
    if not any(map(reduce_axes, nests)):
        return None
    from .row_blocks import plan_row_blocks
    from .windows import plan_windows

    found = plan_row_blocks(nests, shared, machine, lambda n: _factored(n, shared, machine))
    return plan_windows(nests, shared, kept, machine) if found is None else found


def _plan_products(
    nests: list[Nest], shared: int, machine: Machine
) -> tuple[_Plan, Tile | None, Nest | None] | None:
    """What `_plan` answers if a nest is a contraction."""
    if not any(map(reduce_axes, nests)):
        return None
    from .contraction import (
        choose_tile,
        find_grouped_roles,
        find_roles,
        pack_operands,
        tiling_for,
        would_wait,
    )
    from .dots import plan_dots, schedule_dots, schedule_sums
    from .streaming import (
        columns_of,
        gather_apart,
        pack_rows,
        plan_stream,
        schedule_stream,
        stream_tiling,
    )
    from .windows import sort_columns

    for position, nest in enumerate(nests):
        roles = find_roles(nest)
        ndim = len(nest.compute.axes)
        if len(nests) > 1 and shared < ndim:
            continue
        is_narrow = not position and any(n.dtype.itemsize <= 2 for n in loads_in(nest))
        if (machine.has_byte_tiles or machine.has_half_tiles) and is_narrow and roles:
            from .tile_products import schedule_tiles, tile_products

            tiled = tile_products(nest, roles, machine, direct=len(nests) == 1)
            if tiled is not None:
                way = partial(schedule_tiles, intrinsic=tiled.intrinsic)
                inside = [*tiled.nests, *nests[1:]]
                return _Plan(tiled.before, inside, tiled.tiling, {inside[0]: way}), None, None
        wide = (roles or columns_of(nest)) if machine.has_dot4 and is_narrow else None
        if wide is not None:
            from .byte_products import byte_products

            made = byte_products(nest, wide, machine)
            if made is not None:
                inside = [*made.nests, *nests[1:]]
                plan = _Plan(made.before, inside, made.tiling, made.ways, made.parts, made.is_even)
                return plan, made.tile, inside[0] if made.tile is not None else None
        dots = None if position else plan_dots(nest, roles, machine)
        if dots is not None:
            first, last = dots.nests
            ways: dict[Nest, Way] = {first: partial(schedule_dots, nest=first, machine=machine)}
            ways[last] = partial(schedule_sums, nest=last)
            return _Plan(dots.before, [first, last, *nests[1:]], dots.tiling, ways), None, None
        stream = None if position else plan_stream(nest, roles or columns_of(nest), machine)
        if stream is not None:
            *packing, nest = pack_rows(nest, stream)
            nest, *rest = gather_apart(nest, stream) if len(nests) == 1 else [nest, *nests[1:]]
            way = partial(schedule_stream, nest=nest, stream=stream)
            tiling = stream_tiling(nest, stream)
            return _Plan(packing, [nest, *rest], tiling, {nest: way}), None, None
        roles = roles or find_grouped_roles(nest)
        if roles is None:
            continue
        tile = choose_tile(nest, roles, machine)
        halves = None
        if is_narrow:
            from .half_products import half_products

            halves = half_products(nest, roles, tile.columns, machine)
        *sorting, nest = (None if position else sort_columns(nest, machine)) or (nest,)
        packed = halves or pack_operands(nest, roles, tile.columns, machine)
        *packing, main = (*sorting, *packed)
        if position:  # earlier nests make operands; they run as loops of their own
            break
        tiling = tiling_for(main, roles, tile, machine)
        plan = _Plan(packing, [main, *nests[1:]], tiling)
        if packing and _columns_first(tiling):
            from .packing import early_steps, made_in_parts

            plan.parts = made_in_parts(packing, main, roles, machine)
            plan.is_even = bool(plan.parts) and would_wait(main, roles, tile, machine)
            if len(plan.parts) == 1:
                plan.early = early_steps(nest, roles, tile, machine, len(nests) == 1)
        return plan, tile, main
    return None


def _plan(
    nests: list[Nest], shared: int, machine: Machine
) -> tuple[_Plan, Tile | None, Nest | None]:
    """Factor, pack and tile: what can be decided before there are loops."""
    products = _plan_products(nests, shared, machine)
    if products is not None:
        return products
    columns = 0
    if shared and len(nests) > 1:
        from .reduction import tile_columns

        columns = tile_columns(nests, shared, machine)
    before: list[Nest] = []
    out: list[Nest] = []
    single = len(nests) == 1
    made = {t for nest in nests for t in nest.tensors}
    for nest in nests:
        if not reduce_axes(nest):
            if single and len(nest.compute.axes) > 1:
                from .transpose import turn_operands

                *turned, nest = turn_operands(nest)
                before.extend(turned)
            out.append(nest)
            continue
        from .folds import fuse_reduced
        from .narrow_sums import narrow_sum
        from .reduction import factor_parts

        nest = fuse_reduced(nest)
        alone = not made.intersection(n.source for n in loads_in(nest))
        if alone:
            narrow = narrow_sum(nest, machine)
            if narrow is not None:
                first, nest = narrow
                before.extend(_factored(first, 0, machine))
        parts = factor_parts(nest, machine, shared == 0 or single, alone)
        if parts is not None:
            first, nest = parts
            before.extend(_factored(first, 0, machine))
        if columns:
            out.append(nest)
        else:
            out.extend(_factored(nest, 0 if single else shared, machine))
    if columns:
        return _Plan(before, out, Tiling((1,) * (shared - 1) + (columns,))), None, None
    if single and reduce_axes(nests[0]):
        shared = _rows(out[0], nests[0])
    if single or not any(map(reduce_axes, out)):
        return _Plan(before, out, Tiling((1,) * shared)), None, None
    from .row_turns import rows_in_turn

    return _Plan(before, out, rows_in_turn(out, shared, machine)), None, None


def _rows(first: Nest, nest: Nest) -> int:
    """How many axes a lone reduction runs row by row: all, if its lanes run along a reduce axis."""
    return len(nest.compute.axes) if first.tensors[0] not in set(nest.tensors) else 0


def _factored(nest: Nest, shared: int, machine: Machine) -> list[Nest]:
    """The nest, its fold spread over lanes if they run along a reduce axis."""
    from .folds import is_foldable, vector_axis

    axis = vector_axis(nest, nest.compute.axes[shared:])
    if axis is None or not axis.is_reduce or not is_foldable(nest):
        return [nest]
    from .reduction import factor_lanes

    return factor_lanes(nest, axis, machine)


def _nanoseconds(nest: Nest, machine: Machine) -> float:
    """A rough time for the whole nest on one core."""
    bytes_each = sum(n.dtype.itemsize for n in loads_in(nest)) or 1
    lanes = machine.vector_bytes / 4
    per_point = max(point_cost(nest) * 0.4 / lanes, bytes_each * 0.02)
    return points(nest) * per_point


def _schedule_alone(s: Schedule, name: str, nest: Nest, machine: Machine) -> None:
    """A nest with loops of its own: lanes, then threads on the outermost spatial loop."""
    block = s.block(name)
    if reduce_axes(nest):
        from .reduction import schedule_reduction

        outer = schedule_reduction(s, name, nest, 0, machine)
    else:
        loops = private_loops(s, block, 0)
        if len(nest.compute.axes) > 1:
            across = transposed_axis(nest)
            if across is not None:
                from .transpose import tile_transposed

                axes = dict(zip(nest.compute.axes, loops, strict=True))
                outer = tile_transposed(s, nest, axes, across, machine)
                _parallel(s, outer, _nanoseconds(nest, machine))
                return
        loops = fuse_contiguous(s, block, loops, stay_apart(s, name, nest, machine))
        if not loops:
            return
        loops[-1:] = cut_period(s, name, nest, loops[-1], machine)
        last = short_periods(s, name, nest, loops[-1], machine)
        if last is None and len(loops) > 1:
            last = short_rows(s, nest, loops[-2], loops[-1], machine)
            if last is not None:
                loops[-2:] = [last]
        if last is None:
            last = vectorize_last(s, nest, loops[-1], machine)[0]
        outer = loops[0] if len(loops) > 1 else last
    if outer is not None:
        _parallel(s, outer, _nanoseconds(nest, machine))


def _schedule_inside(
    s: Schedule,
    name: str,
    nest: Nest,
    shared: int,
    machine: Machine,
    beside: bool = False,
    held: bool = False,
) -> None:
    """A nest inside shared loops: lanes only; little code if that stands ``beside`` products. What
    is done at once with a tile that registers hold is written out: it stays there."""
    block = s.block(name)
    loops = private_loops(s, block, shared)
    if reduce_axes(nest):
        from .reduction import SHORT, WRITTEN, schedule_reduction

        schedule_reduction(s, name, nest, shared, machine, SHORT if beside else WRITTEN)
    elif loops:
        loops = fuse_contiguous(s, block, loops, stay_apart(s, name, nest, machine))
        split = vectorize_last(s, nest, loops[-1], machine)
        if held and len(split) > 1 and point_cost(nest) <= CHEAP:
            for var in (*loops[:-1], split[0]):
                s.unroll(var)


def _schedule_in_rows(
    s: Schedule, name: str, nest: Nest, number: int, plan: RowBlocks, machine: Machine
) -> None:
    """Nest ``number`` of a kernel that runs by blocks of rows."""
    from .row_blocks import schedule_row_block

    tile = plan.tiles.get(nest)
    if tile is not None:
        schedule_row_block(s, name, nest, len(plan.tiling.sizes), tile, machine)
    else:
        _schedule_inside(s, name, nest, plan.tiling.depth(number), machine, beside=True)


def _share_out(
    s: Schedule, name: str, plan: _Plan, added: int, machine: Machine
) -> tuple[Var, float]:
    """Fuse shared loops over whole rows until there are enough iterations for the threads; returns
    the outermost loop that has them, which should run in parallel, and how many nanoseconds each
    run of it may take. Loops over tiles stay apart: their edges must stay visible."""
    sizes = plan.tiling.sizes
    rows = 1
    for axis, size in zip(plan.nests[0].compute.axes, sizes, strict=False):
        rows *= -(-axis.extent // size)
    total = sum(_nanoseconds(nest, machine) for nest in plan.nests)
    total += rows * len(plan.nests) * ROW_NS
    order = plan.tiling.order or tuple(range(len(sizes)))
    whole = [sizes[d] == 1 for d in order] + [False] * added
    loops = list(zip(s.loops(name)[: len(whole)], whole, strict=True))
    few = 4 * machine.threads
    while len(loops) > 1 and loops[0][1] and loops[1][1] and extent_of(s, loops[0][0]) < few:
        loops[:2] = [(s.fuse(loops[0][0], loops[1][0]), True)]
    enough = machine.threads if plan.is_even else 2 * machine.threads
    candidates = [var for var, _ in loops if extent_of(s, var) >= enough]
    chosen = (
        candidates[0] if candidates else max((v for v, _ in loops), key=lambda v: extent_of(s, v))
    )
    outside = 1
    for var, _ in loops:
        if var is chosen:
            break
        outside *= extent_of(s, var)
    return chosen, total / outside


def _parallel(s: Schedule, loop: Var, total_ns: float) -> None:
    extent = extent_of(s, loop)
    if extent > 1 and total_ns >= 2 * TASK_NS:
        s.parallel(loop, grain=max(int(TASK_NS * extent / total_ns), 1))
