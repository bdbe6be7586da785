"""The native loops around what is traced now, as far as errors in them ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from typing import Any

from ..records import dataclass, replace
from ..tracer.again import ALL_NATIVE, MACHINES, NOT_ALL_NATIVE, AllNativeWanted
from .plan import current


@dataclass(frozen=True, eq=False)
class Around:
    """``names`` are variables that may have no value yet only because iterations before would bind
    them, kept in the cells with the numbers ``cells``; ``asked`` collects those that were read
    without one. ``unrolls`` says that unrolling may do instead of a native loop, and ``index`` is
    the number of its iteration, of which there are so many ``trips`` if that is known."""

    names: frozenset[str] = frozenset()
    cells: frozenset[int] = frozenset()
    unrolls: bool = False
    index: Any = None
    trips: int | None = None
    asked: set[str] = field(default_factory=set)


# How often the loops around, unrolled, repeat what is traced now.
REPEATS: ContextVar[int] = ContextVar("repeats", default=1)
_MANY = 1000  # where all loops are to be native
_ASKED = 3  # iterations of a loop
_NOTHING = Around()
AROUND: ContextVar[Around] = ContextVar("loops", default=_NOTHING)


def repeats() -> int:
    """How often what is traced now would stand in the code, for those who weigh that."""
    return REPEATS.get() * (_MANY if ALL_NATIVE.get() else 1)


def choosing(items: Iterable[Any], count: int) -> Iterator[Any]:
    """``items``, ``count`` of them, of a loop that is unrolled: AllNativeWanted where most of the
    first iterations have asked the data how much there is, and more are to come."""
    rooms, asked = current().rooms, 0
    is_open = not (rooms is None or ALL_NATIVE.get() or NOT_ALL_NATIVE.get() or MACHINES.get())
    for n, item in enumerate(items):
        before = len(rooms.counts) if is_open else 0
        yield item
        if is_open and len(rooms.counts) > before:
            asked += 1
            if asked == _ASKED and n + _ASKED < count:
                raise AllNativeWanted


@contextmanager
def _within(**changes: Any) -> Iterator[None]:
    token = AROUND.set(replace(AROUND.get(), **changes))
    try:
        yield
    finally:
        AROUND.reset(token)


def in_loop(variables: Mapping[str, int | None]) -> Any:
    """Inside, iterations before may bind ``variables``, each kept in the cell of that number."""
    around = AROUND.get()
    cells = {cell for cell in variables.values() if cell is not None}
    return _within(names=around.names.union(variables), cells=around.cells.union(cells))


def counted(index: Any, trips: int | None) -> Any:
    """Inside, an iteration with the number ``index`` is traced, one of ``trips``."""
    return _within(index=index, trips=trips)


def cell_of(read: Callable[[], Any], name: str) -> int | None:
    """The number of the cell that ``lambda: name`` reads; None for a variable without one."""
    code = read.__code__
    if name not in code.co_freevars or read.__closure__ is None:
        return None
    return id(read.__closure__[code.co_freevars.index(name)])


def may_unroll() -> Any:
    """Inside, errors that a traced index may be to blame for end the attempt to make a loop native:
    Python's own loop then shows whether they are raised."""
    return _within(unrolls=True)


def must_be_native() -> Any:
    """Inside, nothing is unrolled: a variable without a value is one that is bound later on."""
    return _within(unrolls=False)


@contextmanager
def asking() -> Iterator[set[str]]:
    """Collect the names of ``names`` that are read without a value."""
    asked: set[str] = set()
    try:
        with _within(asked=asked):
            yield asked
    finally:
        AROUND.get().asked.update(asked)
