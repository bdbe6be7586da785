"""One loop nest on a grid: what any nest gets, and what nests of independent points get."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import prod
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.affine import as_sum, linear_in
from ...ir.expr import Axis, Expr, Select, Var
from ...ir.lanes import padded_load, same_for_lanes
from ...ir.program import (
    Allocate,
    Block,
    Buffer,
    For,
    LoopKind,
    Scope,
    Stmt,
    Store,
    blocks_of,
    expressions_of,
    reads_of,
    walk,
    writes_of,
)
from ...ir.rewrite import loads_of, postorder, variables_of
from ..buffers import buffer_key
from ..legality import carried_dependence
from ..schedule import Schedule
from ..step import find_loop
from .vectors import extent_of, fuse_contiguous

if TYPE_CHECKING:
    from .gpu import GpuMachine

PRIVATE = (Scope.LOCAL, Scope.STACK, Scope.REGISTER)
MOST_LINES = 65535  # blocks along any dimension of a grid but the first
BLOCK = 256  # threads of a block where nothing else decides
MANY = 2048  # threads that a processor can have
LANES = 4  # that a thread takes at once where fewer threads would be too few
WORD = 4  # bytes of the narrowest access of several elements


def chain_of(stmt: Stmt) -> list[For]:
    """The serial loops that begin at ``stmt``, each the only statement of the one before."""
    out: list[For] = []
    while isinstance(stmt, For) and stmt.kind is LoopKind.SERIAL:
        out.append(stmt)
        stmt = stmt.body
    return out


def only_block(loop: For) -> Block | None:
    """The block of a nest that holds one alone, right under its loops."""
    chain = chain_of(loop)
    body = chain[-1].body if chain else None
    return body if isinstance(body, Block) and len(blocks_of(body)) == 1 else None


def schedule_points(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """``for i: for j: B[i, j] = f(A[i, j])`` -> ``for block: for thread: for lane in 4``."""
    block = only_block(nests[0])
    if block is None or block.is_reduction:
        return False
    loops = [one.var for one in chain_of(nests[0])]
    if any(carried_dependence(s.program, var) for var in loops):
        return False
    if _is_joined(block, loops[-1], machine):
        bind_flat(s, loops[:-1], machine)
        s.vectorize(loops[-1])
        return True
    loops = fuse_contiguous(s, block, loops)
    enough = prod(extent_of(s, var) for var in loops) >= 4 * machine.warp
    most = most_lanes(prod(extent_of(s, var) for var in loops), machine)
    lanes = lanes_along(s, s.block(block.name), loops[-1], machine, most) if enough else 1
    if enough and len(loops) == 1:
        lanes = max(lanes, lanes_in_order(block, machine, most))
    lane = None
    if lanes > 1:
        loops[-1], lane = s.split(loops[-1], [None, lanes])
    bind_flat(s, loops, machine)
    if lane is not None:
        s.vectorize(lane)
    return True


def _is_joined(block: Block, loop: Var, machine: GpuMachine) -> bool:
    """Whether ``loop`` goes over a last axis of a few elements, of which each is computed in
    another way, as the parts of complex numbers are: ``select(j < 1, a[i], b[i])``. A thread makes
    all of them, and writes them at once."""
    axis = next((it.axis for it in block.iters if it.binding is loop), None)
    writes = list(writes_of(block.body))
    if axis is None or len(block.iters) < 2 or block.predicate is not None or len(writes) != 1:
        return False
    ((buffer, indices),) = writes
    size = buffer.dtype.itemsize * axis.extent
    if size not in (WORD, 2 * WORD, 4 * WORD) or size > machine.vector_bytes or axis.extent < 2:
        return False
    if indices[-1] is not axis or buffer.shape[-1] != axis.extent:
        return False
    if buffer.strides is not None or not buffer.aligned:
        return False
    if any(axis in {*variables_of(index)} for node in reads_of(block) for index in node.indices):
        return False
    tests = [
        node.condition
        for expr in expressions_of(block.body)
        for node in postorder(expr)
        if isinstance(node, Select) and axis in {*variables_of(node.condition)}
    ]
    return bool(tests) and all({*variables_of(test)} == {axis} for test in tests)


def bind_flat(s: Schedule, loops: list[Var], machine: GpuMachine, most: int = BLOCK) -> None:
    """Nested loops as one, on blocks of up to ``most`` threads."""
    flat = s.fuse(*loops) if len(loops) > 1 else loops[0]
    threads = threads_for(extent_of(s, flat), machine, most)
    grid, thread = s.split(flat, [None, threads])
    s.bind(grid, "blockIdx.x")
    s.bind(thread, "threadIdx.x")


def bind_grid(s: Schedule, batch: Sequence[Var], rows: Var, columns: Var) -> Var:
    """The tiles on a grid of as many dimensions as a grid can have so many blocks in; returns the
    innermost loop over them."""
    outer = s.fuse(*batch) if len(batch) > 1 else batch[0] if batch else None
    far = [var for var in (outer, rows) if var is not None]
    if any(extent_of(s, var) > MOST_LINES for var in far):
        columns = s.fuse(*far, columns)
        s.bind(columns, "blockIdx.x")
        return columns
    if outer is not None:
        s.bind(outer, "blockIdx.z")
    s.bind(rows, "blockIdx.y")
    s.bind(columns, "blockIdx.x")
    return columns


def threads_for(points: int, machine: GpuMachine, most: int = BLOCK) -> int:
    """Threads of a block: few points are spread over the processors, whole warps at a time."""
    share = -(-points // machine.processors)
    whole = -(-share // machine.warp) * machine.warp
    return max(min(most, whole, machine.most_threads), 1) if points > machine.warp else points


def most_lanes(points: int, machine: GpuMachine) -> int:
    """How many neighbours a thread takes at once, at most: as many as one access holds where that
    leaves threads enough to fill all processors."""
    enough = points >= MANY * machine.vector_bytes * machine.processors
    return machine.vector_bytes if enough else LANES


def lanes_along(
    s: Schedule,
    block: Block,
    loop: Var,
    machine: GpuMachine,
    most: int = LANES,
    folds: bool = False,
) -> int:
    """How many neighbours along ``loop``, the innermost, a thread takes in one aligned access, at
    ``most``: as many as rows are a multiple of, so that each begins where such an access may; 1 if
    that cannot be. With ``folds`` they are folded, and reads alone matter."""
    accesses = [(n.source, n.indices) for n in reads_of(block)]
    written = list(writes_of(block.body))
    touched = accesses if folds else [*accesses, *written]
    widest = max((buffer.dtype.itemsize for buffer, _ in touched), default=machine.vector_bytes)
    lanes: int = min(machine.vector_bytes // widest, most)
    axis = next((it.axis for it in block.iters if it.binding is loop), None)
    if axis is None:  # a fused loop, or a part of one: the last axis is the one that moves
        axis = block.iters[-1].axis
    padded = padded_load(block.body.value) if isinstance(block.body, Store) and not folds else None
    if padded is None:
        if any(_guards_loads(e) for node in walk(block.body) for e in expressions_of(node)):
            return 1

    def fits() -> bool:
        if lanes < 2 or extent_of(s, loop) % lanes or axis.extent % lanes:
            return False
        if padded is not None and same_for_lanes(padded[0], axis, lanes) is None:
            return False
        if block.predicate is not None and same_for_lanes(block.predicate, loop, lanes) is None:
            return False
        if not all(_is_aligned(b, at, axis, lanes, (0, 1)) for b, at in accesses):
            return False
        return folds or all(_is_aligned(b, at, axis, lanes, (1,)) for b, at in written)

    while lanes > 2 and (lanes // 2) * widest >= WORD and not fits():
        lanes //= 2
    return lanes if fits() else 1


def lanes_in_order(block: Block, machine: GpuMachine, most: int = LANES) -> int:
    """How many elements a thread takes at once where every array is walked from its first element
    to its last, however many those are: the last thread takes the rest one by one."""
    axes = [it.axis for it in block.iters if it.axis.extent > 1]
    shape = tuple(axis.extent for axis in axes)
    touched = [(n.source, n.indices) for n in reads_of(block)]
    touched += writes_of(block.body)
    if block.predicate is not None or not isinstance(block.body, Store):
        return 1
    if any(_guards_loads(e) for e in expressions_of(block.body)):
        return 1
    for buffer, indices in touched:
        if buffer.strides is not None or not buffer.aligned:
            return 1
        wide = [d for d, extent in enumerate(buffer.shape) if extent > 1]
        if not wide:
            continue
        if tuple(buffer.shape[d] for d in wide) != shape:
            return 1
        if any(indices[d] is not axis for d, axis in zip(wide, axes, strict=True)):
            return 1
    widest = max(buffer.dtype.itemsize for buffer, _ in touched)
    lanes: int = min(machine.vector_bytes // widest, most)
    return lanes


def _guards_loads(expr: Expr) -> bool:
    """Whether a select keeps loads from being made where an index is not within bounds."""
    return any(
        isinstance(node, Select) and not loads_of(node.condition) and loads_of(node)
        for node in postorder(expr)
    )


def _is_aligned(
    buffer: Buffer, indices: tuple[Expr, ...], axis: Axis, lanes: int, steps: Sequence[int]
) -> bool:
    """Whether ``lanes`` points along ``axis`` are neighbours from a multiple of ``lanes`` on, or
    all one; ``steps`` are those that will do."""
    along = step_along(buffer, indices, axis)
    if along is None or along not in steps:
        return False
    if along == 0:
        return True
    constant = 0
    for stride, index in zip(buffer.element_strides, indices, strict=True):
        total = as_sum(index)
        constant += stride * total.constant
        for atom, factor in total.terms:
            if atom is not axis and stride * factor % lanes:
                return False
    return bool(constant % lanes == 0)


def step_along(buffer: Buffer, indices: tuple[Expr, ...], axis: Axis) -> int | None:
    """The elements between neighbours along ``axis``; None if that varies."""
    total = 0
    for stride, index in zip(buffer.element_strides, indices, strict=True):
        along = linear_in(index, axis)
        if along is None:
            return None
        total += stride * along
    return total


def schedule_chain(s: Schedule, nests: Sequence[For], machine: GpuMachine) -> bool:
    """Any nest: the independent loops of its chain on the grid, all else serial in a thread.

    Independent loops come outermost where they may; where a serial loop stands around them, one
    block of threads runs them.
    """
    chain = [one.var for one in chain_of(nests[0])]
    free = [var for var in chain if carried_dependence(s.program, var) is None]
    if not free:
        return True
    known = set(free)
    if not known.issuperset(chain[: len(free)]):
        rest = [var for var in chain if var not in known]
        try:
            s.reorder(*free, *rest)
            chain = [*free, *rest]
        except ScheduleError:
            pass
    leading = list(takewhile(known.__contains__, chain))
    if leading:
        _private_memory(s, leading[-1])
        bind_flat(s, leading, machine)
        return True
    first = max(free, key=lambda var: extent_of(s, var))
    _private_memory(s, first)
    bind_threads(s, first, machine)
    return True


def bind_threads(s: Schedule, loop: Var, machine: GpuMachine) -> None:
    """``loop`` on the threads of the one block at hand."""
    extent = extent_of(s, loop)
    if extent <= machine.most_threads:
        s.bind(loop, "threadIdx.x")
        return
    _, thread = s.split(loop, [None, machine.most_threads])
    s.bind(thread, "threadIdx.x")


def _private_memory(s: Schedule, loop: Var) -> None:
    """What is allocated within the threads of ``loop`` is theirs alone."""
    for stmt in walk(find_loop(s.program, loop).body):
        if isinstance(stmt, Allocate):
            for buffer in stmt.buffers:
                if buffer.scope not in PRIVATE:
                    s.set_scope(buffer_key(s.program, buffer), "local")
