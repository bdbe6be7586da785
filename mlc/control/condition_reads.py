"""What the condition of a while loop reads at places that the data choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..records import dataclass
from ..tracer.tracer import Tracer


@dataclass(frozen=True, eq=False)
class Read:
    """An item is read at ``place`` along ``axis``, which has the length ``size``."""

    place: Tracer
    axis: int
    size: int


_READS: ContextVar[list[Read] | None] = ContextVar("reads of a condition", default=None)


@contextmanager
def reading(found: list[Read] | None) -> Iterator[None]:
    """Collect in ``found`` what is read at traced places; with None, what is read only at times."""
    token = _READS.set(found)
    try:
        yield
    finally:
        _READS.reset(token)


def note_read(value: Any, key: Any) -> None:
    """``value[key]`` is computed."""
    found = _READS.get()
    if found is None or not isinstance(value, (Tracer, np.ndarray)):
        return
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > len(value.shape) or any(k is None or k is Ellipsis for k in keys):
        return
    for axis, (place, size) in enumerate(zip(keys, value.shape)):
        if isinstance(place, Tracer) and not place.shape and place.dtype.kind in "iu":
            if type(size) is int:
                found.append(Read(place, axis, size))
