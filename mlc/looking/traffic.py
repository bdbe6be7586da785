"""What running a nest takes: arithmetic, waiting, accesses, and bytes between the caches.

The model, which is simple on purpose:

* A cache keeps everything that one iteration of a loop touches if that fits. The
  outermost such loop then brings in its whole footprint once each time it runs; nothing is reused
  between runs of it. Bytes are counted in whole cache lines, and twice for what is written: it
  comes in and goes back. Lines a multiple of 4 KiB apart compete for few places in L1 and L2.
* Lines that come without their neighbours come at half the rate. Pages, and what other threads do,
  are left out.
* What the whole program touches, if that fits in a cache, was there before: nothing moves into it.
* Registers keep what does not change while one serial loop runs, if all loops inside of that are
  unrolled or vectorized. A vector of neighbours is one access, and so is one element for all
  lanes; other strides are one access per lane.
* A sum that the next iteration of a serial loop goes on with waits for the one before.
* Guards are taken to hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from ..ir.expr import Apply, Cast, Expr, Load, Select
from ..ir.program import Accumulate, Buffer, Evaluate, For, LoopKind, Store
from ..ir.scalar import SCALAR_FNS
from ..schedules.legality.accesses import Access
from .machine import Cache, Facts
from .nests import STATIC, Footprint, Leaf, Nest, depends, footprints, stride_along


@dataclass(frozen=True)
class Work:
    """What a statement does once: ``flops`` as one counts them, ``ops`` as the processor does
    (a multiplication and the addition of its result are one), and the widest element it handles."""

    flops: int
    ops: float
    itemsize: int


class Traffic(NamedTuple):
    """Bytes that move, and how many of them in lines that come without their neighbours."""

    bytes: float = 0.0
    alone: float = 0.0


def moved(nest: Nest, cache: Cache) -> dict[Buffer, Traffic]:
    """What of each buffer comes into ``cache`` when ``nest`` runs once, and goes out of it."""
    whole = nest.whole
    if cache.holds(whole) or (nest.loop is not None and cache.holds(nest.one_iteration)):
        return {b: _once(f) for b, f in whole.items()}
    total = dict.fromkeys(whole, Traffic())
    times = 1 if nest.loop is None else nest.loop.extent
    inside = set()
    for part in nest.parts:
        if isinstance(part, Nest):
            inside.update(part.accesses)
            for buffer, found in moved(part, cache).items():
                total[buffer] = _sum(total[buffer], found, times)
    direct = footprints([row for row in nest.accesses if row not in inside], {})
    for buffer, footprint in direct.items():
        total[buffer] = _sum(total[buffer], _once(footprint), times)
    return total


def _once(footprint: Footprint) -> Traffic:
    count = footprint.lines * (2.0 if footprint.written else 1.0)
    return Traffic(count, count if footprint.is_alone else 0.0)


def _sum(one: Traffic, other: Traffic, times: int) -> Traffic:
    return Traffic(one.bytes + times * other.bytes, one.alone + times * other.alone)


def access_slots(nest: Nest, facts: Facts) -> float:
    """How many loads and stores run, vectors counted once."""
    held = {n.loop for n in nest.nests() if n.loop and _stays_in_registers(n, facts)}
    seen = set()
    total = 0.0
    for row in nest.accesses:
        key = (row.buffer, row.indices, row.loops, row.kind)
        if row.is_init or key in seen:
            continue
        seen.add(key)
        # What is combined is loaded and stored.
        total += _slots(row, held, facts) * (2 if row.kind == "combine" else 1)
    return total


def _stays_in_registers(nest: Nest, facts: Facts) -> bool:
    """Whether what all iterations touch fits in registers, with every index known."""
    if any(n.loop and n is not nest and n.loop.kind not in STATIC for n in nest.nests()):
        return False
    needed = 0.0
    assert nest.loop is not None
    for row in {(r.buffer, r.indices): r for r in nest.accesses}.values():
        if depends(row, nest.loop.var):
            continue
        inner = [loop for loop in row.loops if loop.var in nest.inside]
        needed += prod(_vectors(row, loop, facts) for loop in inner)
    return needed <= facts.registers


def _vectors(row: Access, loop: For, facts: Facts) -> float:
    """How many accesses the iterations of a static loop become."""
    if not depends(row, loop.var):
        return 1
    lanes = facts.lanes(row.buffer.dtype.itemsize)
    if loop.kind is LoopKind.VECTORIZED and stride_along(row, loop.var) == 1:
        return -(-loop.extent // lanes)
    return loop.extent


def _slots(row: Access, held: set[For], facts: Facts) -> float:
    total = 1.0
    for loop in reversed(row.loops):
        if loop.kind in STATIC:
            total *= _vectors(row, loop, facts)
        elif loop not in held or depends(row, loop.var):
            total *= loop.extent
    return total


def work_of(leaf: Leaf, facts: Facts) -> Work:
    """What one run of the statement computes; index arithmetic does not count."""
    stmt = leaf.stmt
    roots: tuple[Expr, ...]
    match stmt:
        case Store(buffer=buffer, value=value):
            roots, itemsize = (value,), buffer.dtype.itemsize
        case Accumulate(buffers=buffers, values=values):
            roots, itemsize = values, max(b.dtype.itemsize for b in buffers)
        case Evaluate():
            return Work(0, 0.0, 4)
    nodes = set(_arithmetic(roots))
    applied = [n for n in nodes if isinstance(n, Apply)]
    flops = len(applied)
    ops = sum(float(SCALAR_FNS[n.fn].cost) for n in applied)
    ops += sum(isinstance(n, Cast | Select) for n in nodes)
    if facts.has_fma:
        sums = [n for n in applied if n.fn in ("add", "sub")]
        ops -= sum(any(isinstance(a, Apply) and a.fn == "mul" for a in n.args) for n in sums)
    if isinstance(stmt, Accumulate):
        count = len(stmt.combiner.result)
        flops, ops = flops + count, ops + count
        root = roots[0]
        if facts.has_fma and stmt.combiner.fn == "add" and isinstance(root, Apply):
            ops -= root.fn == "mul"
    return Work(flops, ops, itemsize)


def _arithmetic(roots: tuple[Expr, ...]) -> Iterator[Expr]:
    """The nodes that compute with elements; those of indices are not among them."""
    stack = list(roots)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, Load):
            stack.extend(node.children)


def vector_times(leaf: Leaf, itemsize: int, facts: Facts) -> float:
    """How many times the statement runs if a vector of lanes counts once."""
    lanes, times = facts.lanes(itemsize), float(leaf.times)
    for loop in leaf.loops:
        if loop.kind is LoopKind.VECTORIZED and loop.extent:
            times *= -(-loop.extent // lanes) / loop.extent
    return times


def waiting_cycles(nest: Nest, facts: Facts) -> float:
    """The cycles that accumulations wait for their own results."""
    return max((_waiting(r, facts) for r in nest.accesses if r.kind == "combine"), default=0.0)


def _waiting(row: Access, facts: Facts) -> float:
    """0 if the next iteration of the innermost serial loop combines into another element."""
    live = [loop for loop in row.loops if loop.extent > 1]
    carrying = next((loop for loop in reversed(live) if loop.kind not in STATIC), None)
    if row.is_init or carrying is None or depends(row, carrying.var):
        return 0.0
    inner = live[live.index(carrying) + 1 :]
    # What is vectorized along the sum is combined lane by lane in the end.
    chain = prod(loop.extent for loop in live if loop not in inner)
    return facts.latency * chain * prod(_serial_parts(row, loop) for loop in inner)


def _serial_parts(row: Access, loop: For) -> int:
    """How many of the iterations of a static loop wait for each other."""
    is_unrolled = loop.kind is LoopKind.UNROLLED
    return loop.extent if is_unrolled and not depends(row, loop.var) else 1


def loop_instructions(nest: Nest) -> float:
    """What loops that stay loops take themselves: three instructions for each iteration."""
    return sum(
        3.0 * prod(loop.extent for loop in around if loop.kind not in STATIC)
        for around in {
            leaf.loops[: n + 1] for leaf in nest.leaves() for n in range(len(leaf.loops))
        }
        if around[-1].kind not in STATIC
    )
