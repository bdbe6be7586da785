"""The native loops around what is traced now, as far as errors in them ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from typing import Any

from ..records import dataclass, replace


@dataclass(frozen=True, eq=False)
class Around:
    """``names`` are variables that may have no value yet only because iterations before would bind
    them; ``asked`` collects those that were read without one. ``unrolls`` says that unrolling may
    do instead of a native loop."""

    names: frozenset[str] = frozenset()
    unrolls: bool = False
    asked: set[str] = field(default_factory=set)


_NOTHING = Around()
AROUND: ContextVar[Around] = ContextVar("loops", default=_NOTHING)


@contextmanager
def _within(**changes: Any) -> Iterator[None]:
    token = AROUND.set(replace(AROUND.get(), **changes))
    try:
        yield
    finally:
        AROUND.reset(token)


def in_loop(names: Iterable[str]) -> Any:
    """Inside, iterations before may bind ``names``."""
    return _within(names=AROUND.get().names.union(names))


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
