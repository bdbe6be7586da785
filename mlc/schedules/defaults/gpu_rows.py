"""Nests that fold rows: the threads of a block share a row, and all that is done to it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.expr import Var
from ...ir.program import (
    Accumulate,
    Block,
    Buffer,
    For,
    Scope,
    Stmt,
    blocks_of,
    reads_of,
    writes_of,
)
from ..buffers import allocations_of, buffer_key
from ..schedule import Schedule
from ..step import find_loop
from .gpu_nests import LANES, bind_flat, chain_of, lanes_along, only_block, step_along
from .vectors import extent_of, next_power_of_two

if TYPE_CHECKING:
    from .gpu import GpuMachine

SHORT = 16  # elements; one thread does rows up to this length
LONG = 8192  # elements; few blocks of threads with more than that to do leave processors idle


def roles_of(block: Block, chain: Sequence[For]) -> tuple[list[Var], list[Var]] | None:
    """The loops of a block that is alone: (spatial, reduce); None unless each axis has its own.
    A loop of one iteration may feed none."""
    kinds = {it.binding: it.axis.is_reduce for it in block.iters if isinstance(it.binding, Var)}
    loops = [loop.var for loop in chain]
    if len(kinds) != len(block.iters) or not kinds.keys() <= set(loops):
        return None
    if any(loop.var not in kinds and loop.extent > 1 for loop in chain):
        return None
    kinds.update((var, False) for var in loops if var not in kinds)
    return [v for v in loops if not kinds[v]], [v for v in loops if kinds[v]]


def is_fold(block: Block | None) -> bool:
    """Whether the block is a reduction whose parts may be combined in any order."""
    return (
        block is not None
        and block.is_reduction
        and block.init is not None
        and isinstance(block.body, Accumulate)
        and block.body.combiner.commutative
    )


def folds_along_memory(block: Block) -> bool:
    """Whether neighbours along a reduce axis are neighbours in memory, more so than along a spatial
    one. Of windows, ``x[i + k]``, that is the longer axis: there are more results than elements of
    each, or the other way round."""
    wide = [it.axis for it in block.iters if it.axis.extent > 1]
    along = {True: 0, False: 0}
    for node in reads_of(block):
        near = [a for a in wide if step_along(node.source, node.indices, a) in (1, -1)]
        if near:
            longest = max(near, key=lambda axis: axis.extent)
            along[longest.is_reduce] += node.source.size
    return along[True] >= along[False]


def row_count(loop: For) -> int:
    """How many rows the nest folds; 0 where it folds none."""
    block = only_block(loop)
    if block is None or not is_fold(block) or not folds_along_memory(block):
        return 0
    roles = roles_of(block, chain_of(loop))
    return 0 if roles is None else prod(extents(loop, roles[0]))


def extents(loop: For, loops: Sequence[Var]) -> list[int]:
    """The extents of some of the loops of a nest."""
    extents = {one.var: one.extent for one in chain_of(loop)}
    return [extents[var] for var in loops]


def joined_rows(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> Var | None:
    """One loop over the rows that as many of ``nests`` as may share, from the first on.

    Where rows are fewer than processors, nests that have much to do for each stay apart.
    """
    rows = next((n for n in map(row_count, nests) if n), 0)
    if not rows:
        return None
    joined: Var | None = None
    for nest in nests:
        work = prod(loop.extent for loop in chain_of(nest))
        if joined is not None and rows < machine.processors and work > rows * LONG:
            break
        try:
            with s.part("join"):
                own = _row_loop(s, nest, rows)
                if own is None:
                    break
                joined = own if joined is None else s.merge(joined, own)
        except ScheduleError:
            break
    return joined


def _row_loop(s: Schedule, nest: For, rows: int) -> Var | None:
    """The first loops of a nest as one of ``rows`` iterations, the rest within; None if there are
    none such."""
    block, chain = only_block(nest), chain_of(nest)
    if block is None:
        return None
    roles = roles_of(block, chain)
    if roles is None:
        return None
    spatial, reduce = roles
    if reduce and (not is_fold(block) or prod(extents(nest, spatial)) != rows):
        return None
    count = len(spatial) if reduce else 0
    while not reduce and prod(extents(nest, spatial[:count])) != rows:
        count += 1
        if count > len(spatial):
            return None
    if count == 0:
        unit: Var = s.add_unit_loop(chain[0].var)
        return unit
    order = [*spatial, *reduce]
    if any(var is not loop.var for var, loop in zip(order, chain, strict=True)):
        s.reorder(*order)
    return s.fuse(*spatial[:count]) if count > 1 else spatial[0]


def schedule_rows(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """Consecutive nests, of which one folds rows at least, as one kernel of a row or several for
    each block::

        for i: for k: m[i] max= x[i, k]        for block: for ty:
        for i: for j: e[i, j] = x - m    ->        for tx: (for k: m_rf[tx] max= ...); a few fold
                                                   for j: for tx: e[j, tx] = ...
    """
    innermost = _innermost_rows(nests)
    rows = joined_rows(s, nests, machine)
    if rows is None:
        return False
    blocks = [b.name for b in blocks_of(find_loop(s.program, rows))]
    if not any(s.block(name).is_reduction for name in blocks):
        return False
    longest = max(prod(extent_of(s, v) for v in s.loops(name)[1:]) for name in blocks)
    if longest <= SHORT:
        keep_near(s, rows, blocks, "local", 1, machine)
        bind_flat(s, [rows], machine)
        return True
    lanes = _lanes(s, blocks, longest, machine)
    threads = _threads_for(longest // lanes, extent_of(s, rows), machine, lanes)
    side = max(min(machine.warp * 4 // threads, extent_of(s, rows)), 1)
    side = next(n for n in range(side, 0, -1) if innermost % n == 0)
    own = set(_own_buffers(s, blocks))
    for name in blocks:
        written = {buffer for buffer, _ in writes_of(s.block(name).body)}
        loops = list(s.loops(name)[1:])
        if s.block(name).is_reduction:
            rows = _fold(s, name, threads, lanes)
        elif prod(extent_of(s, v) for v in loops) > 1 or not written <= own:
            _spread(s, name, loops, threads, lanes)
            continue
        for buffer in written & own:  # one element for each row, which all its threads have
            s.set_scope(buffer_key(s.program, buffer), "local")
    named = [b.name for b in blocks_of(find_loop(s.program, rows))]
    keep_near(s, rows, named, "shared", side, machine)
    if side > 1:
        grid, line = s.split(rows, [None, side])
        s.bind(grid, "blockIdx.x")
        s.bind(line, "threadIdx.y")
    else:
        s.bind(rows, "blockIdx.x")
    return True


def _innermost_rows(nests: Sequence[For]) -> int:
    """The extent of the innermost loop of several over rows, 0 for one loop alone: rows that a
    block shares are neighbours within it, or what the block keeps would be as large as all of it.
    """
    for nest in nests:
        if row_count(nest):
            block = only_block(nest)
            assert block is not None
            roles = roles_of(block, chain_of(nest))
            assert roles is not None
            several = [n for n in extents(nest, roles[0]) if n > 1]
            return several[-1] if len(several) > 1 else 0
    return 0


def _threads_for(longest: int, rows: int, machine: GpuMachine, lanes: int = 1) -> int:
    """How many threads share a row of so many ``lanes``: a warp for short ones, more where rows are
    few."""
    most = 256 if rows >= machine.processors else 512
    wish = max(next_power_of_two(longest) * lanes // 4, machine.warp)
    return min(wish, most, machine.most_threads, max(next_power_of_two(longest), machine.warp))


def _lanes(s: Schedule, names: Sequence[str], longest: int, machine: GpuMachine) -> int:
    """How many neighbours a thread takes at once: as all of the blocks over whole rows can."""
    lanes = machine.vector_bytes
    most = max(next_power_of_two(longest) // (4 * machine.warp), LANES)  # for four warps
    for name in names:
        loops = s.loops(name)[1:]
        length = prod(extent_of(s, v) for v in loops)
        if length == 1:
            continue
        if length != longest or longest < 4 * machine.warp:
            return 1
        block = s.block(name)
        own = lanes_along(s, block, loops[-1], machine, most, folds=block.is_reduction)
        lanes = min(lanes, own)
    return lanes


def _fold(s: Schedule, name: str, threads: int, lanes: int) -> Var:
    """``for k: t += x[k]`` -> each thread folds its own part, and all of them fold the parts.
    Returns the loop over rows."""
    rows, *reduce = s.loops(name)
    body = s.block(name).body
    assert isinstance(body, Accumulate)
    ndim = body.buffers[0].ndim
    loop = s.fuse(*reduce) if len(reduce) > 1 else reduce[0]
    lane = None
    if lanes > 1:
        loop, lane = s.split(loop, [None, lanes])
    if extent_of(s, loop) > threads or lane is not None:
        _, loop = s.split(loop, [None, threads])
        made = s.rfactor(loop, ndim)
        first, second = s.loops(made)[0], s.loops(name)[0]
        rows = first if first is second else s.merge(first, second)
        steps, thread, *rest = s.loops(made)[1:]
        s.reorder(thread, steps, *rest)
        s.bind(thread, "threadIdx.x")
        for var in rest:
            s.unroll(var)
        for buffer, _ in writes_of(s.block(made).body):
            s.set_scope(buffer_key(s.program, buffer), "local")
        loop = s.loops(name)[-1]
    if extent_of(s, loop) > 1:
        s.bind(loop, "threadIdx.x")
    return rows


def _spread(s: Schedule, name: str, loops: list[Var], threads: int, lanes: int) -> None:
    """Independent points on the threads of a block."""
    if not loops:
        _alone(s, name)
        return
    lane = None
    if lanes > 1:
        loops[-1], lane = s.split(loops[-1], [None, lanes])
    flat = s.fuse(*loops) if len(loops) > 1 else loops[0]
    if extent_of(s, flat) > threads:
        _, flat = s.split(flat, [None, threads])
    s.bind(flat, "threadIdx.x")
    if lane is not None:
        s.vectorize(lane)


def _alone(s: Schedule, name: str) -> None:
    """What one thread does for all."""
    loops = s.loops(name)
    if len(loops) > 1:
        s.bind(_unit_around(s, loops[1]), "threadIdx.x")
    else:
        s.bind(s.add_unit_loop(name), "threadIdx.x")


def _unit_around(s: Schedule, loop: Var) -> Var:
    unit: Var = s.split(loop, [1, None])[0]
    return unit


def keep_near(
    s: Schedule, rows: Var, names: Sequence[str], scope: str, side: int, machine: GpuMachine
) -> None:
    """What only these blocks touch lives in the memory of the block of threads, if it fits."""
    room = machine.shared_bytes
    count = extent_of(s, rows)
    own = [b for b in _own_buffers(s, names) if b.scope is not Scope.LOCAL]
    for buffer in sorted(own, key=lambda b: b.size):
        size = -(-buffer.size // count) * side * buffer.dtype.itemsize
        if buffer.scope is Scope.STACK or size <= room:
            s.set_scope(buffer_key(s.program, buffer), scope)
            room -= size


def _own_buffers(s: Schedule, names: Sequence[str]) -> list[Buffer]:
    """The buffers that these blocks alone touch."""
    inside = set(names)
    outside: set[Buffer] = set()
    within: set[Buffer] = set()
    for block in blocks_of(s.program.body):
        (within if block.name in inside else outside).update(touched_buffers(block))
    return [b for b in allocations_of(s.program) if b in within and b not in outside]


def touched_buffers(stmt: Stmt) -> set[Buffer]:
    """The buffers that ``stmt`` loads from, or writes."""
    return {node.source for node in reads_of(stmt)} | {buffer for buffer, _ in writes_of(stmt)}
