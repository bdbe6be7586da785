"""What large arrays hold is asked for before it is needed.

A loop that walks through memory asks some way ahead; processors do so themselves, but later and
less far. Where a row is read several times, such as by a mean and then by a variance, its
readers ask for the next row, a share of it each: while they are busy with what is in the cache,
memory is not idle.
"""

from __future__ import annotations

from ...ir.affine import as_sum
from ...ir.expr import Expr, Load, Var, const
from ...ir.program import Block, Buffer, For, LoopKind, Scope, blocks_of, reads_of, writes_of
from ...ir.rewrite import substitute, variables_of
from ...ir.simplify import simplify
from ...records import dataclass
from ..schedule import Schedule
from ..step import loops_around
from .machine import Machine

AHEAD_BYTES = 8192
LINE_BYTES = 64
MOST_BYTES = 32 * LINE_BYTES  # what one iteration may ask for


@dataclass(frozen=True, eq=False)
class _Reader:
    """A block that walks through ``buffer``: each iteration of ``loop`` reads the next ``bytes``
    of it; ``rows`` are the loops around with the bytes that one step of each goes on."""

    block: str
    buffer: Buffer
    loop: Var
    bytes: int
    rows: tuple[tuple[Var, int], ...]


def read_ahead(s: Schedule, machine: Machine) -> None:
    """Let the blocks of ``s`` ask early for what they read of arrays that no cache near the
    processor holds. Loops must be as they will be run."""
    written = {b for block in blocks_of(s.program.body) for b, _ in writes_of(block.body)}
    large = {
        b
        for b in s.program.params
        if b not in written and b.scope is Scope.GLOBAL and b.size * b.dtype.itemsize > machine.l2
    }
    readers: list[_Reader] = []
    if large:
        for block in blocks_of(s.program.body):
            loops = loops_around(s.program, block.name)
            readers += [r for b in large if (r := _reader(block, loops, b)) is not None]
    for buffer in dict.fromkeys(r.buffer for r in readers):
        _ask_early(s, [r for r in readers if r.buffer is buffer], machine)


def _ask_early(s: Schedule, readers: list[_Reader], machine: Machine) -> None:
    """One reader asks for what comes next; several, for a share of the next row each."""
    ahead, parts = AHEAD_BYTES, len(readers)
    if parts > 1:
        ahead = min(map(_row_bytes, readers))
        if not 0 < ahead <= machine.l2 // 4:
            return
    for part, reader in enumerate(readers):
        distance = max(round(ahead / reader.bytes), 1)
        s.prefetch(reader.block, reader.buffer, reader.loop, distance, part, parts)


def _row_bytes(reader: _Reader) -> int:
    """How far the innermost loop around the walk goes on; 0 where that is not forwards."""
    return next((step for _, step in reversed(reader.rows) if step), 0)


def _reader(block: Block, loops: list[For], buffer: Buffer) -> _Reader | None:
    """How ``block`` walks through ``buffer`` from the first to the last of its elements at hand;
    None where it reads several places at once, or leaves some out."""
    loads = [n for n in reads_of(block) if n.source is buffer]
    if len(loads) != 1:
        return None
    steps = _steps(loads[0], block, loops)
    if steps is None:
        return None
    moving = [f for f in loops if f.kind in (LoopKind.SERIAL, LoopKind.PARALLEL) and f.extent > 1]
    if not moving:
        return None
    walk = moving[-1]
    size = buffer.dtype.itemsize
    inner = loops[next(i for i, f in enumerate(loops) if f is walk) + 1 :]
    run = 1
    for loop in reversed(inner):
        if steps[loop.var] == run:
            run *= loop.extent
        elif loop.extent > 1 and steps[loop.var]:
            return None
    if steps[walk.var] != run or not LINE_BYTES <= run * size <= MOST_BYTES:
        return None
    rows = tuple((f.var, steps[f.var] * size) for f in moving[:-1])
    return _Reader(block.name, buffer, walk.var, run * size, rows)


def _steps(node: Load, block: Block, loops: list[For]) -> dict[Var, int] | None:
    """How many elements one step of each loop goes on; None where that varies."""
    bound: dict[Var, Expr] = {it.axis: it.binding for it in block.iters}
    total: Expr = const(0)
    for index, stride in zip(node.indices, node.source.element_strides, strict=True):
        total = total + index * stride
    address = as_sum(simplify(substitute(total, bound)))
    steps = {loop.var: address.coefficient(loop.var) for loop in loops}
    for atom, _ in address.terms:
        if atom not in steps and any(v in steps for v in variables_of(atom)):
            return None
    return steps
