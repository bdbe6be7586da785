"""What while loops, and their conditions, read at places that the data choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import user_location
from ..records import dataclass
from ..tracer.tracer import Tracer


@dataclass(frozen=True, eq=False)
class Read:
    """An item is read at ``place`` along ``axis``, which has the length ``size``, if ``when``;
    ``where`` says in which line."""

    place: Tracer
    axis: int
    size: int
    when: Any = True
    where: str = ""


_READS: ContextVar[list[Read] | None] = ContextVar("reads of a condition", default=None)


@contextmanager
def reading(found: list[Read] | None) -> Iterator[None]:
    """Collect in ``found`` what is read at traced places; with None, what is read only at times."""
    token = _READS.set(found)
    try:
        yield
    finally:
        _READS.reset(token)


def joined(first: Any, test: Callable[[], Any], join: Callable[..., Any]) -> Any:
    """``join(first, test)``, which is ``first and test()``: what ``test`` reads counts where
    ``first`` holds."""
    outer = _READS.get()
    asked: list[list[Read]] = []

    def ask() -> Any:
        asked.append([])
        with reading(None if outer is None else asked[-1]):
            return test()

    holds = join(first, ask)
    if outer is not None and len(asked) == 1:  # else it became a branch of its own
        outer += [replace(read, when=first) for read in asked[0]]
    return holds


def note_read(value: Any, key: Any) -> None:
    """``value[key]`` is computed."""
    found = _READS.get()
    if found is None or not isinstance(value, (Tracer, np.ndarray)):
        return
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > len(value.shape) or any(k is None or k is Ellipsis for k in keys):
        return
    where = str(user_location() or "")
    for axis, (place, size) in enumerate(zip(keys, value.shape)):
        if isinstance(place, Tracer) and not place.shape and place.dtype.kind in "iu":
            if type(size) is int:
                found.append(Read(place, axis, size, where=where))
