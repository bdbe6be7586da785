"""What stands in a ``try``, of which the data decide whether it ends with an error."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..ops.attempts import noting_failures
from ..ops.op import CURRENT
from .calls import call
from .tries import classes_of

itruediv, ifloordiv = operator.itruediv, operator.ifloordiv
imod, ipow = operator.imod, operator.ipow


def attempt(function: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
    """What ``function`` makes, whether NumPy or SciPy would have refused it, and the error that
    would be raised; see `attempts`."""
    module = str(getattr(function, "__module__", ""))
    if CURRENT.get() is None or not module.startswith(("numpy", "scipy.linalg")):
        return call(function)(*args, **kwargs), False, None
    with noting_failures(np.linalg.LinAlgError) as failures:
        made = call(function)(*args, **kwargs)
    return made, *_failed(failures)


def tried(value: Callable[[], Any], *kinds: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """What ``value`` is, whether Python would have raised an error of ``kinds`` instead, and that
    error; see `attempts`."""
    if CURRENT.get() is None:
        return value(), False, None
    with noting_failures(*classes_of(kinds)) as failures:
        made = value()
    return made, *_failed(failures)


def _failed(failures: Sequence[tuple[Exception, Any]]) -> tuple[Any, Any]:
    if not failures:
        return False, None
    return reduce(np.logical_or, [failed for _, failed in failures]), failures[0][0]
