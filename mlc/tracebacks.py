"""Errors of a traced function as its author should see them."""

from __future__ import annotations

import re
import types
from collections import Counter
from collections.abc import Callable
from opcode import opmap
from pathlib import Path
from typing import Any

from .config import config
from .errors import (
    EndlessRecursionError,
    ExpressionBoolError,
    MlcError,
    OutsideArrayError,
    SourceLocation,
    TracerBoolError,
    is_user_frame,
    user_location,
)
from .tracer.tracer import Tracer

_PACKAGE = str(Path(__file__).parent)
_CALLS = str(Path(__file__).parent / "control" / "calls.py")


_CYTHON = ".pyx", ".pxd", ".pxi", "<stringsource>"  # files of frames that Cython shows
# How Cython begins to say that no code of a function is for the classes of its arguments.
_FUSED = "No matching signature found", "Function call with ambiguous argument types"
_REPEATS = 20  # how often a function of the user's stands on the stack before it is to blame
_TRACED = ("mlc", "numpy", "scipy")  # libraries that know of traced values, or are stood in for
_PLAIN = (
    TypeError, ValueError, AttributeError, IndexError, OverflowError, NotImplementedError,
)  # fmt: skip


def explained(problem: Exception, function: Callable[..., Any]) -> Exception:
    """``problem`` of tracing ``function`` as its author should see it: with the line it comes from,
    and with what to do about recursion and conditions that cannot become native."""
    if isinstance(problem, RecursionError) and not isinstance(problem, EndlessRecursionError):
        return _endless(problem)
    if isinstance(problem.__cause__, MlcError) and "setting an array element" in str(problem):
        return OutsideArrayError(
            "a traced value was stored in an array that was not made in the function; make the "
            "array with np.zeros or np.empty, or pass it as an argument", problem.__cause__.location
        ).with_traceback(problem.__traceback__)  # fmt: skip
    if not isinstance(problem, MlcError):
        return (
            _of_compiled(problem) or _of_library(problem, function) or _located(problem, function)
        )
    known = next(kind for kind in type(problem).__mro__ if kind.__module__ == MlcError.__module__)
    if known is not type(problem) and known is not MlcError:  # not by a name nobody has heard of
        made = known(problem.message, problem.location)
        made.__cause__ = problem.__cause__
        return made.with_traceback(problem.__traceback__)
    if not isinstance(problem, TracerBoolError) or isinstance(problem, ExpressionBoolError):
        return problem
    from .control.convert import has_source

    if has_source(function):
        return problem
    name = getattr(function, "__name__", "the function")
    made = TracerBoolError(
        f"{problem.message}; the source of {name} is not at hand (it comes from exec, a prompt or "
        f"a compiled file), so its loops and conditions are Python's: put it in a file, or use "
        f"mlc.cond and mlc.while_loop", problem.location,
    )  # fmt: skip
    return made.with_traceback(problem.__traceback__)


def _frames(error: BaseException) -> list[types.TracebackType]:
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames


def _place(frame: types.TracebackType) -> SourceLocation:
    code = frame.tb_frame.f_code
    return SourceLocation(code.co_filename, frame.tb_lineno, code.co_name)


def _endless(problem: RecursionError) -> Exception:
    """The same for a function that calls itself while it is traced, if it does."""
    theirs = [frame for frame in _frames(problem) if is_user_frame(frame.tb_frame)]
    counts = Counter(frame.tb_frame.f_code for frame in theirs)
    code, times = counts.most_common(1)[0] if counts else (None, 0)
    if code is None or times < _REPEATS:
        return problem
    last = next(frame for frame in reversed(theirs) if frame.tb_frame.f_code is code)
    return EndlessRecursionError(
        f"{code.co_name} calls itself without end while it is traced: nothing that is known then "
        f"ends it, and of a condition on traced values both sides are traced; write a loop, or "
        f"name the argument that ends it in static_argnames", _place(last),
    )  # fmt: skip


def _is_plain(problem: Exception) -> bool:
    return type(problem) in _PLAIN or type(problem).__name__ == "LinAlgError"


def _of_compiled(problem: Exception) -> Exception | None:
    """What is said of a function in C or Cython that refuses a traced value; None of other
    problems."""
    if type(problem) is not TypeError:
        return None
    frames, is_cython = _frames(problem), False
    while frames and frames[-1].tb_frame.f_code.co_filename.endswith(_CYTHON):
        frames.pop()
        is_cython = True
    while frames and frames[-1].tb_frame.f_code.co_filename == _CALLS:
        frames.pop()  # what stands for a function of Python's
    is_fused = is_cython and str(problem).startswith(_FUSED)
    if not is_fused and not re.search(rf"\b{Tracer.__name__}\b", str(problem)):
        return None
    if not frames or not is_user_frame(frames[-1].tb_frame):
        return None
    code, place = frames[-1].tb_frame.f_code, frames[-1].tb_lasti
    if code.co_code[place] == opmap["RAISE_VARARGS"]:
        return None
    return OutsideArrayError(
        f"a traced value was passed to a function that is compiled elsewhere, which says: "
        f"{problem}; call it outside of the jitted function, or write it in NumPy's functions",
        _place(frames[-1]),
    ).with_traceback(problem.__traceback__)  # fmt: skip


def _of_library(problem: Exception, function: Callable[..., Any]) -> Exception | None:
    """What is said of a library's function in Python that refuses a traced value, which its error
    shows; None of other problems."""
    frames = _frames(problem)
    if type(problem) not in (TypeError, ValueError) or not frames:
        return None
    name = frames[-1].tb_frame.f_code.co_filename
    parted = re.search(r"/site-packages/(\w+)", name)
    if parted is None or parted[1] in _TRACED or name.startswith(_PACKAGE):
        return None
    code = getattr(function, "__code__", None)
    if code is not None and parted[0] in code.co_filename:  # it is of that library, too
        return None
    if not re.search(r"\btraced \w+\[", str(problem)):
        return None
    callers = [f for f in frames if "/site-packages/" not in f.tb_frame.f_code.co_filename]
    theirs = [frame for frame in callers if is_user_frame(frame.tb_frame)]
    return OutsideArrayError(
        f"a traced value was passed to a function of {parted[1]}, which says: {problem}; "
        f"call it outside of the jitted function, or write it in NumPy's functions",
        _place(theirs[-1]) if theirs else user_location(),
    ).with_traceback(problem.__traceback__)  # fmt: skip


def _name_object(problem: Exception, function: Callable[..., Any]) -> None:
    """Say of a method that was not given enough where its object belongs: in ``m.f.lower(x)`` the
    name ``lower`` is that of the function, which knows of no ``m``."""
    name = getattr(function, "__qualname__", "")
    owner, _, short = name.rpartition(".")
    if not owner or owner.endswith("<locals>") or not problem.args:
        return
    kind = owner.rpartition(".")[2]
    if str(problem.args[0]).startswith(f"{name}() missing"):
        problem.args = (
            f"{problem.args[0]}; {short} is a method, whose object is the first argument of all "
            f"but calls: {kind}.{short}.lower(the_object, ...)",
        )


def _located(problem: Exception, function: Callable[..., Any]) -> Exception:
    """An error of Python's or NumPy's with the user's line, where it was raised beyond that."""
    frames = _frames(problem)
    if not _is_plain(problem) or not frames or is_user_frame(frames[-1].tb_frame):
        return problem
    _name_object(problem, function)
    theirs = [frame for frame in frames if is_user_frame(frame.tb_frame)]
    where = _place(theirs[-1]) if theirs else user_location()
    match problem.args:
        case (str(message),) if where is not None and "\n  at " not in message:
            problem.args = (f"{message}\n  at {where}",)
    return problem


def trimmed(error: BaseException) -> types.TracebackType | None:
    """The traceback of an error in the user's function without our frames: the user's line is last.

    Debug mode keeps them all, and so does an error that may be a mistake of ours.
    """
    frames = _frames(error)
    traceback: types.TracebackType | None = None
    theirs = [f for f in frames if not f.tb_frame.f_code.co_filename.startswith(_PACKAGE)]
    is_clear = isinstance(error, MlcError) or frames[-1] in theirs
    if config.debug or not is_clear:
        return error.__traceback__
    for frame in reversed(theirs):
        traceback = types.TracebackType(traceback, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return traceback
