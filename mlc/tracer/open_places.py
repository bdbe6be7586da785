"""More functions of arrays whose length only the running loop knows: elements at given places,
elements by bins, running folds, parts.

::

    np.take(x[:n], [0, 1])          ->      x[:n][[0, 1]], an error of the call where n < 2
    np.maximum.accumulate(x[:n])    ->      np.maximum.accumulate(whole)[:n]
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..ops.closing import closed
from .creation import arange_of
from .noting import note_error
from .open_forms import form, has_open_size, only_axis, sizes
from .open_lengths import _greatest, opened


@form(np.take)
def _taken(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    where = only_axis(a, axis) if has_open_size(a) else None
    if where is None or out is not None or mode not in ("raise", "clip", "wrap"):
        return NotImplemented
    n = sizes(a)[where]
    if isinstance(indices, (list, tuple)):
        indices = np.asarray(indices) if len(indices) else np.zeros(0, int)
    if mode == "wrap":
        indices = indices % np.maximum(n, 1)
    elif mode == "clip":
        indices = np.clip(indices, 0, np.maximum(n - 1, 0))
    key = (*(slice(None),) * where, indices)
    return a[key]


@form(np.choose)
def _chosen(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    if out is not None or mode != "raise" or not isinstance(choices, (list, tuple)):
        return NotImplemented
    *others, found = choices
    outside = np.logical_or(np.less(a, 0), np.greater_equal(a, len(choices)))
    note_error(np.any(outside), ValueError("invalid entry in choice array"))
    for number, choice in reversed(list(enumerate(others))):
        found = np.where(np.equal(a, number), choice, found)
    return found


@form(np.kron)
def _products(a: Any, b: Any) -> Any:
    if np.ndim(a) != 1 or np.ndim(b) != 1:
        return NotImplemented
    (n,), (k,) = sizes(a), sizes(b)
    places, width = arange_of(n * k), np.maximum(k, 1)
    return a[places // width] * b[places % width]


@form(np.histogram)
def _counted(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    if a.ndim != 1 or isinstance(bins, str):
        return NotImplemented
    a = a.astype(np.uint8) if a.dtype.kind == "b" else a
    if np.ndim(bins):  # what is beyond all edges is not counted
        a = a if a.dtype.kind == "f" else a.astype(np.float64)
        weights = closed(weights, fill=0) if has_open_size(weights) else weights
        return np.histogram(closed(a, fill=np.nan), bins, None, density, weights)
    if range is not None:
        return NotImplemented
    is_any = np.greater(sizes(a)[0], 0)
    ends = [np.min(a, initial=_greatest(a.dtype, np.inf)), np.max(a, initial=_least(a.dtype))]
    low, high = (np.where(is_any, end, end.dtype.type(n))[()] for n, end in enumerate(ends))
    if a.dtype.kind == "f":
        is_finite = np.logical_and(np.isfinite(low), np.isfinite(high))
        error = ValueError("autodetected range of the elements is not finite")
        note_error(np.logical_not(is_finite), error)
    return np.histogram(a, bins, (low, high), density, weights)


def _least(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


@form(np.array_split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if not isinstance(indices_or_sections, (int, np.integer)) or indices_or_sections < 1:
        return NotImplemented
    axis, count = int(axis) % ary.ndim, int(indices_or_sections)
    n = sizes(ary)[axis]
    each, more = n // count, n % count
    cuts = [k * each + np.minimum(k, more) for k in np.arange(count + 1).tolist()]
    keys = [(*(slice(None),) * axis, slice(*pair)) for pair in pairwise(cuts)]
    return [ary[key] for key in keys]


def accumulated(ufunc: np.ufunc, x: Any, *args: Any, **options: Any) -> Any:
    """``ufunc.accumulate`` of an array of open length: what comes first does not see the rest."""
    return opened(ufunc.accumulate(closed(x, fill=0), *args, **options), x._seen[1].shape)
