"""Functions that call themselves under conditions that the data decide.

Both sides of such a condition are traced, and so a function that calls itself twice is traced
``2**depth`` times, which nobody would wait for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType
from typing import Any

from ..errors import EndlessRecursionError
from ..tracer.again import ENDLESS, NO_MACHINES, RECURSIVE, RecursionEndsNowhere
from .plan import current

MOST_CALLS = 8192  # that are traced under conditions of one another
MOST_DEEP_CALLS = 512  # the same, where they stand DEEP in each other
EARLY = 128  # after which the function is traced as a loop first, see `machines`
EARLY_DEEP = 10  # the same, of calls in each other
EARLY_BODIES = 96  # the same, of bodies of loops and branches that those calls had traced
_MOST_ENDLESS = 2  # such errors in one trace, of which others may have taken them for a refusal
DEEP = 14  # 2**DEEP calls, if each makes two

# The calls in the outermost branch around: of which code there are how many.
_CALLS: ContextVar[dict[Any, list[int]] | None] = ContextVar("calls", default=None)


@contextmanager
def counting_calls() -> Iterator[None]:
    """Inside, a branch is traced that the data choose."""
    if _CALLS.get() is not None:
        yield
        return
    token = _CALLS.set({None: [current().attempts]})
    try:
        yield
    finally:
        _CALLS.reset(token)


def note_call(code: CodeType) -> None:
    """A function of ``code`` is called; EndlessRecursionError where it has called itself so often
    under conditions on traced values that tracing would not end in time."""
    calls, name = _CALLS.get(), code.co_name
    if name in code.co_names or name in code.co_freevars:
        RECURSIVE.set((code.co_filename, name))
    if calls is None:
        return
    key = code.co_filename, code.co_firstlineno, code.co_name
    depth, frame = 0, sys._getframe(1)
    while frame is not None:
        found = frame.f_code
        if found.co_name == key[2] and found.co_firstlineno == key[1]:
            depth += found.co_filename == key[0]
        frame = frame.f_back  # type: ignore[assignment]
    if not depth:
        return
    count = calls.setdefault(key, [0, 0])
    count[0] += 1
    count[1] = max(count[1], depth)
    most = MOST_DEEP_CALLS if count[1] >= DEEP else MOST_CALLS
    is_early = not NO_MACHINES.get()
    if is_early:
        is_much = current().attempts - calls[None][0] > EARLY_BODIES
        most = 0 if depth > EARLY_DEEP or is_much else EARLY
    if count[0] <= most:
        return
    error = EndlessRecursionError(
        f"{code.co_name} calls itself under conditions that the data decide, of which both sides "
        f"are traced: {count[0]} calls up to now, up to {count[1]} in each other, and no end is "
        f"near; write it as a while loop over a list of what is left to do, which is native"
    )
    error.function = key[0], key[2]
    if is_early or ENDLESS.get() > _MOST_ENDLESS:
        raise RecursionEndsNowhere(error)
    ENDLESS.set(ENDLESS.get() + 1)
    raise error
