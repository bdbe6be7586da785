"""Calls whose failure the caller looks at, where others end the call or give NaN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..dtypes import boolean
from . import logic
from .broadcast import shape_of
from .elementwise import astype
from .index import getitem
from .insisting import insisted
from .moving import KNOWN

Failures = list[tuple[Exception, Any]]  # what has failed so far: errors, each with a traced bool
_Kinds = tuple[type[BaseException], ...]
# With what is noted and the loop or branch where that is possible; None where nobody looks.
_OPEN: ContextVar[tuple[Failures, _Kinds, Any] | None] = ContextVar("failures", default=None)


@contextmanager
def noting_failures(*kinds: type[BaseException]) -> Iterator[Failures]:
    """Inside, but not in loops and branches that become native there, errors of ``kinds`` are
    noted."""
    failures: Failures = []
    token = _OPEN.set((failures, kinds, KNOWN.get()))
    try:
        yield failures
    finally:
        _OPEN.reset(token)


def open_failures(kind: type[BaseException]) -> Failures | None:
    """Where an error of ``kind`` is to be noted; None where that is not asked for."""
    found = _OPEN.get()
    if found is None or found[2] is not KNOWN.get() or not issubclass(kind, found[1]):
        return None
    return found[0]


def note_failure(arrays: Sequence[Any], result: Any, core: int, sentence: str) -> None:
    """Note whether a result of ``core`` axes, a batch of them, begins with NaN though what it is
    made from is finite; `mlc.ops.linalg.library` refuses such with ``sentence``."""
    from .reduce import all as all_of
    from .reduce import any as any_of

    failures = open_failures(np.linalg.LinAlgError)
    assert failures is not None
    first = getitem(result, (..., *[0] * core))
    ndim = len(shape_of(first))
    wrong = logic.isnan(first)
    for array in arrays:
        axes = tuple(range(ndim, len(shape_of(array))))
        wrong = logic.logical_and(wrong, all_of(logic.isfinite(array), axis=axes))
    failures.append((np.linalg.LinAlgError(sentence), astype(any_of(wrong), dtype=boolean)))


def refuse_where(x: Any, bad: Any, sentence: str) -> Any:
    """``x``, for LAPACK; the call ends with ``sentence`` where an element of ``bad`` holds, or that
    is noted."""
    failures = open_failures(np.linalg.LinAlgError)
    if failures is None:
        return insisted(x, bad, error="LinAlgError", sentence=sentence)
    from .reduce import any as any_of

    failures.append((np.linalg.LinAlgError(sentence), astype(any_of(bad), dtype=boolean)))
    return x
