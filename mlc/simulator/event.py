"""Accesses: where they stand in the program, who makes them, and how two of them are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import SourceLocation
from ..ir.program import Buffer
from .task import Task

_PLURAL = {"reads": "read", "writes": "write", "combines into": "combine into"}


@dataclass(eq=False)
class Site:
    """A place in the program that accesses memory. ``values`` takes the loops' values from a
    frame; ``count`` says how often it ran."""

    buffer: Buffer
    action: str  # "reads", "writes" or "combines into"
    block: str
    location: SourceLocation | None
    names: tuple[str, ...]
    values: Callable[[list[Any]], tuple[int, ...]]
    count: int = 0

    def iteration(self, values: tuple[int, ...]) -> str:
        """``i=7, j=3``, and the block."""
        where = ", ".join(f"{n}={v}" for n, v in zip(self.names, values, strict=True))
        parts = [where] if where else []
        if self.block:
            parts.append(f"block {self.block!r}")
        return " of ".join(parts) or "the only iteration"


class Event(NamedTuple):
    """One access: who, where, and the values of the loops around it."""

    task: Task
    site: Site
    values: tuple[int, ...]


def element_text(buffer: Buffer, at: tuple[int, ...]) -> str:
    return f"{buffer.name}[{', '.join(str(int(i)) for i in at) or '()'}]"


def meeting(first: Event, second: Event, at: tuple[int, ...]) -> str:
    """``i=0 and i=1 both write C[0]``, with what both have in common left out."""
    a, b = first.site, second.site
    place = element_text(b.buffer, at)
    left = dict(zip(a.names, first.values, strict=True))
    right = dict(zip(b.names, second.values, strict=True))
    if a.action == b.action and a.block == b.block and a.names == b.names:
        names = [n for n in a.names if left[n] != right[n]]
        one = ", ".join(f"{n}={left[n]}" for n in names)
        two = ", ".join(f"{n}={right[n]}" for n in names)
        return f"{one} and {two} both {_PLURAL[a.action]} {place}"
    one, two = a.iteration(first.values), b.iteration(second.values)
    return f"{one} {a.action} {place}, {two} {b.action} it"
