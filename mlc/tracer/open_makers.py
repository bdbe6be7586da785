"""Arrays that are made by a size which only the running loop knows.

::

    np.linspace(a, b, len(w))       ->      a + np.arange(len(w)) * step, the last one b
    np.eye(len(w))                  ->      np.arange(len(w))[:, None] == np.arange(len(w))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.moving import range_bounds
from .concrete import all_known


def made_open(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``np.<name>(*args, **kwargs)``; NotImplemented where no size is open, or there is no form."""
    size_names, make = _MAKERS.get(name, ((), None))
    if make is None:
        return NotImplemented
    try:
        given = inspect.signature(make).bind(*args, **kwargs).arguments
    except TypeError:
        return NotImplemented
    sizes = [given[key] for key in size_names if given.get(key) is not None]
    if all_known(sizes) or any(range_bounds(0, size) is None for size in sizes):
        return NotImplemented
    return make(**given)


def _count(size: Any) -> Any:
    from .creation import arange_of

    return arange_of(size)


def _evenly(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    if np.ndim(start) or np.ndim(stop) or axis:
        return NotImplemented
    places = _count(num)
    divisor = np.maximum(num - 1 if endpoint else num, 1)
    step = (stop - start * 1.0) / divisor
    found = places.astype(getattr(step, "dtype", np.float64)) * step + start
    if endpoint:
        is_last = np.logical_and(places == num - 1, places > 0)
        found = np.where(is_last, stop, found)
    if dtype is not None:
        is_whole = np.issubdtype(dtype, np.integer)
        found = (np.floor(found) if is_whole else found).astype(dtype)
    return (found, step) if retstep else found


def _diagonal(
    N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: str = "C", **_: Any
) -> Any:
    columns = _count(N if M is None else M)
    return np.equal.outer(_count(N) + k, columns).astype(dtype)


def _identity(n: Any, dtype: Any = None, **_: Any) -> Any:
    return _diagonal(n, dtype=float if dtype is None else dtype)


def _below(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, **_: Any) -> Any:
    columns = _count(N if M is None else M)
    return np.greater_equal.outer(_count(N) + k, columns).astype(dtype)


def _window(shape: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A window of ``M`` points at the odd or even whole numbers from ``1 - M`` to ``M - 1``."""

    def window(M: Any) -> Any:
        return shape(2 * _count(M) + (1.0 - M), np.maximum(M - 1, 1))

    return window


def _hanning(n: Any, last: Any) -> Any:
    return 0.5 + 0.5 * np.cos(np.pi * n / last)


def _hamming(n: Any, last: Any) -> Any:
    return 0.54 + 0.46 * np.cos(np.pi * n / last)


def _blackman(n: Any, last: Any) -> Any:
    return 0.42 + 0.5 * np.cos(np.pi * n / last) + 0.08 * np.cos(2.0 * np.pi * n / last)


def _bartlett(n: Any, last: Any) -> Any:
    return np.where(n <= 0, 1 + n / last, 1 - n / last)


_MAKERS: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "linspace": (("num",), _evenly),
    "eye": (("N", "M"), _diagonal),
    "identity": (("n",), _identity),
    "tri": (("N", "M"), _below),
    "hanning": (("M",), _window(_hanning)),
    "hamming": (("M",), _window(_hamming)),
    "blackman": (("M",), _window(_blackman)),
    "bartlett": (("M",), _window(_bartlett)),
}
