"""What is tried where a function cannot be traced: other ways to trace it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .drawing import with_known_draws
from .grown import RowsWanted, with_rows, with_rows_first, without_tables
from .shared_lists import with_lists_apart
from .sizes import MOST

Sizes = tuple[int, ...] | None
# Whether short loops are native, too: what data choose in them is chosen there.
ALL_NATIVE: ContextVar[bool] = ContextVar("whether all loops are native", default=False)


def traced_again(error: Exception | RowsWanted, sizes: Sizes, again: Callable[[Sizes], Any]) -> Any:
    """What ``again(sizes)`` gives with other settings; raises ``error`` if none helps."""
    fresh = None if sizes is None else ()
    if isinstance(error, RowsWanted):
        return with_rows_first(lambda: again(fresh))
    try:
        return with_lists_apart(error, lambda: again(fresh))
    except Exception as last:
        if last is not error:
            raise
    if sizes is not None and len(sizes) >= MOST and not ALL_NATIVE.get():
        token = ALL_NATIVE.set(True)
        try:
            return again(fresh)
        except Exception:
            pass  # the error of the first trace says more
        finally:
            ALL_NATIVE.reset(token)
    try:
        return with_known_draws(error, lambda: again(sizes))
    except Exception as last:
        if last is not error:
            raise
    try:
        return with_rows(error, lambda: again(fresh))
    except Exception as last:
        return without_tables(last, lambda: again(fresh))
