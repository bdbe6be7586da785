"""What a simulation says: findings as sentences, and a report of what was touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import SourceLocation

# Causes before what follows from them.
KINDS = (
    "bounds", "barrier", "race", "scope", "lanes", "input", "uninitialised", "order", "meaning",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that hardware would get wrong.

    ``kind`` is one of ``KINDS``; ``text`` a sentence without a full stop; ``location`` the user's
    line, if known.
    """

    kind: str
    text: str
    location: SourceLocation | None = None

    def __str__(self) -> str:
        return self.text if self.location is None else f"{self.text}\n    at {self.location}"


@dataclass(frozen=True)
class Report:
    """What one order of the iterations did. ``touched`` counts distinct elements per buffer (of
    the largest instance, where a buffer is allocated again and again), ``peak`` the bytes that are
    alive at once on one path through the program, per scope; parameters are global. ``unwritten``
    counts the elements of each output that keep what the caller's array held."""

    name: str
    orders: tuple[str, ...]
    reads: int
    writes: int
    barriers: int
    touched: Mapping[str, int]
    peak: Mapping[str, int]
    unwritten: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def accesses(self) -> int:
        """Reads and writes together."""
        return self.reads + self.writes

    def __str__(self) -> str:
        kinds = f"{_count(self.reads, 'read')}, {_count(self.writes, 'write')}"
        lines = [
            f"{self.name}: {_count(self.accesses, 'access')} ({kinds}), "
            f"{_count(self.barriers, 'barrier')}, orders {', '.join(self.orders)}"
        ]
        lines += [
            f"  {name}: {_count(count, 'element')} touched" for name, count in self.touched.items()
        ]
        lines += [
            f"  {name}: {_count(count, 'element')} unwritten"
            for name, count in self.unwritten.items()
        ]
        lines += [
            f"  {scope} memory: {_count(count, 'byte')}" for scope, count in self.peak.items()
        ]
        if self.findings:
            lines.append(f"  {_count(len(self.findings), 'finding')}:")
            lines += [f"  - {finding}" for finding in self.findings]
        return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    """``1 element``, ``2 elements``."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


@dataclass
class Findings:
    """The findings so far. Each ``key`` is told once: a defect shows at many elements."""

    found: dict[object, Finding] = field(default_factory=dict)

    def add(
        self, key: object, kind: str, text: str, location: SourceLocation | None = None
    ) -> None:
        """Notes a finding unless there is one with this ``kind`` and ``key``."""
        self.found.setdefault((kind, key), Finding(kind, text, location))

    def ordered(self) -> tuple[Finding, ...]:
        """All of them, causes first, otherwise as they were found."""
        return tuple(sorted(self.found.values(), key=lambda f: KINDS.index(f.kind)))
