"""What is tried where a function cannot be traced: other ways to trace it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..errors import EndlessRecursionError, is_user_frame
from .drawing import with_known_draws
from .grown import (
    NamedTablesWanted,
    RowsWanted,
    with_named_tables,
    with_rows,
    with_rows_first,
    without_tables,
)
from .native_draws import NativeDrawsWanted, native_draws_first
from .shared_lists import with_lists_apart
from .sizes import MOST

Sizes = tuple[int, ...] | None
# Whether short loops are native, too: what data choose in them is chosen there.
ALL_NATIVE: ContextVar[bool] = ContextVar("whether all loops are native", default=False)
NOT_ALL_NATIVE: ContextVar[bool] = ContextVar("whether that was tried in vain", default=False)
# Whether loops over what is known stay Python's however long they take, and whether the last trace
# had one that did not.
UNHURRIED: ContextVar[bool] = ContextVar("unhurried", default=False)
HURRIED: ContextVar[bool] = ContextVar("hurried", default=False)


Key = tuple[str, str]  # file and name of a function
# Functions that call themselves, as loops over lists of what is left to do; whether none is to
# become one; and the last that was called in the trace and may call itself.
MACHINES: ContextVar[frozenset[Key]] = ContextVar("machines", default=frozenset())
NO_MACHINES: ContextVar[bool] = ContextVar("whether machines were tried in vain", default=False)
RECURSIVE: ContextVar[Key | None] = ContextVar("recursive", default=None)
ENDLESS: ContextVar[int] = ContextVar("errors of endless recursion in this trace", default=0)
_IS_INNER: ContextVar[bool] = ContextVar("whether other ways are tried already", default=False)
_REPEATS = 20  # how often a function stands on the stack before it is to blame


class RecursionEndsNowhere(BaseException):
    """Raised while tracing: a function calls itself too often, see ``error``. Nothing that users
    write should catch it, nor what tries another way."""

    def __init__(self, error: EndlessRecursionError) -> None:
        super().__init__(error)
        self.error = error


class AllNativeWanted(BaseException):
    """Raised while tracing: data choose how much there is in one iteration after the other of a
    short loop. Nothing that users write should catch it."""


# Ways to trace, raised to ask for them.
WANTED = RowsWanted, NamedTablesWanted, RecursionEndsNowhere, AllNativeWanted, NativeDrawsWanted


def begin_trace() -> None:
    """Forget what the trace before has noted."""
    RECURSIVE.set(None)
    ENDLESS.set(0)
    HURRIED.set(False)


def traced_again(error: Any, sizes: Sizes, again: Callable[[Sizes], Any]) -> Any:
    """What ``again(sizes)`` gives with other settings; raises ``error`` if none helps."""
    fresh = None if sizes is None else ()
    if isinstance(error, RowsWanted):
        return with_rows_first(lambda: again(fresh))
    if isinstance(error, NamedTablesWanted):
        return with_named_tables(lambda: again(fresh))
    if isinstance(error, NativeDrawsWanted):
        return native_draws_first(error, lambda: _with_native_loops(lambda: again(fresh)))
    if isinstance(error, AllNativeWanted):
        return _all_native_first(sizes, again)
    if isinstance(error, RecursionEndsNowhere):
        made = error.error
        return _with_machine(made, made.function, lambda: again(fresh), is_early=True)
    recursive = _recursive(error)
    if isinstance(error, RecursionError):
        return _with_machine(error, recursive, lambda: again(fresh))
    is_inner = _IS_INNER.get()
    token = _IS_INNER.set(True)
    try:
        return _unhurried(error, sizes, again) if HURRIED.get() else _otherwise(error, sizes, again)
    except Exception as last:
        if last is not error or recursive is None or is_inner:
            raise
        return _with_machine(error, recursive, lambda: again(fresh))
    finally:
        _IS_INNER.reset(token)


def _unhurried(error: Exception, sizes: Sizes, again: Callable[[Sizes], Any]) -> Any:
    """What ``again`` gives where loops over what is known are Python's to their ends."""
    token = UNHURRIED.set(True)
    try:
        return again(None if sizes is None else ())
    except Exception:
        raise error from error.__cause__
    finally:
        UNHURRIED.reset(token)


def _otherwise(error: Exception, sizes: Sizes, again: Callable[[Sizes], Any]) -> Any:
    fresh = None if sizes is None else ()
    try:
        return with_lists_apart(error, lambda: again(fresh))
    except Exception as last:
        if last is not error:
            raise
    if sizes is not None and len(sizes) >= MOST and not (ALL_NATIVE.get() or MACHINES.get()):
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


def _with_native_loops(again: Callable[[], Any]) -> Any:
    """What ``again()`` gives where short loops are native, if it gives anything there."""
    if ALL_NATIVE.get() or NOT_ALL_NATIVE.get():
        return again()
    token = ALL_NATIVE.set(True)
    try:
        return again()
    except Exception:
        pass  # short loops as they are may do
    finally:
        ALL_NATIVE.reset(token)
    return again()


def _all_native_first(sizes: Sizes, again: Callable[[Sizes], Any]) -> Any:
    token = ALL_NATIVE.set(True)
    try:
        return again(())
    except Exception:
        pass  # short loops as they are may do
    finally:
        ALL_NATIVE.reset(token)
    token = NOT_ALL_NATIVE.set(True)
    try:
        return again(sizes)
    finally:
        NOT_ALL_NATIVE.reset(token)


def _with_machine(
    error: Exception, key: Key | None, again: Callable[[], Any], is_early: bool = False
) -> Any:
    """What ``again()`` gives where the function of ``key``, which calls itself, is a loop; what it
    gives where more calls are traced, if that fails and ``error`` came early."""
    if key is None or key in MACHINES.get() or NO_MACHINES.get():
        raise error
    token = MACHINES.set(MACHINES.get() | {key})
    try:
        return again()
    except Exception:
        pass  # the error of the first trace says more
    finally:
        MACHINES.reset(token)
    if not is_early:
        raise error
    is_tried = NO_MACHINES.set(True)
    try:
        return again()
    finally:
        NO_MACHINES.reset(is_tried)


def _recursive(error: Exception) -> Key | None:
    """The function that calls itself, of which ``error`` may come."""
    if not isinstance(error, RecursionError):
        return RECURSIVE.get()
    if isinstance(error, EndlessRecursionError):
        return None
    counts: Counter[Key] = Counter()
    traceback = error.__traceback__
    while traceback is not None:
        if is_user_frame(traceback.tb_frame):
            code = traceback.tb_frame.f_code
            counts[code.co_filename, code.co_name] += 1
        traceback = traceback.tb_next
    key, times = counts.most_common(1)[0] if counts else (None, 0)
    return key if times >= _REPEATS else None
