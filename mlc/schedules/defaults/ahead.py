"""What large arrays hold is asked for before it is needed.

A loop that walks through memory asks some way ahead, along each of the rows that it reads side by
side; processors do so themselves, but later and less far. Where a row is read several times, such
as by a mean and then by a variance, its readers ask for the next row, a share of it each: while
they are busy with what is in the cache, memory is not idle. Where the second cache is large, the
first of them asks for all of it, in order, and it waits there. Processors that see rows coming are
asked for arrays in main memory alone, or by what computes long chains, such as those of exp: that
has time to ask for the next rows, while a quick fold of them would wait.
"""

from __future__ import annotations

from itertools import pairwise

from ...ir.affine import as_sum
from ...ir.expr import Expr, Load, Var, const, load
from ...ir.program import (
    Accumulate,
    Block,
    Buffer,
    For,
    LoopKind,
    Scope,
    blocks_of,
    expressions_of,
    reads_of,
    writes_of,
)
from ...ir.program import walk as walked
from ...ir.rewrite import loads_of, substitute, variables_of
from ...ir.simplify import simplify
from ...records import dataclass
from ..schedule import Schedule
from ..step import loops_around
from .machine import LARGE_L2, LINE_BYTES, Machine
from .vectors import is_long

AHEAD_BYTES = 8192
PAGE_BYTES = 4096
ROW_BYTES = 1024  # of rows that data choose; shorter ones take as long to ask for
ROWS_AHEAD = 2
MOVING = (LoopKind.SERIAL, LoopKind.PARALLEL)
NEAR = 16  # elements: columns of one row
MOST_BYTES = 32 * LINE_BYTES  # what one iteration may ask for


@dataclass(frozen=True, eq=False)
class _Reader:
    """A block that walks through ``buffer``: each iteration of ``loop`` reads the next ``bytes``
    of it, the same share of each of some rows; ``rows`` are the loops around with the bytes that
    one step of each goes on."""

    block: str
    buffer: Buffer
    loop: Var
    bytes: int
    rows: tuple[tuple[Var, int], ...]
    side: int = 1  # rows side by side
    meets: int = 0  # iterations that these would take one after the other, if their ends meet
    is_long: bool = False  # whether it computes long chains meanwhile, such as those of exp
    is_quick: bool = False  # whether it folds what it reads by one instruction, as a sum does
    comes_back: bool = False  # whether all rows that it reads but one were read a step before


def read_ahead(s: Schedule, machine: Machine) -> None:
    """Let the blocks of ``s`` ask early for what they read of arrays that no cache near the
    processor holds. Loops must be as they will be run."""
    written = {b for block in blocks_of(s.program.body) for b, _ in writes_of(block.body)}
    large = {
        b
        for b in s.program.params
        if b not in written and b.scope is Scope.GLOBAL and _is_large(b, machine)
    }
    far = max(machine.past_bytes, machine.l2) if machine.looks_ahead else machine.l2
    readers: list[_Reader] = []
    if large:
        for block in blocks_of(s.program.body):
            loops = loops_around(s.program, block.name)
            readers += [r for b in large if (r := _reader(block, loops, b)) is not None]
            for buffer in large:
                walk = _along_chosen_row(block, loops, buffer)
                if walk is not None and _bytes(buffer) > machine.l2:
                    s.prefetch(block, buffer, walk, ROWS_AHEAD, chosen=True)
    for reader in readers:
        if reader.comes_back and machine.looks_ahead:
            distance = max(PAGE_BYTES // reader.bytes, 1)
            s.prefetch(reader.block, reader.buffer, reader.loop, distance, last=True)
    readers = [r for r in readers if not r.comes_back and _bytes(r.buffer) > machine.l2]
    paced = {r.buffer for r in readers if _has_time(r, machine)}
    readers = [r for r in readers if r.buffer in paced or _bytes(r.buffer) > far]
    for buffer in dict.fromkeys(r.buffer for r in readers):
        own = [r for r in readers if r.buffer is buffer]
        together = all(r.side == 1 for r in own)
        for group in [own] if together else [[r] for r in own]:
            _ask_early(s, group, machine)


def _is_large(buffer: Buffer, machine: Machine) -> bool:
    """Whether the second cache does not hold ``buffer`` and a result of its size."""
    return 2 * _bytes(buffer) > machine.l2


def _bytes(buffer: Buffer) -> int:
    return buffer.size * buffer.dtype.itemsize


def _ask_early(s: Schedule, readers: list[_Reader], machine: Machine) -> None:
    """One reader asks for what comes next, or the first of several that have room for it; else
    each of them for a share of the next row. None does where it is alone and quick, and a line is
    several vectors, or where rows lie side by side and the processor looks far enough ahead; but
    where their ends meet there, and a step has several instructions, it asks in order."""
    if len(readers) == 1 and readers[0].is_quick and machine.vector_bytes < LINE_BYTES:
        return
    if machine.looks_ahead and readers[0].side > 1:
        for reader in readers:
            if reader.meets and not reader.is_quick and not reader.is_long:
                s.prefetch(reader.block, reader.buffer, reader.loop, reader.meets, in_order=True)
        return
    timely = next((r for r in readers if _has_time(r, machine)), None)
    if machine.l2 >= LARGE_L2 or (machine.looks_ahead and timely is not None):
        readers = [timely or readers[0]]
    ahead, parts = AHEAD_BYTES, len(readers)
    if _has_time(readers[0], machine):
        ahead = max(ahead, _row_bytes(readers[0]))
    if parts > 1:
        ahead = min(map(_row_bytes, readers))
        if not 0 < ahead <= machine.l2 // 4:
            return
    for part, reader in enumerate(readers):
        distance = max(round(ahead / reader.bytes), 1)
        s.prefetch(reader.block, reader.buffer, reader.loop, distance, part, parts)


def _has_time(reader: _Reader, machine: Machine) -> bool:
    """Whether the next row comes while ``reader`` computes, and stays."""
    return reader.is_long and 0 < _row_bytes(reader) <= machine.l1 // 4


def _row_bytes(reader: _Reader) -> int:
    """How far the innermost loop around the walk goes on; 0 where that is not forwards."""
    return next((step for _, step in reversed(reader.rows) if step), 0)


def _reader(block: Block, loops: list[For], buffer: Buffer) -> _Reader | None:
    """How ``block`` walks through ``buffer`` from the first to the last of its elements at hand;
    None where it reads several places at once that are no rows, or leaves some out."""
    loads = [n for n in reads_of(block) if n.source is buffer]
    found = [_steps(n, block, loops) for n in loads]
    if not found or found[0] is None or any(f is None or f[0] != found[0][0] for f in found):
        return None
    steps, _ = found[0]
    begins = [f[1] for f in found if f is not None]
    moving = [(f.var, f.extent) for f in loops if f.kind in MOVING and f.extent > 1]
    if not moving:
        return None
    comes_back = len(moving) > 1 and _come_back(begins, steps[moving[-2][0]])
    apart = set() if comes_back else {b - a for a, b in pairwise(begins)}
    if len(apart) > 1:
        return None
    walk, extent = moving[-1]
    size = buffer.dtype.itemsize
    side = [(len(loads), *apart)] if apart else []  # rows side by side, and how far apart they are
    inner = loops[next(i for i, f in enumerate(loops) if f.var is walk) + 1 :]
    run = 1
    for loop in reversed(inner):
        if steps[loop.var] == run:
            run *= loop.extent
        elif loop.extent > 1 and steps[loop.var]:
            side.append((loop.extent, steps[loop.var]))
    rows = side[0][0] if side else 1
    if len(side) > 1 or any(n * step not in (steps[v] for v, _ in moving[:-1]) for n, step in side):
        return None
    if steps[walk] != run or run * size < LINE_BYTES or rows * run * size > MOST_BYTES:
        return None
    around = tuple((v, steps[v] * size) for v, _ in moving[:-1])
    pace = _computes(block), _is_quick(block)
    whole = side and side[0][1] == run * extent
    meets = rows * extent if whole else 0
    return _Reader(
        block.name, buffer, walk, rows * run * size, around, rows, meets, *pace, comes_back
    )


def _along_chosen_row(block: Block, loops: list[For], buffer: Buffer) -> Var | None:
    """The loop that goes along rows of ``buffer``, from end to end of long ones, which data choose
    in loops around it; None where there is none."""
    loads = [n for n in reads_of(block) if n.source is buffer]
    moving = [f for f in loops if f.kind in MOVING and f.extent > 1]
    if len(loads) != 1 or len(moving) < 2:
        return None
    (read,) = loads
    by_data = [any(True for _ in loads_of(index)) for index in read.indices]
    pairs = list(zip(read.indices, by_data, strict=True))
    plain = load(buffer, tuple(const(0) if is_data else index for index, is_data in pairs))
    assert isinstance(plain, Load)
    found = _steps(plain, block, loops)
    if found is None or not any(by_data):
        return None
    steps, walk = found[0], moving[-1].var
    inner = loops[next(i for i, f in enumerate(loops) if f.var is walk) :]
    bound: dict[Var, Expr] = {it.axis: it.binding for it in block.iters}
    used = {v for i, is_data in pairs if is_data for v in variables_of(substitute(i, bound))}
    run = 1
    for loop in reversed(inner):
        if loop.var in used or steps[loop.var] != run:
            return None
        run *= loop.extent
    return walk if run * buffer.dtype.itemsize >= ROW_BYTES else None


def _come_back(begins: list[int], step: int) -> bool:
    """Whether what begins there, in elements, lies in rows that begin ``step`` elements apart, of
    which each but the last one was the one behind it a step before."""
    last = max(begins)
    rows = {round((last - begin) / step) for begin in begins} if step > 0 else set()
    near = all(abs(last - b - round((last - b) / step) * step) <= NEAR for b in begins if rows)
    return len(rows) > 1 and rows == set(range(len(rows))) and near


def _computes(block: Block) -> bool:
    return is_long(expr for stmt in walked(block.body) for expr in expressions_of(stmt))


def _is_quick(block: Block) -> bool:
    folds = [s for s in walked(block.body) if isinstance(s, Accumulate)]
    return bool(folds) and all(s.combiner.fn for s in folds) and not _computes(block)


def _steps(node: Load, block: Block, loops: list[For]) -> tuple[dict[Var, int], int] | None:
    """How many elements one step of each loop goes on, and where it begins, in elements; None where
    that varies."""
    bound: dict[Var, Expr] = {it.axis: it.binding for it in block.iters}
    total: Expr = const(0)
    for index, stride in zip(node.indices, node.source.element_strides, strict=True):
        total = total + index * stride
    address = as_sum(simplify(substitute(total, bound)))
    steps = {loop.var: address.coefficient(loop.var) for loop in loops}
    for atom, _ in address.terms:
        if atom not in steps and any(v in steps for v in variables_of(atom)):
            return None
    return steps, address.constant
