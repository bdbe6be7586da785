"""``try`` statements around native code, which raises nothing that they could catch."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..errors import (
    DTypeError,
    HostStateError,
    MlcError,
    TracedRaiseError,
    TracerBoolError,
    TracerLeakError,
    TracerNumberError,
    UnsupportedError,
    is_user_frame,
)
from ..ops.caught import KINDS
from ..ops.op import CURRENT
from ..tracer.function import trace_function
from ..tracer.sizes import CountFailedError


def caught(error: BaseException) -> str:
    """Why native code cannot note ``error``."""
    return (
        f"{type(error).__name__} may be raised under a condition on traced values, with a try "
        f"statement around it that may catch it; check outside of the jitted function, or return a "
        f"flag"
    )


# What says that a function cannot be compiled, or that it is to be traced again.
_REFUSALS = (
    UnsupportedError, DTypeError, TracerBoolError, TracerLeakError, TracerNumberError,
    HostStateError, TracedRaiseError, CountFailedError,
)  # fmt: skip


def refusals(*kinds: Callable[[], Any]) -> tuple[type[BaseException], ...]:
    """What goes past handlers of ``kinds``, since NumPy would not raise it: the handler of a
    ``try`` is for errors of the function's own. One that names errors of mlc's gets all."""
    return () if any(issubclass(kind, MlcError) for kind in classes_of(kinds)) else _REFUSALS


def classes_of(kinds: Sequence[Callable[[], Any]]) -> tuple[type[BaseException], ...]:
    """What handlers of ``kinds`` catch, each of which gives a class or a tuple of them."""
    classes: list[type[BaseException]] = []
    for kind in kinds:
        try:
            found = kind()
        except Exception:  # which Python raises itself, at the handler that names it
            continue
        for each in found if isinstance(found, tuple) else (found,):
            if isinstance(each, type) and issubclass(each, BaseException):
                classes.append(each)
    return tuple(classes)


@contextmanager
def catching(*kinds: Callable[[], Any]) -> Iterator[None]:
    """Inside, errors of ``kinds`` are caught: stands around the body of a ``try``."""
    token = KINDS.set((*KINDS.get(), *classes_of(kinds)))
    try:
        yield
    finally:
        KINDS.reset(token)


def is_tried() -> bool:
    """Whether a ``try`` of the user's is around what is traced now, in any of the functions."""
    if KINDS.get():
        return True
    frame: FrameType | None = sys._getframe(1)
    inside: list[FrameType] = []
    count = 0  # of the frames up to the one that began the trace
    while frame is not None:
        if is_user_frame(frame):
            inside.append(frame)
        elif (
            frame.f_code is trace_function.__code__ and frame.f_locals.get("trace") is CURRENT.get()
        ):
            count = len(inside)
        frame = frame.f_back
    return any(map(_is_in_try, inside[:count]))


def _is_in_try(frame: FrameType) -> bool:
    """Whether a frame is in the body of a ``try``; ``with`` statements do not count."""
    code, at = frame.f_code, frame.f_lasti
    if not getattr(code, "co_exceptiontable", b"-"):
        return False
    steps = list(dis.get_instructions(code))
    if sys.version_info < (3, 11):
        return any(s.opname == "SETUP_FINALLY" and s.offset < at < s.argval for s in steps)
    places = {step.offset: n for n, step in enumerate(steps)}
    for entry in getattr(dis.Bytecode(code), "exception_entries", ()):
        if entry.start <= at < entry.end:
            names = [step.opname for step in steps[places[entry.target] :][:2]]
            if names[0] == "PUSH_EXC_INFO" and names[1:] != ["WITH_EXCEPT_START"]:
                return True
    return False
