"""What predictions need to know of a processor: sizes that it tells, and rates that are assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

LINE_BYTES = 64  # what caches move at a time


class _Footprint(Protocol):
    @property
    def lines(self) -> int: ...
    def crowded(self, sets: int) -> int: ...


Footprints = Mapping[Any, _Footprint]


@dataclass(frozen=True)
class Cache:
    """``sets`` is the number of places that the address of a line chooses from; 1 where all lines
    can be anywhere. ``rate`` is in bytes per cycle from ``source``."""

    name: str
    size: int
    sets: int
    source: str
    rate: float

    def holds(self, found: Footprints) -> bool:
        """Whether all of ``found`` fits at once, and each of it into the sets it falls into."""
        return self.is_large_enough(found) and all(
            f.crowded(self.sets) <= self.size for f in found.values()
        )

    def is_large_enough(self, found: Footprints) -> bool:
        """Whether the lines of ``found`` are no more than there are in the cache."""
        return sum(f.lines for f in found.values()) <= self.size


@dataclass(frozen=True)
class Facts:
    """One core. Sizes are in bytes, rates in units per cycle.

    Sizes are the machine's own. Rates are those of a common server core, for the machine does not
    tell them: ``vector_ops`` and ``accesses`` (vector instructions), ``instructions``, and the
    bytes that come from one level into the next. ``latency`` is what an addition or a multiply-add
    takes until the next one can use its result, in cycles.
    """

    vector_bytes: int = 64
    registers: int = 32
    has_fma: bool = True
    l1: int = 32 << 10
    l2: int = 1 << 20
    l3: int = 32 << 20
    threads: int = 2
    gigahertz: float = 3.0
    vector_ops: float = 2.0
    accesses: float = 2.0
    instructions: float = 4.0
    latency: float = 4.0
    from_l2: float = 48.0
    from_l3: float = 24.0
    from_memory: float = 8.0

    @property
    def levels(self) -> tuple[Cache, ...]:
        """The caches, nearest first."""
        return (
            Cache("L1", self.l1, 64, "L2", self.from_l2),
            Cache("L2", self.l2, max(self.l2 // (16 * LINE_BYTES), 1), "L3", self.from_l3),
            Cache("L3", self.l3, 1, "memory", self.from_memory),
        )

    def level_of(self, found: Footprints) -> str:
        """The nearest memory that holds all of ``found``; with a star if a nearer one is large
        enough, but would have to keep it in few of its sets."""
        name = next((cache.name for cache in self.levels if cache.holds(found)), "memory")
        by_size = (cache.name for cache in self.levels if cache.is_large_enough(found))
        return name if next(by_size, "memory") == name else f"{name}*"

    def lanes(self, itemsize: int) -> int:
        """Elements of ``itemsize`` bytes in a vector register."""
        return max(self.vector_bytes // itemsize, 1)

    def __str__(self) -> str:
        sizes = ", ".join(f"{c.name} {bytes_text(c.size)}" for c in self.levels)
        return (
            f"{self.vector_bytes}-byte vectors, {self.registers} registers, {sizes}, "
            f"{self.gigahertz:.1f} GHz, threads: {self.threads}"
        )


@cache
def this_machine() -> Facts:
    """The facts of the processor that this process runs on."""
    from ..backends.llvm.target import host_target
    from ..runtime.threads import get_num_threads

    target = host_target()
    return Facts(
        vector_bytes=target.vector_bits // 8,
        registers=target.vector_registers,
        has_fma=target.has_fma,
        l1=target.l1_bytes,
        l2=target.l2_bytes,
        l3=target.l3_bytes,
        threads=get_num_threads(),
        gigahertz=_gigahertz(),
    )


def _gigahertz() -> float:
    """The highest clock rate the system tells of; 3 where it is silent."""
    try:
        folder = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
        return int(folder.read_text()) / 1e6
    except (OSError, ValueError):
        pass
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == "cpu MHz":
                    return float(value) / 1e3
    except (OSError, ValueError):
        pass
    return 3.0


def bytes_text(size: float) -> str:
    """``size`` bytes in the unit that suits: ``"64 KiB"``."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def count_text(count: float) -> str:
    """``count`` with a unit of thousands: ``"4.19 M"``."""
    for unit in ("", " k", " M", " G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g} T"


def time_text(seconds: float) -> str:
    """``seconds`` in the unit that suits."""
    for factor, unit in ((1e9, "ns"), (1e6, "us"), (1e3, "ms")):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
