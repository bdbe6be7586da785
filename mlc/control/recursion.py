"""Functions that call themselves under conditions that the data decide.

Both sides of such a condition are traced, and so a function that calls itself twice is traced
``2**depth`` times, which nobody would wait for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ..errors import EndlessRecursionError, is_user_code
from ..te.extent import Extent
from ..tracer.again import ENDLESS, NO_MACHINES, RECURSIVE, RecursionEndsNowhere
from ..tracer.complex.value import Complex
from ..tracer.concrete import known
from ..tracer.grown import is_arrays
from ..tracer.tracer import Tracer
from .plan import current

MOST_CALLS = 8192  # that are traced under conditions of one another
MOST_DEEP_CALLS = 512  # the same, where they stand DEEP in each other
EARLY = 128  # after which the function is traced as a loop first, see `machines`
EARLY_DEEP = 10  # the same, of calls in each other
EARLY_BODIES = 96  # the same, of bodies of loops and branches that those calls had traced
_MOST_ENDLESS = 2  # such errors in one trace, of which others may have taken them for a refusal
_ALIKE = 10  # calls in each other that differ in nothing that is known, of which no end is seen
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
    if (name in code.co_names or name in code.co_freevars) and is_user_code(code):
        RECURSIVE.set((code.co_filename, name))
    if calls is None:
        return
    key = code.co_filename, code.co_firstlineno, code.co_name
    around: list[FrameType] = []  # the calls of it that go on, the last one first
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found = frame.f_code
        if found.co_name == key[2] and found.co_firstlineno == key[1]:
            if found.co_filename == key[0]:
                around.append(frame)
        frame = frame.f_back
    depth = len(around)
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
    is_hopeless = not is_early and _goes_nowhere(code, around)
    if count[0] <= most and not is_hopeless:
        return
    if is_hopeless:
        reason = f"nothing that is known differs between {_ALIKE} calls in each other"
    else:
        reason = f"{count[0]} calls up to now, up to {count[1]} in each other, and no end is near"
    error = EndlessRecursionError(
        f"{code.co_name} calls itself under conditions that the data decide, of which both sides "
        f"are traced: {reason}; write it as a while loop over a list of what is left to do, which "
        f"is native"
    )
    error.function = key[0], key[2]
    if is_early or is_hopeless or ENDLESS.get() > _MOST_ENDLESS:
        raise RecursionEndsNowhere(error)
    ENDLESS.set(ENDLESS.get() + 1)
    raise error


def _goes_nowhere(code: CodeType, frames: Sequence[FrameType]) -> bool:
    """Whether nothing that is known while tracing differs between what the last calls of ``code``
    were given, of which there are many. Parts of it may stand in ``frames``, too."""
    names = _parameters(code)
    calls = [frame for frame in frames if _parameters(frame.f_code) == names]
    if not names or len(calls) < _ALIKE:
        return False
    found = ([_known_part(call.f_locals.get(n)) for n in names] for call in calls[:_ALIKE])
    first = next(found)
    return all(other == first for other in found)


def _parameters(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _known_part(value: Any) -> Any:
    """What tracing knows of ``value``, to compare."""
    if isinstance(value, Tracer | Complex):
        if known(value) is not value:
            return known(value).tolist()
        return tuple(-1 if isinstance(n, Extent) else n for n in value.shape)
    if isinstance(value, bool | int | float | complex | str | np.generic | None):
        return value
    if is_arrays(value):
        return type(value)
    if isinstance(value, list | tuple):
        return list(map(_known_part, value))
    return id(value)
