"""Python's ``statistics`` and ``bisect`` over traced numbers.

Python adds exactly, NumPy rounds: results of floats may differ in the last digits.
"""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..tracer.creation import make
from ..tracer.grown import is_arrays
from ..tracer.number import python_number
from .forms import is_traced, while_loop

_Compute = Callable[..., Any]


def _values(data: Any) -> Any:
    """What NumPy folds, or None where nothing is traced."""
    if is_arrays(data) or is_traced(data):
        return data
    items = data if isinstance(data, Sequence) else list(data)
    return items if any(map(is_traced, items)) else None


def _array(values: Any) -> Any:
    return make("asarray", (values,), {})


def _of(function: Callable[..., Any], compute: _Compute, least: int = 1) -> _Compute:
    """``function`` of statistics, by ``compute`` of NumPy where numbers are traced."""
    name = function.__name__

    def call(data: Any, *args: Any, **options: Any) -> Any:
        data = data if isinstance(data, Sequence) or is_arrays(data) else _listed(data)
        values = _values(data)
        others = [_values(a) for a in args if isinstance(a, Sequence) or is_arrays(a)]
        if values is None and all(o is None for o in others):
            return function(data, *args, **options)
        if not is_arrays(data) and len(data) < least:
            return function([0.0] * len(data), *args, **options)  # raises its own error
        given = _array(data)
        if given.ndim != 1:
            raise TypeError(f"statistics.{name} takes numbers, and got arrays")
        found = compute(given, *args, **options)
        return python_number(found, float)

    return call


def _listed(data: Any) -> Any:
    return data if is_traced(data) else list(data)


def _floats(compute: _Compute, name: str) -> _Compute:
    """``compute`` of floats: of ints Python gives an int or a float, as the numbers are."""

    def run(values: Any, *args: Any, **options: Any) -> Any:
        if values.dtype.kind != "f":
            raise UnsupportedError(
                f"statistics.{name} of whole numbers that are traced is an int or a float, which "
                f"only they decide; use np.{_SAME.get(name, name)}, or make them floats first"
            )
        return compute(values, *args, **options)

    return run


_SAME = {"variance": "var(..., ddof=1)", "pvariance": "var", "median_low": "sort"}


def _weighted(values: Any, weights: Any = None) -> Any:
    return np.mean(values) if weights is None else np.average(values, weights=_array(weights))


def _spread(fold: Any, ddof: int) -> _Compute:
    def compute(values: Any, mean: Any = None) -> Any:
        if mean is None:
            return fold(values, ddof=ddof)
        squares = np.sum((values - mean) ** 2) / (values.shape[0] - ddof)
        return squares if fold is np.var else np.sqrt(squares)

    return compute


def _covariance(x: Any, y: Any) -> Any:
    y = _array(y)
    return np.sum((x - np.mean(x)) * (y - np.mean(y))) / (x.shape[0] - 1)


def _correlation(x: Any, y: Any) -> Any:
    return np.corrcoef(x, _array(y))[0, 1]


def _halving(a: Any, x: Any, low: Any, high: Any, is_left: bool) -> Any:
    """Python's search: the same halves, in whatever order the items are."""

    def halved(ends: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = ends
        middle = (low + high) // 2
        is_after = a[middle] < x if is_left else ~(x < a[middle])
        return np.where(is_after, middle + 1, low), np.where(is_after, high, middle)

    return python_number(while_loop(lambda ends: ends[0] < ends[1], halved, (low, high))[0], int)


def _place(function: Callable[..., Any], is_left: bool) -> _Compute:
    """``bisect.bisect_left`` or ``bisect_right``."""

    def call(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
        from .calls import call as called

        if key is not None and _values(a) is not None:
            a = [called(key)(item) for item in a]
        if not any(map(is_traced, (x, lo, hi))) and _values(a) is None:
            return function(a, x, lo, hi, key=key)
        if not is_traced(lo) and lo < 0:
            raise ValueError("lo must be non-negative")
        length = called(len)(a)
        if not is_traced(length) and not length:
            return lo
        return _halving(
            a if is_arrays(a) else _array(a), x, lo, length if hi is None else hi, is_left
        )

    return call


def _insort(function: Callable[..., Any]) -> _Compute:
    place = INSTEAD[_PLACES[function]]

    def call(a: Any, x: Any, lo: int = 0, hi: Any = None, *, key: Any = None) -> None:
        if not is_traced(x) and _values(a) is None:
            function(a, x, lo, hi, key=key)
        elif lo or hi is not None or key is not None:
            raise UnsupportedError(
                f"{function.__name__} of traced numbers takes no lo, hi or key; sort the list"
            )
        else:
            a.insert(place(a, x), x)

    return call


INSTEAD: dict[Any, Any] = {
    statistics.fmean: _of(statistics.fmean, _weighted),
    statistics.mean: _of(statistics.mean, _floats(np.mean, "mean")),
    statistics.median: _of(statistics.median, _floats(np.median, "median")),
    statistics.stdev: _of(statistics.stdev, _spread(np.std, 1), 2),
    statistics.pstdev: _of(statistics.pstdev, _spread(np.std, 0)),
    statistics.variance: _of(statistics.variance, _floats(_spread(np.var, 1), "variance"), 2),
    statistics.pvariance: _of(statistics.pvariance, _floats(_spread(np.var, 0), "pvariance")),
    statistics.covariance: _of(statistics.covariance, _covariance, 2),
    statistics.correlation: _of(statistics.correlation, _correlation, 2),
    bisect.bisect_left: _place(bisect.bisect_left, True),
    bisect.bisect_right: _place(bisect.bisect_right, False),
}  # what to call in the place of Python's functions
_PLACES = {bisect.insort_left: bisect.bisect_left, bisect.insort_right: bisect.bisect_right}
INSTEAD |= {function: _insort(function) for function in _PLACES}
