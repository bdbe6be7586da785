"""What shows texts at each call: ``print``, ``sys.stdout.write``, `logging` and `warnings`."""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import TracedPrintError, user_frame
from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT
from ..tracer.sinks import Log, Sink, Stream, Warn
from ..tracer.trace import PRINTING
from .texts import formatted

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "fatal": 50}


def _prints() -> bool:
    """Whether compiled code prints; TracedPrintError where it does not yet, and can."""
    trace: Any = CURRENT.get()
    if trace is None or PRINTING.get() is False:
        return False
    if trace.prints is None:
        raise TracedPrintError
    return True


def _show(text: str, sink: Sink) -> None:
    trace: Any = CURRENT.get()
    trace.prints.note(text, sink)


def print_(
    *values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None,
    flush: bool = False, **others: Any,
) -> None:  # fmt: skip
    """``print``: by compiled code, at each call, where it goes to the standard streams."""
    is_wrong = others or not all(part is None or isinstance(part, str) for part in (sep, end))
    if is_wrong or file not in (None, sys.stdout, sys.stderr) or not _prints():
        builtins.print(*values, sep=sep, end=end, file=file, flush=flush, **others)
        return
    text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
    _show(text, Stream(file is sys.stderr and file is not sys.stdout, flush))


def _write(write: Callable[[str], Any], is_errors: bool, text: str) -> Any:
    """``sys.stdout.write(text)``."""
    if not isinstance(text, str) or not _prints():
        return write(text)
    _show(text, Stream(is_errors, False))
    return len(text)


def _log(log: Callable[..., Any], logger: Any, level: Any, message: Any, *values: Any) -> None:
    """``logger.info(message, *values)``."""
    if not isinstance(level, int) or not logger.isEnabledFor(level):
        return
    if not _prints():
        log(message, *values)
        return
    given = values[0] if len(values) == 1 and isinstance(values[0], dict) else values
    _show(formatted(str(message), given) if values else str(message), Log(logger.name, level))


def _logging(function: Any, owner: Any) -> Callable[..., Any] | None:
    logging, name = sys.modules["logging"], function.__name__
    logger = logging.getLogger() if owner is None else owner
    if name not in _LEVELS or not isinstance(logger, logging.Logger):
        return None

    def run(message: Any, *values: Any, **options: Any) -> None:
        if options.keys() - {"stacklevel", "extra"}:
            function(message, *values, **options)
        else:
            _log(function, logger, _LEVELS[name], message, *values)

    return run


def showing_form(function: Any, owner: Any) -> Callable[..., Any] | None:
    """What to call in the place of ``function``, of ``owner``, where that shows texts."""
    if (owner is sys.stdout or owner is sys.stderr) and function.__name__ == "write":
        return partial(_write, function, owner is not sys.stdout)
    if getattr(function, "__module__", None) == "logging":
        return _logging(function, owner)
    return None


def warned(message: Any, category: Any = None, stacklevel: int = 1, **options: Any) -> None:
    """``warnings.warn``: by compiled code, at each call, under conditions on traced values."""
    if CURRENT.get() is None or not is_inside_loop():
        warnings.warn(message, category, stacklevel + 1, **options)
    elif _prints():
        if isinstance(message, Warning):
            message, category = str(message), type(message)
        frame = user_frame() or sys._getframe(1)
        where = frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__", "")
        _show(str(message), Warn(category or UserWarning, *where))


INSTEAD: dict[Any, Any] = {builtins.print: print_, warnings.warn: warned}
