"""Copies that lie otherwise than what they are made of: where they are made, and in which order."""

from __future__ import annotations

from ...ir.expr import Axis, Load, Var
from ...ir.program import reads_of
from ...ir.rewrite import variables_of
from ...te.program import Nest
from ...te.tensor import Constant
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step, transposed_axis
from .contraction import LEAST_STEPS, STEPS, Roles, Tile
from .machine import LARGE_L2, LINE_BYTES, Machine
from .vectors import extent_of, vectorize_last

MOST_PANELS = 4
PAGE_BYTES = 4096
AHEAD = 8  # rows
EARLY = 12  # rows, one of which takes some hundred cycles where others are multiplied meanwhile
LEAST_PANELS = 16  # of each thread, the first of which it waits for
EARLY_ROWS = 40, 256  # multiplied with a panel: few have no time to copy one, many lose none so


def made_in_parts(before: list[Nest], main: Nest, roles: Roles, machine: Machine) -> list[Nest]:
    """Those of ``before`` that copy, in order or turned, what the columns of the product ``main``
    read, and of which each panel of columns needs another part."""
    read = {n.source: n for n in loads_in(main) if not _uses(n, roles.m) and _uses(n, roles.n)}
    return [
        nest
        for nest in before
        if len(nest.tensors) == 1 and nest.tensors[0] in read and _is_copy(nest, machine)
    ]


def _uses(node: Load, axis: Axis | None) -> bool:
    return any(v is axis for index in node.indices for v in variables_of(index))


def _is_copy(nest: Nest, machine: Machine) -> bool:
    """Whether ``nest`` copies one array in order, or by tiles that are turned in registers."""
    loads, last = loads_in(nest), nest.compute.axes[-1]
    if reduce_axes(nest) or len({node.source for node in loads}) != 1:
        return False
    if isinstance(loads[0].source.op, Constant):
        return False
    if all(step(node, last) == 1 for node in loads):
        return True
    from .transpose import is_turned_by_tiles

    return is_turned_by_tiles(nest, machine)


def copy_in_parts(s: Schedule, name: str, nest: Nest, loop: Var) -> int:
    """Each iteration of ``loop`` copies what it reads, right before; returns how many loops are
    around what an iteration copies::

        for panel, k, lane: packed[...] = b[...]        for some panels:
        for panel, rows, k, lane: c += a * packed   ->      for k, panel, lane: packed[...] = b[...]
                                                            for rows, panel, k, lane: c += ...

    The copy is in the cache when it is read, and takes the memory of the one before it. Where
    iterations run on threads, none of them waits for a copy that others make, or reads their cache.
    """
    s.compute_at(name, loop)
    shared = next(n for n, around in enumerate(s.loops(name), 1) if around is loop)
    read_in_order(s, name, nest, shared)
    return shared


def early_steps(nest: Nest, roles: Roles, tile: Tile, machine: Machine, direct: bool) -> int | None:
    """How many steps of the reduction go by at once where each panel of columns that ``nest``
    multiplies should be copied while the one before it is multiplied; None where none should.

    It should where few rows are multiplied with it, so that a copy of its own takes much of the
    time, and these stay in the second cache beside two panels, and beside their results where those
    are made in several runs; where vectors are lines, columns whole panels, as many for each
    thread, and the steps whole turns. Runs are for what is ``direct``: nothing else follows.
    """
    fold, *others = reduce_axes(nest)
    read = [node for node in loads_in(nest) if _uses(node, roles.n)]
    panels, left = divmod(roles.n.extent, tile.columns)
    large = machine.l2 >= LARGE_L2  # which answers late: copies do not pay for so few rows there
    if others or left or roles.m is None or large or machine.vector_bytes < LINE_BYTES:
        return None
    if len(read) != 1 or step(read[0], roles.n) != 1 or _uses(read[0], roles.m):
        return None
    rows, dtype = roles.m.extent, nest.tensors[0].dtype
    fewest, most = EARLY_ROWS
    alone = all(a.extent == 1 or a is roles.m or a is roles.n for a in nest.compute.axes)
    if not alone or not fewest <= rows <= most or read[0].dtype is not dtype:
        return None
    turn = STEPS * tile.vectors  # one vector is copied in as many steps as are written out
    if panels % machine.threads or panels < 2 * machine.threads or fold.extent % turn:
        return None

    def fits(steps: int) -> bool:
        size = (rows + 2 * tile.columns) * steps * dtype.itemsize
        if steps == fold.extent:
            return size <= machine.l2 * 3 // 4
        return size + rows * roles.n.extent * dtype.itemsize <= machine.l2

    least = LEAST_STEPS if direct else fold.extent
    steps = [n for n in range(turn, fold.extent + 1, turn) if fold.extent % n == 0 and fits(n)]
    if not steps or steps[-1] < min(least, fold.extent):
        return None
    enough = panels * fold.extent // steps[-1] >= LEAST_PANELS * machine.threads
    return steps[-1] if enough else None


def share_early(
    s: Schedule, name: str, columns: Var, runs: Var | None, machine: Machine
) -> tuple[Var, Var]:
    """The loop over panels for threads, and the one in which panels are copied early, where there
    are ``runs`` of the reduction outside of it."""
    chosen = columns
    if machine.threads > 1:
        chosen, columns = s.split(columns, [machine.threads, None])
    if runs is not None:
        loops = list(s.loops(name))
        begin, end = (next(n for n, v in enumerate(loops) if v is x) for x in (columns, runs))
        s.reorder(runs, *loops[begin:end])
    return chosen, columns


def copy_early(s: Schedule, name: str, nest: Nest, columns: Var, machine: Machine) -> None:
    """The copy that is made in ``columns`` is made an iteration early, in turns with what reads
    the one before it, and its rows, each of which is elsewhere, are asked for earlier still."""
    s.compute_at(name, columns)
    shared = next(n for n, around in enumerate(s.loops(name), 1) if around is columns)
    read_in_order(s, name, nest, shared)
    loops = s.loops(name)[shared:]
    vectorize_last(s, nest, loops[-1], machine)
    (matrix,) = {read.source for read in reads_of(s.block(name))}
    rows = next(loop for loop in s.loops(name)[shared:] if extent_of(s, loop) > 1)
    s.prefetch(name, matrix, rows, EARLY)
    s.pipeline(columns, [0, 1])


def turn_in_part(s: Schedule, name: str, nest: Nest, shared: int, machine: Machine) -> bool:
    """Schedules the loops of a copy inside ``shared`` ones by tiles if it is turned; says whether
    it is."""
    across = transposed_axis(nest)
    if across is None:
        _copy_lines(s, name, nest, shared, machine)
        return False
    from .transpose import tile_transposed

    own = s.loops(name)[shared:]
    loops: dict[Axis, Var] = {}
    for it in s.block(name).iters:
        used = [loop for loop in own if loop in set(variables_of(it.binding))]
        if len(used) == 1:
            loops[it.axis] = used[0]
    if len(loops) != len(own) or across not in loops or nest.compute.axes[-1] not in loops:
        return False
    tile_transposed(s, nest, loops, across, machine)
    return True


def _copy_lines(s: Schedule, name: str, nest: Nest, shared: int, machine: Machine) -> None:
    """Rows of which a copy takes a few lines each, one for a panel: the loop over panels is written
    out, and lines of rows far apart, of which nothing sees the next coming, are asked for early."""
    (tensor,) = nest.tensors
    own, itemsize = s.loops(name)[shared:], tensor.dtype.itemsize
    iters = s.block(name).iters
    if len(own) != 3 or tensor.shape[-1] * itemsize > LINE_BYTES:
        return
    rows, panels, _ = own
    position = next((n for n, it in enumerate(iters) if it.binding is rows), 0)
    if not position or extent_of(s, panels) > MOST_PANELS:
        return
    s.unroll(panels)
    node = loads_in(nest)[0]  # all of them are of one array
    apart = (step(node, nest.compute.axes[position]) or 0) * itemsize
    if apart >= PAGE_BYTES and node.source.size * itemsize > machine.l2:
        (matrix,) = {read.source for read in reads_of(s.block(name))}
        s.prefetch(name, matrix, rows, AHEAD)


def read_in_order(s: Schedule, name: str, nest: Nest, shared: int = 0) -> None:
    """``for panel, k, lane: packed[panel, k, lane] = b[k, 64 * panel + lane]`` ->
    ``for k, panel, lane``: what is read goes by once, from its begin to its end.

    Reads that jump are late, as nothing sees them coming; pieces of whole cache lines may be
    written anywhere. Done for copies that read neighbours along their last axis: one, or some that
    lie equally far apart everywhere.
    """
    axes, loads = nest.compute.axes, loads_in(nest)
    if reduce_axes(nest) or len(nest.tensors) != 1 or not loads or len(axes) < 3:
        return
    first, *others = loads
    *outer, last = axes
    if step(first, last) != 1 or last.extent * nest.tensors[0].dtype.itemsize < LINE_BYTES:
        return
    for other in others:  # neighbours along the reduction that make one number
        if other.source is not first.source or any(step(other, a) != step(first, a) for a in axes):
            return
    steps = [step(first, axis) for axis in outer]
    if any(n is None or n < 0 for n in steps):
        return
    order = sorted(range(len(outer)), key=lambda d: -(steps[d] or 0))
    own = set(s.loops(name)[shared:])
    bound = {it.axis: set(variables_of(it.binding)) & own for it in s.block(name).iters}
    loops = [loop for d in order for loop in bound[outer[d]]]
    if order != list(range(len(outer))) and len(loops) > 1:
        s.reorder(*loops)
