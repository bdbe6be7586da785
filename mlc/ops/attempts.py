"""Calls of LAPACK whose failure the caller looks at, where others end the call."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from ..dtypes import boolean
from . import logic
from .broadcast import shape_of
from .elementwise import astype
from .index import getitem
from .insisting import insisted
from .reduce import all as all_of
from .reduce import any as any_of

# What has failed so far, each a sentence and a traced bool; None where failures end the call.
FAILURES: ContextVar[list[tuple[str, Any]] | None] = ContextVar("failures", default=None)


def note_failure(arrays: Sequence[Any], result: Any, core: int, sentence: str) -> None:
    """Note whether a result of ``core`` axes, a batch of them, begins with NaN though what it is
    made from is finite; `mlc.ops.linalg.library` refuses such with ``sentence``."""
    failures = FAILURES.get()
    assert failures is not None
    first = getitem(result, (..., *[0] * core))
    ndim = len(shape_of(first))
    wrong = logic.isnan(first)
    for array in arrays:
        axes = tuple(range(ndim, len(shape_of(array))))
        wrong = logic.logical_and(wrong, all_of(logic.isfinite(array), axis=axes))
    failures.append((sentence, astype(any_of(wrong), dtype=boolean)))


def refuse_where(x: Any, bad: Any, sentence: str) -> Any:
    """``x``, for LAPACK; the call ends with ``sentence`` where an element of ``bad`` holds, or that
    is noted."""
    failures = FAILURES.get()
    if failures is None:
        return insisted(x, bad, error="LinAlgError", sentence=sentence)
    failures.append((sentence, astype(any_of(bad), dtype=boolean)))
    return x
