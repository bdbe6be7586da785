"""``np.testing.assert_allclose`` and its kin of traced arrays: as ``assert np.allclose(...)`` is.

Found by name when one is called, since nothing here imports ``numpy.testing``. Compiled code notes
that the arrays differ, and the call raises the AssertionError; its text names the function and
shapes, not the numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import user_location
from ..ops.op import leaves_of
from ..tracer.noting import note_error
from .forms import is_traced

MODULE = "numpy.testing._private.utils"


def _close(x: Any, y: Any, rtol: Any = 1e-7, atol: Any = 0, equal_nan: Any = True) -> Any:
    return np.isclose(x, y, rtol, atol, equal_nan)


def _equal(x: Any, y: Any, **_: Any) -> Any:
    same = np.equal(x, y)
    if x.dtype.kind in "fc" and y.dtype.kind in "fc":
        same = np.logical_or(same, np.logical_and(np.isnan(x), np.isnan(y)))
    return same


def _less(x: Any, y: Any, **_: Any) -> Any:
    return np.less(x, y)


def _almost(x: Any, y: Any, decimal: Any = 6, **_: Any) -> Any:
    return np.logical_or(_equal(x, y), np.less(np.abs(x - y), 1.5 * 10.0 ** (-decimal)))


def _nearly(x: Any, y: Any, decimal: Any = 7, **_: Any) -> Any:
    return _almost(x, y, decimal)


_HOLDS: dict[str, Callable[..., Any]] = {
    "assert_allclose": _close, "assert_array_equal": _equal, "assert_equal": _equal,
    "assert_array_less": _less, "assert_array_almost_equal": _almost,
    "assert_almost_equal": _nearly,
}  # fmt: skip


def assertion(function: Any) -> Callable[..., Any] | None:
    """What to call in the place of one of NumPy's assertions; None for other functions."""
    holds = _HOLDS.get(function.__name__)
    if holds is None or function.__module__ != MODULE:
        return None
    name = function.__name__

    def call(x: Any, y: Any, *args: Any, **options: Any) -> None:
        if not any(map(is_traced, leaves_of([x, y]))):
            return function(x, y, *args, **options)  # type: ignore[no-any-return]
        text = options.pop("err_msg", "")
        options.pop("verbose", None)
        is_strict = options.pop("strict", False)
        x, y = (part if is_traced(part) else np.asarray(part) for part in (x, y))
        where = user_location()
        said = f"np.testing.{name} does not hold{f': {text}' if text else ''}"
        said += "" if where is None else f"\n  at {where}"
        is_one = not is_strict and () in (np.shape(x), np.shape(y))
        if not is_one and np.shape(x) != np.shape(y) or is_strict and x.dtype != y.dtype:
            what = f"{np.shape(x)} {x.dtype} and {np.shape(y)} {y.dtype}"
            note_error(np.True_, AssertionError(f"{said}: the arrays are of {what}"))
            return
        note_error(np.logical_not(np.all(holds(x, y, *args, **options))), AssertionError(said))

    return call
