"""Why a step is refused: the broken rule, two iterations that break it, and what to do instead."""

from __future__ import annotations

from ..records import dataclass

_PLURAL = {"reads": "read", "writes": "write", "combines into": "combine into"}


@dataclass(frozen=True)
class Point:
    """One iteration and what it does: ``values`` are (loop or axis, value), outermost first;
    ``block`` is "" outside of blocks; ``action`` is "reads", "writes" or "combines into"."""

    block: str
    values: tuple[tuple[str, int], ...]
    action: str

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.values) or "the only iteration"


@dataclass(frozen=True)
class Witness:
    """Two iterations that touch the same element of a buffer; at least one of them changes it."""

    first: Point
    second: Point
    buffer: str
    element: tuple[int, ...]

    def __str__(self) -> str:
        place = f"{self.buffer}[{', '.join(map(str, self.element)) or '()'}]"
        a, b = self.first, self.second
        if a.action == b.action and a.block == b.block:
            return f"{_together(a, b)} both {_PLURAL[a.action]} {place}"
        first, second = (f"{p} of block {p.block!r}" if p.block else str(p) for p in (a, b))
        return f"{first} {a.action} {place}, {second} {b.action} it"


@dataclass(frozen=True)
class Refusal:
    """``rule`` is a sentence without a full stop; ``fix`` names a step that would make it legal.

    ``proven`` is False where neither legality nor a counter-example was found within the budget.
    """

    rule: str
    witness: Witness | None = None
    fix: str = ""
    proven: bool = True

    def __str__(self) -> str:
        parts = [self.rule]
        if self.witness is not None:
            parts.append(f": {self.witness}")
        if self.fix:
            parts.append(f"; {self.fix}")
        return "".join(parts)


def _together(a: Point, b: Point) -> str:
    """``k=0 and k=1``, with what both have in common left out."""
    differing = [(x, y) for x, y in zip(a.values, b.values, strict=False) if x != y]
    if len(a.values) != len(b.values) or not differing:
        return f"{a} and {b}"
    left = ", ".join(f"{name}={value}" for (name, value), _ in differing)
    right = ", ".join(f"{name}={value}" for _, (name, value) in differing)
    return f"{left} and {right}"
