"""NumPy's functions that leave NaN out, for complex arrays; a number is NaN if a part is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.statistics import degrees_of_freedom
from ..dispatch import call_function
from .calls import as_complex, check_kept, converted, key_of, stands_for
from .ordering import extreme


def _instead(function: Any, value: int) -> Callable[..., Any]:
    """``function`` with ``value`` in the place of NaN."""

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        kept = np.where(np.isnan(a), np.dtype(key_of(a)).type(value), a)
        return call_function(function, (kept, *args), kwargs)

    return call


for _function, _nan_function, _value in (
    (np.sum, np.nansum, 0), (np.prod, np.nanprod, 1),
    (np.cumsum, np.nancumsum, 0), (np.cumprod, np.nancumprod, 1),
):  # fmt: skip
    stands_for(_nan_function)(_instead(_function, _value))


def _counted(a: Any, axis: Any, keepdims: Any, where: Any) -> tuple[Any, Any]:
    """(which elements count, how many of them there are)."""
    keep = ~np.isnan(a) & where
    return keep, np.sum(keep, axis=axis, keepdims=keepdims)


@stands_for(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
            *, where: Any = True) -> Any:  # fmt: skip
    """np.nanmean; NaN where nothing is left."""
    a = a if dtype is None else converted(a, np.dtype(dtype))
    keep, count = _counted(a, axis, keepdims, where)
    total = np.sum(np.where(keep, a, a.dtype.type(0)), axis=axis, keepdims=keepdims)
    return total / count.astype(total.real.dtype)


@stands_for(np.nanvar)
def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
           keepdims: Any = False, *, where: Any = True, mean: Any = None,
           correction: Any = None) -> Any:  # fmt: skip
    """np.nanvar; NaN where no degree of freedom is left."""
    kept = check_kept("nanvar", a, dtype)
    a = a if dtype is None else converted(a, np.dtype(dtype))
    keep, count = _counted(a, axis, keepdims, where)
    middle = nanmean(a, axis, keepdims=True, where=where) if mean is None else mean
    apart = np.where(keep, a - middle, a.dtype.type(0))
    squares = np.sum(apart.real**2 + apart.imag**2, axis=axis, keepdims=keepdims)
    freedom = count - degrees_of_freedom(ddof, correction)
    found = squares / np.where(freedom > 0, freedom, 1).astype(squares.dtype)
    found = np.where(freedom > 0, found, found.dtype.type(np.nan))
    return found if kept is None else converted(found, kept)


@stands_for(np.nanstd)
def nanstd(a: Any, axis: Any = None, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    """np.nanstd."""
    return np.sqrt(nanvar(a, axis, dtype, *args, **kwargs))


@stands_for(np.nanmax)
def nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
           where: Any = True) -> Any:  # fmt: skip
    """np.nanmax; NaN where all are."""
    return extreme(np.fmax, as_complex(a), axis, keepdims, initial, where)


@stands_for(np.nanmin)
def nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
           where: Any = True) -> Any:  # fmt: skip
    """np.nanmin; NaN where all are."""
    return extreme(np.fmin, as_complex(a), axis, keepdims, initial, where)
