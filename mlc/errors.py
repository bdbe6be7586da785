"""Every exception and warning that `mlc` raises on purpose.

All of them derive from :class:`MlcError`, so ``except mlc.MlcError`` catches exactly what the
compiler says about the user's program. Where Python or NumPy has a class for the same mistake, ours
derives from that too: ``except TypeError`` keeps working.
"""

from __future__ import annotations

import contextlib
import copy
import copyreg
import functools
import sys
import warnings
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from .records import dataclass

_PACKAGE = str(Path(__file__).parent)
_OTHERS = ("/numpy/", "/optree/", "/site-packages/hypothesis/")
_USERS: dict[str, bool] = {}  # whether a file is the user's own: every operator asks
_BETWEEN = frozenset({contextlib.__file__, copy.__file__, functools.__file__})


@dataclass(frozen=True)
class SourceLocation:
    """A line of the user's own code."""

    filename: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line} in {self.function}"


def user_location() -> SourceLocation | None:
    """The line of :func:`user_frame`, or None if there is none."""
    frame = user_frame()
    if frame is None:
        return None
    return SourceLocation(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def user_frame() -> FrameType | None:
    """The innermost frame outside `mlc`, NumPy, optree and what calls for others, or None if there
    is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        is_users = _USERS.get(frame.f_code.co_filename)
        if is_user_frame(frame) if is_users is None else is_users:
            return frame
        frame = frame.f_back
    return None


def is_user_frame(frame: FrameType) -> bool:
    """Whether the code of ``frame`` is the user's own: see `is_user_code`."""
    return is_user_code(frame.f_code)


def is_user_code(code: CodeType) -> bool:
    """Whether ``code`` is the user's own: of a file, or, ``<...>``, of a notebook's cell whose
    lines are at hand."""
    name = code.co_filename
    if name.startswith("<"):
        lines = sys.modules.get("linecache")
        return lines is not None and name in lines.cache
    is_users = _USERS.get(name)
    if is_users is None:
        ours = name.startswith(_PACKAGE) or any(part in name for part in _OTHERS)
        is_users = _USERS[name] = not ours and name not in _BETWEEN
    return is_users


def warn(message: str, kind: type[Warning]) -> None:
    """``warnings.warn`` at the line of :func:`user_frame`."""
    frame = user_frame()
    if frame is None:
        warnings.warn(message, kind, stacklevel=2)
        return
    names = frame.f_globals
    warnings.warn_explicit(
        message, kind, frame.f_code.co_filename, frame.f_lineno, names.get("__name__"),
        names.setdefault("__warningregistry__", {}),
    )  # fmt: skip


# Where Python's own statements run, what was raised: see :func:`swallowed`.
NOTED: ContextVar[list[MlcError] | None] = ContextVar("errors that handlers may take", default=None)


def swallowed(noted: list[MlcError]) -> MlcError | None:
    """The first of these errors that a handler of the user's has taken, as ``except Exception``
    does, though Python would not have raised it; None if there is none."""
    for error in noted:
        taken = error.__traceback__  # begins where it was taken
        if taken and not isinstance(error, BoundsError) and is_user_frame(taken.tb_frame):
            return error
    return None


# What tells texts of traced values apart (see `mlc.tracer.printing`): characters that are not seen.
EDGE, DIGITS = "\u2063", "\u200b\u200c\u200d\u2060"
_UNSEEN = dict.fromkeys(map(ord, EDGE + DIGITS))


def visible(text: str) -> str:
    """``text`` without what tells the traced values shown in it apart."""
    return text.translate(_UNSEEN) if EDGE in text else text


class MlcError(Exception):
    """Base class. The message ends with the user's file and line where one is known."""

    def __init__(self, message: str, location: SourceLocation | None = None) -> None:
        self.message = message = visible(message)
        self.location = location or user_location()
        super().__init__(message if self.location is None else f"{message}\n  at {self.location}")
        noted = NOTED.get()
        if noted is not None:
            noted.append(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy says the same place, and not its own besides."""
        return copyreg.__newobj__, (type(self), *self.args), dict(vars(self))  # type: ignore[attr-defined]


class ShapeError(MlcError, ValueError):
    """Shapes that do not fit together."""


class AxisError(ShapeError, np.exceptions.AxisError):
    """An axis that an array does not have."""

    def __init__(self, message: str, axis: int, ndim: int) -> None:
        super().__init__(message)
        self.axis, self.ndim = axis, ndim

    def __reduce__(self) -> tuple[Any, ...]:
        made, arguments, state = super().__reduce__()
        return made, arguments, state | {"axis": self.axis, "ndim": self.ndim}

    def __str__(self) -> str:
        return self.message if self.location is None else f"{self.message}\n  at {self.location}"


class DTypeError(MlcError, TypeError):
    """A dtype that an operator or a backend does not have."""


class ArgumentError(MlcError, TypeError):
    """An argument of the wrong kind, or one that is missing or left over."""


class TracerNumberError(ArgumentError):
    """A traced value where Python needs a number, which NumPy would give it."""


class DomainError(MlcError, ValueError):
    """Numbers that an operation is not defined for."""


class BoundsError(MlcError, IndexError):
    """An index outside its buffer, proven at compile time or met in debug mode; one that no array
    of that shape has."""


def refused(error: str, sentence: str, index: int, where: SourceLocation | None) -> Exception:
    """What compiled code raises where it refuses its data: see `ir.program.Program`."""
    message = sentence.format(index=index)
    kind = {"LinAlgError": np.linalg.LinAlgError, "ZeroDivisionError": ZeroDivisionError}.get(error)
    if kind is not None:
        return kind(message if where is None else f"{message}\n  at {where}")
    made: MlcError = globals()[error](message, where)
    return made


class UnsupportedError(MlcError, TypeError):
    """A NumPy function or a Python construct that cannot be traced."""


class ReadOnlyError(MlcError, ValueError):
    """A write to an array that cannot be written to, as NumPy's ValueError."""


class OutsideArrayError(UnsupportedError):
    """A traced value meets the memory of an array that is neither made in the function nor passed
    to it."""


class TracerBoolError(MlcError, TypeError):
    """A Python ``if``, ``while``, ``and``, ``or`` or ``not`` on a traced value."""


class ExpressionBoolError(TracerBoolError):
    """The same on a tensor expression: no source would make native code of such a condition."""


class HostStateError(BaseException):
    """The body of a loop does something else each time it is traced: the function is to be traced
    again, with Python's own loops. Nobody sees it: it is no Exception, so that the handlers of the
    user's let it pass, and `mlc.jit` catches it."""


class TracedRaiseError(BaseException):
    """An error would be raised under a condition on traced values: the function is to be traced
    again, with a flag in the place of such errors. No Exception, as :class:`HostStateError`."""


class TracedPrintError(BaseException):
    """A function prints: it is to be traced again, with what has compiled code print."""


class EndlessRecursionError(MlcError, RecursionError):
    """A function that calls itself, and that nothing ends which is known while tracing.

    ``function`` is the file and the name of it, where that is known.
    """

    function: tuple[str, str] | None = None


class TracerLeakError(MlcError, RuntimeError):
    """A traced value used outside the function call that made it."""


class ScheduleError(MlcError, ValueError):
    """A schedule step that was refused, with the rule it would break.

    ``refusal`` is a :class:`mlc.schedules.refusal.Refusal` with the counter-example, if one exists.
    """

    def __init__(
        self, message: str, location: SourceLocation | None = None, refusal: object = None
    ) -> None:
        super().__init__(message, location)
        self.refusal = refusal


class NotProvenError(ScheduleError):
    """A schedule step that could be neither proven nor refuted within the budget."""


class SimulationError(MlcError, RuntimeError):
    """What hardware would get wrong in a scheduled program.

    ``findings`` holds every :class:`mlc.simulator.Finding`; the message shows the first ones.
    """

    def __init__(
        self,
        message: str,
        location: SourceLocation | None = None,
        findings: tuple[object, ...] = (),
    ) -> None:
        super().__init__(message, location)
        self.findings = findings


class CompileError(MlcError, RuntimeError):
    """A bug of ours in a compiler stage; carries the text of the stage that failed."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class DeviceError(MlcError, RuntimeError):
    """A card or its driver refused something; the message names the kernel."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A card ran out of memory."""


class DeviceWarning(UserWarning):
    """A card does not do right what is made for its kind; what happens instead is said."""


class CacheWarning(UserWarning):
    """The disk cache could not be used; compilation went on without it."""


class TuningWarning(UserWarning):
    """A stored result of tuning could not be used, or not be kept; what happens instead is said."""
