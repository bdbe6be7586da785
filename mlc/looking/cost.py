"""What a program costs by the model of `traffic`: counts, predicted times, the bound."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.program import Buffer, Program, blocks_of
from .machine import Facts, bytes_text, count_text, this_machine, time_text
from .nests import Nest, nest_of
from .traffic import (
    access_slots,
    loop_instructions,
    moved,
    vector_times,
    waiting_cycles,
    work_of,
)


@dataclass(frozen=True)
class Cost:
    """Counted and predicted, not measured; on one thread.

    ``flops`` are operations on elements, ``bytes`` the size of all arrays that are touched,
    ``moved`` the bytes that come into each cache and go out of it, ``times`` the seconds that each
    resource needs by itself. ``seconds`` is the longest of them for each part of the program that
    runs after another, added up; ``bound`` names the resource that takes longest.
    """

    flops: int
    bytes: int
    seconds: float
    bound: str
    moved: tuple[tuple[str, float], ...]
    times: tuple[tuple[str, float], ...]

    @property
    def intensity(self) -> float:
        """Operations for each byte of the arrays."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.flops / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return (
            f"{_with_unit(self.flops)}flop on {bytes_text(self.bytes)}, "
            f"{self.intensity:.3g} flop/byte; predicted {time_text(self.seconds)} on one thread "
            f"({_with_unit(self.rate)}flop/s), bound by {self.bound}"
        )

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Part:
    """A nest that runs after others, what it costs, and what each buffer of it moves.

    ``recomputed`` says of blocks how many points they run for each point they ran before.
    """

    nest: Nest
    cost: Cost
    moved: tuple[tuple[str, dict[Buffer, float]], ...]
    recomputed: tuple[tuple[float, str], ...] = ()


def parts_of(program: Program, facts: Facts) -> list[Part]:
    """The outermost loops of ``program``, each with its cost."""
    root = nest_of(program)
    again = [
        (float(dict(b.annotations).get("recompute", 1)), b.name) for b in blocks_of(program.body)
    ]
    nests = [part for part in root.parts if isinstance(part, Nest)] or [root]
    return [_part(nest, root, facts, again) for nest in nests]


def _part(nest: Nest, root: Nest, facts: Facts, again: list[tuple[float, str]]) -> Part:
    work = [(leaf, work_of(leaf, facts)) for leaf in nest.leaves()]
    flops = sum(leaf.times * w.flops for leaf, w in work)
    ops = sum(vector_times(leaf, w.itemsize, facts) * w.ops for leaf, w in work)
    slots = access_slots(nest, facts)
    waits = waiting_cycles(nest, facts)
    flows = [
        (cache, {} if cache.holds(root.whole) else moved(nest, cache)) for cache in facts.levels
    ]
    cycles = {
        "arithmetic": ops / facts.vector_ops,
        "waiting": waits,
        "loads and stores": slots / facts.accesses,
        "instructions": (ops + slots + loop_instructions(nest)) / facts.instructions,
    }
    for cache, flow in flows:
        # Lines that come alone come at half the rate.
        count = sum(found.bytes + found.alone for found in flow.values())
        cycles[f"bytes from {cache.source}"] = count / cache.rate
    times = tuple((name, count / facts.gigahertz * 1e-9) for name, count in cycles.items())
    bound, seconds = max(times, key=lambda item: item[1])
    size = sum(f.bytes for f in nest.whole.values())
    into = tuple((c.name, {b: found.bytes for b, found in flow.items()}) for c, flow in flows)
    totals = tuple((name, float(sum(found.values()))) for name, found in into)
    names = {leaf.block for leaf, _ in work}
    recomputed = tuple((f, name) for f, name in again if f > 1 and name in names)
    return Part(nest, Cost(flops, size, seconds, bound, totals, times), into, recomputed)


def total_cost(parts: list[Part]) -> Cost:
    """The costs of parts that run one after the other, as one. Arrays of several count once."""
    costs = [part.cost for part in parts]
    sizes: dict[Buffer, int] = {}
    for part in parts:
        for buffer, found in part.nest.whole.items():
            sizes[buffer] = max(sizes.get(buffer, 0), found.bytes)
    longest = max(costs, key=lambda c: c.seconds)
    return Cost(
        sum(c.flops for c in costs),
        sum(sizes.values()),
        sum(c.seconds for c in costs),
        longest.bound,
        _added([c.moved for c in costs]),
        _added([c.times for c in costs]),
    )


def _added(rows: list[tuple[tuple[str, float], ...]]) -> tuple[tuple[str, float], ...]:
    total: dict[str, float] = {}
    for row in rows:
        for name, count in row:
            total[name] = total.get(name, 0.0) + count
    return tuple(total.items())


def cost(program: Program, facts: Facts | None = None) -> Cost:
    """What ``program`` costs on a machine, this one if ``facts`` is None."""
    return total_cost(parts_of(program, facts or this_machine()))


def _with_unit(count: float) -> str:
    """``count`` so that a unit may follow: ``"64 "`` and ``"4.19 M"``."""
    text = count_text(count)
    return text if " " in text else f"{text} "
