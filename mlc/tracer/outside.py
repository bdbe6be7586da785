"""Why a traced value cannot become one of NumPy's arrays, and what to do instead: told by who asks
for one."""

from __future__ import annotations

from types import FrameType
from typing import Any

import numpy as np

from ..errors import OutsideArrayError
from .asking import is_subscript

# By the module of NumPy's that asks. Its classes keep arrays of their own, which C fills.
_OF_MODULES = {
    "numpy.ma": "np.ma keeps masked arrays, which cannot be traced; hold the mask beside the "
    "array: x[~mask].mean(), np.where(mask, 0, x).sum() and np.nanmean(x) can be",
    "numpy.matrixlib": "np.matrix has rules of its own that cannot be traced; use arrays of two "
    "axes, with @ for products",
    "numpy.rec": "arrays with fields cannot be traced; hold each field in an array of its own",
    "numpy.polynomial": "numpy.polynomial takes traced points, and coefficients that are known "
    "while tracing; of traced coefficients use np.polyval(c[::-1], x), np.polyfit and np.roots, "
    "or write the sum",
}
_ALIASES = {"numpy.core.records": "numpy.rec", "numpy._core.records": "numpy.rec"}


def outside_error(text: str, frame: FrameType) -> OutsideArrayError:
    """The error for the traced value that prints as ``text``, of which ``frame`` wants an array."""
    module = str(frame.f_globals.get("__name__"))
    name = _ALIASES.get(module, ".".join(module.split(".")[:2]))
    if name in _OF_MODULES:
        return OutsideArrayError(f"{text} cannot become a NumPy array: {_OF_MODULES[name]}")
    if is_subscript(frame):
        if any(_has_fields(value) for value in frame.f_locals.values()):
            return OutsideArrayError(
                f"{text} cannot be stored in a NumPy array with fields: {_OF_MODULES['numpy.rec']}"
            )
        return OutsideArrayError(
            f"a NumPy array that was not made in the function is indexed with {text}, and "
            f"Python asks NumPy for that alone; write np.array(table)[i], np.take(table, i), "
            f"or pass the array as an argument"
        )
    return OutsideArrayError(
        f"{text} cannot become a NumPy array while tracing: it was stored in an array that "
        f"was not made in the function, or passed to a function that is not traced; make the "
        f"array with np.zeros or np.empty, or pass it as an argument"
    )


def _has_fields(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.names is not None
