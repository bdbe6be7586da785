"""Errors that depend on the data, where NumPy raises and native code cannot."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MlcError, TracedRaiseError, user_location
from ..ops.op import CURRENT


def note_error(condition: Any, error: Exception) -> None:
    """Let compiled code note that ``condition``, a traced boolean, held: the call raises ``error``
    if it was the first one. What is computed in the meantime is of no account.

    Raises :class:`mlc.errors.TracedRaiseError` where the trace keeps no such note yet: the function
    is then traced again.
    """
    trace: Any = CURRENT.get()
    if trace.failure is None:
        raise TracedRaiseError
    error = _located(error)
    number, _ = trace.errors.setdefault((type(error), str(error)), (len(trace.errors) + 1, error))
    noted: Any = trace.failure
    noted[...] = np.where((noted == 0) & condition, np.int32(number), noted)


def _located(error: Exception) -> Exception:
    """``error`` with the user's line, unless it names one, as those of ours do."""
    where, text = user_location(), str(error)
    if not where or "\n  at " in text or isinstance(error, MlcError):
        return error
    return type(error)(f"{text}\n  at {where}")
