"""A guess of what a scheduled program takes on a graphics processor; nothing of it was measured.

Each kernel takes the longest of three: its arithmetic, what it moves from and to global memory, and
what it moves from and to shared memory; blocks run in waves, and few threads hide little latency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from ...ir.program import (
    Allocate,
    Evaluate,
    For,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    walk,
)
from ...looking.machine import Facts
from ...looking.nests import nest_of, stride_along
from ...looking.traffic import work_of
from ...schedules.legality.accesses import Access, accesses_of

_SECTOR = 32  # bytes: the least that is moved from or to global memory
_WARP = 32
_LAUNCH = 3e-6  # seconds
_TENSOR = 8.0  # how much faster tensor cores multiply
_FULL = 1024  # threads of a processor that hide what memory takes


@dataclass(frozen=True)
class GpuFacts:
    """Rates of the whole device, those of a common server card."""

    processors: int = 108
    operations: float = 9.7e12  # multiply-adds on float32 a second
    memory: float = 1.5e12  # bytes a second
    shared: float = 1.6e13


@dataclass(frozen=True)
class GpuGuess:
    """What the kernels of a program are, added up. ``seconds`` is a guess, the rest is counted."""

    seconds: float
    kernels: int
    threads: int
    global_bytes: float
    shared_bytes: float
    operations: float


def gpu_guess(program: Program, facts: GpuFacts | None = None) -> GpuGuess:
    """The guess for a program whose loops are bound to blocks and threads."""
    facts = facts or GpuFacts()
    rows = accesses_of(program).rows
    seconds, total, most = 0.0, [0.0, 0.0, 0.0], 0
    kernels = _kernels(program.body)
    for kernel in kernels:
        blocks, threads = _grid(kernel)
        mine = [row for row in rows if row.loops and row.loops[0] is kernel]
        moved = sum(_moved(row) for row in mine if row.buffer.scope is Scope.GLOBAL)
        shared = sum(
            _times(row) * row.buffer.dtype.itemsize
            for row in mine
            if row.buffer.scope is Scope.SHARED
        )
        operations = _operations(kernel)
        busy = blocks / (ceil(blocks / facts.processors) * facts.processors)
        hidden = min(1.0, max(threads, 1) * min(blocks / facts.processors, 8.0) / _FULL)
        each = max(
            operations / facts.operations, moved / facts.memory / max(hidden, 0.05),
            shared / facts.shared,
        )  # fmt: skip
        seconds += _LAUNCH + each / max(busy, 1e-3)
        total = [a + b for a, b in zip(total, (moved, shared, operations))]
        most = max(most, threads)
    return GpuGuess(seconds, len(kernels), most, *total)


def _kernels(stmt: Stmt) -> list[For]:
    match stmt:
        case Allocate(body=body):
            return _kernels(body)
        case Seq(stmts=stmts):
            return [kernel for part in stmts for kernel in _kernels(part)]
        case For():
            return [stmt]
    return []


def _thread(loop: For) -> str:
    return str(dict(loop.annotations).get("thread", "")) if loop.kind is LoopKind.BOUND else ""


def _grid(kernel: For) -> tuple[int, int]:
    """Blocks, and threads of each: the most that loops of each name have."""
    found: dict[str, int] = {}
    for loop in walk(kernel):
        if isinstance(loop, For) and (name := _thread(loop)):
            found[name] = max(found.get(name, 1), loop.extent)
    blocks = prod(n for name, n in found.items() if name.startswith("blockIdx"))
    return blocks, prod(n for name, n in found.items() if name.startswith("threadIdx"))


def _runs(loops: Sequence[For]) -> float:
    """How often what is inside runs: where threads of a name are named again, they share it."""
    threads = {name: loop.extent for loop in loops if (name := _thread(loop))}
    serial = prod(loop.extent for loop in loops if not _thread(loop))
    return float(serial * prod(threads.values()))


def _times(row: Access) -> float:
    return _runs(row.loops) * prod(row.extents)


def _moved(row: Access) -> float:
    """Bytes of whole sectors, which neighbouring threads share."""
    size = row.buffer.dtype.itemsize
    across = next((o for o in reversed(row.loops) if _thread(o) == "threadIdx.x"), None)
    if across is None or prod(row.extents) > 1:
        return _times(row) * size
    step = stride_along(row, across.var)
    if step == 0:
        return _times(row) * _SECTOR / min(across.extent, _WARP)
    each = _SECTOR if step is None else min(abs(step) * size, _SECTOR)
    return _times(row) * max(each, size)


def _operations(kernel: For) -> float:
    """Vector operations of all threads; what tensor cores do counts as a part of itself."""
    body = Program("kernel", (), kernel)
    counted, facts = 0.0, Facts()
    for leaf in nest_of(body).leaves():
        if isinstance(leaf.stmt, Evaluate):
            sizes = [prod(r.extents) for r in leaf.stmt.args if hasattr(r, "extents")]
            points = prod(sizes) ** 0.5 if len(sizes) == 3 else 0.0  # of a product of matrices
            counted += _runs(leaf.loops) * points / _TENSOR
        else:
            counted += _runs(leaf.loops) * work_of(leaf, facts).ops
    return counted
