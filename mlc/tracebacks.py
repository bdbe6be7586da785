"""Errors of a traced function as its author should see them."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .config import config
from .errors import ExpressionBoolError, MlcError, TracerBoolError

_PACKAGE = str(Path(__file__).parent)


def explained(problem: Exception, function: Callable[..., Any]) -> Exception:
    """An error about a condition, which could have become native in a function with source."""
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


def trimmed(error: BaseException) -> types.TracebackType | None:
    """The traceback of an error in the user's function without our frames: the user's line is last.

    Debug mode keeps them all, and so does an error that may be a mistake of ours.
    """
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    theirs = [f for f in frames if not f.tb_frame.f_code.co_filename.startswith(_PACKAGE)]
    is_clear = isinstance(error, MlcError) or frames[-1] in theirs
    if config.debug or not is_clear:
        return error.__traceback__
    for frame in reversed(theirs):
        traceback = types.TracebackType(traceback, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return traceback
