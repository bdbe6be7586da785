"""Programs for grids of threads that stand for others, and the numbers in them that schedules may
choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..records import dataclass

if TYPE_CHECKING:
    from .program import Program

MOST_SHARED = 99 << 10  # bytes of shared memory that a block has on every card, Hopper's and older


@dataclass(frozen=True)
class Knob:
    """A number that a :class:`Grid` leaves open: one of ``options``, ``default`` where nobody
    chooses."""

    name: str
    options: tuple[int, ...]
    default: int


@dataclass(frozen=True, eq=False)
class Grid:
    """What writes a program of the same meaning as another, over params of the same kinds, whose
    loops are bound to the blocks and threads of a grid.

    ``write`` takes a number for each of ``knobs`` by its name, which ``leaves_open`` says when it
    is asked. It raises :class:`mlc.errors.ScheduleError` where cards have no room for what the
    numbers ask for.
    """

    write: Callable[..., Program]
    leaves_open: Callable[[], tuple[Knob, ...]] = tuple

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The numbers that are left open."""
        return self.leaves_open()

    def problem(self, numbers: Mapping[str, int]) -> str | None:
        """What is wrong with some of the numbers, as a sentence; None if they may be chosen."""
        known = {knob.name: knob for knob in self.knobs}
        for name, value in numbers.items():
            if name not in known:
                there = ", ".join(known) or "none"
                return f"it leaves no number {name!r} open: those that it does are {there}"
            if value not in known[name].options:
                options = ", ".join(map(str, known[name].options))
                return f"{name} is one of {options}, got {value!r}"
        return None

    def written(self, numbers: Mapping[str, int] = {}) -> Program:
        """The program with ``numbers``, and the default ones for those that are not among them."""
        chosen = {knob.name: knob.default for knob in self.knobs}
        return self.write(**{**chosen, **{name: int(n) for name, n in numbers.items()}})


def asked_later(make: Callable[[], Grid]) -> Grid:
    """What ``make`` gives, which is called when a program or the open numbers are asked for."""
    return Grid(lambda **numbers: make().write(**numbers), lambda: make().knobs)


def knob(name: str, options: tuple[int, ...], default: int) -> Knob:
    """A knob whose default is one of its options, be it in ``options`` or not."""
    return Knob(name, tuple(sorted({*options, default})), default)
