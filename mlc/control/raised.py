"""Errors that Python raises while a native loop or branch is traced, which the data may not enter.

::

    if x.sum() > 3:                   Both sides are traced, whatever the data are. That 7 % 0
        return 7 % len(names)    ->   raises there says only that the call is to raise the same
    return x                          if the data come there: native code notes it (`failing`).

What we refuse ourselves stays refused while tracing: nobody knows what NumPy would have done.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from opcode import opmap
from typing import Any

import numpy as np

from ..errors import BoundsError, MlcError, is_user_frame
from ..tracer.tracer import Tracer
from .around import AROUND
from .carry import UNDEFINED, NotNative, State, current
from .failing import note
from .plan import NothingThereError
from .tries import caught, is_tried

_NOT_THEIRS = (MlcError, Warning, StopIteration, StopAsyncIteration, RecursionError, MemoryError)
# What NumPy, lists, dicts and sets raise of values that are known while tracing.
_NUMPYS = (
    IndexError, KeyError, ValueError, ZeroDivisionError, OverflowError, FloatingPointError,
    np.linalg.LinAlgError,
)  # fmt: skip
_UNROLLED = (TypeError, ValueError, IndexError, NotImplementedError)
_SUBSCRIPT = opmap.get("BINARY_SUBSCR") or opmap["BINARY_OP"]  # to Python 3.13, and from 3.14
_STAND_INS = ("mlc.tracer", "mlc.control", "mlc.te", "mlc.ops")


def noting(body: Callable[..., None], state: State, met: list[Exception]) -> Callable[..., None]:
    """``body``, where an error of the user's own code is noted, appended to ``met``, and leaves the
    variables of ``state`` as they were before. That a variable has no value which iterations before
    would bind is no error: once it is known what they bind, the body is traced again."""

    def run(*args: Any) -> None:
        before, handled = state.get(), sys.exc_info()[1]
        try:
            body(*args)
        except Exception as error:
            around = AROUND.get()
            if isinstance(error, NameError) and error.name in around.asked and not around.unrolls:
                state.put(before)
                state.outcome.is_error = True
                return
            is_early = isinstance(error, NothingThereError)
            may_unroll = around.unrolls and isinstance(error, _UNROLLED) and not is_early
            says_value = _holds_traced(error)  # it has left a `try` around its `raise`
            is_end = isinstance(error, StopIteration) and is_tried()
            if not (says_value or is_end or _is_theirs(error, handled)):
                raise
            if is_tried():  # no handler is to take it before the branch has come to its end
                raise NotNative(caught(error)) from error
            if may_unroll:
                raise
            state.put(before)
            state.outcome.is_error = True
            met.append(error)
            if is_early:
                error = error.kind(*error.args)  # type: ignore[attr-defined]
            note((type(error), str(error)), error.with_traceback(None))

    return run


def ending(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, where an error that it ends with is noted if the run may meet others first."""

    def run(*args: Any, **kwargs: Any) -> Any:
        handled = sys.exc_info()[1]
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not (current().errors and _is_theirs(error, handled)):
                raise
            note((type(error), str(error)), error.with_traceback(None))
            return None

    return run


def attempted(value: Callable[[], Any]) -> tuple[Any, bool]:
    """What ``value()`` is, and whether it raises an error of the user's own code instead."""
    handled = sys.exc_info()[1]
    try:
        return value(), False
    except Exception as error:
        if not _is_theirs(error, handled):
            raise
        return UNDEFINED, True


def agree(*met: list[Exception]) -> bool:
    """Whether no two bodies of a statement both raise: then neither leaves anything."""
    return sum(map(bool, met)) < 2


def _is_theirs(error: Exception, handled: BaseException | None) -> bool:
    """Whether Python would raise ``error``, too: it comes from code of the user's, or of NumPy's
    that it calls, and no traced value is to blame. ``handled`` is an error from before, such as
    that of a loop that is unrolled since it cannot be native."""
    if isinstance(error, BoundsError):  # an index that is known, and outside
        return True
    if isinstance(error, _NOT_THEIRS) or not (isinstance(error, _NUMPYS) or _is_from_user(error)):
        return False
    reason = error.__cause__ or error.__context__
    if reason is not handled and isinstance(reason, MlcError) or _holds_traced(error):
        return False
    match error:
        case KeyError():
            return not _is_own_lookup(error)
        case NameError():
            return getattr(error, "name", None) not in AROUND.get().names
        case AttributeError():
            return not type(getattr(error, "obj", None)).__module__.startswith("mlc.")
        case TypeError():
            return not set(re.findall(r"\w+", str(error))) & _names_of_ours()
    return True


def _is_own_lookup(error: Exception) -> bool:
    """Whether ``error`` comes from a subscript in our own code, which is to find what it asks for:
    what stands for a dict of the user's calls methods, or says ``raise``."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    code, module = traceback.tb_frame.f_code, traceback.tb_frame.f_globals.get("__name__", "")
    return module.startswith("mlc.") and code.co_code[traceback.tb_lasti] == _SUBSCRIPT


def _holds_traced(error: Exception) -> bool:
    """Whether ``error`` is one of the user's own that says what a traced value is."""
    traced = any(isinstance(arg, Tracer) for arg in error.args)
    return traced and not isinstance(error, _NOT_THEIRS)


def _is_from_user(error: Exception) -> bool:
    files: list[str] = []
    traceback = error.__traceback__
    while traceback is not None:
        is_users = is_user_frame(traceback.tb_frame)
        files = [] if is_users else [*files, traceback.tb_frame.f_code.co_filename]
        traceback = traceback.tb_next
    return all("/numpy/" in name and "/mlc/" not in name for name in files)


def _names_of_ours() -> set[str]:
    """What the classes are called that stand in for arrays, numbers and ranges."""
    found: set[str] = set()
    for name, module in list(sys.modules.items()):
        if name.startswith(_STAND_INS):
            found |= {k for k, v in vars(module).items() if isinstance(v, type) and
                      v.__module__ == name}  # fmt: skip
    return found
