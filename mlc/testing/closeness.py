"""Numbers that only rounding tells apart.

Errors at random never make two numbers equal, and never leave exactly 0 of a difference, while
another order of the same operations may; what is done with the numbers can depend on just that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np

DIFFERENCES = frozenset({"add", "sub", "iadd", "isub", "subtract"})
COMPARISONS = frozenset({
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
})  # fmt: skip
# Sums of what their arguments hold, or of products of it: those of absolute values say how large
# their terms are.
_SUMMED = frozenset({
    "sum", "nansum", "mean", "nanmean", "trace", "dot", "vdot", "inner", "matmul", "tensordot",
})  # fmt: skip
_RUNNING = frozenset({"cumsum", "cumulative_sum", "nancumsum"})
RAISED = "_mlc_raised_by_the_function"  # attribute of errors that the function itself ends with
_UNITS = 8.0  # in the last place of the larger number: both may be off by 4
_LEVEL = 32.0  # times as much is between what several operations have computed


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether its numbers are rounded: floats and complex numbers."""
    return dtype.kind in "fc" or dtype.name == "bfloat16"


def limits(dtype: np.dtype[Any]) -> Any:
    """``np.finfo``, of bfloat16 too."""
    if dtype.name != "bfloat16":
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


def met(one: Any, two: Any, unit: float = 0.0) -> Any:
    """``one``, equal to ``two`` where no more than a few units in the last place are between them.
    A ``unit`` says what the last place is worth at least."""
    if not (_is_rounded(one) or _is_rounded(two)):
        return one
    wide = complex if np.iscomplexobj(one) or np.iscomplexobj(two) else float
    with np.errstate(all="ignore"):
        a, b = np.asarray(one).astype(wide), np.asarray(two).astype(wide)
        bound = _UNITS * max(unit, _eps(one), _eps(two)) * np.maximum(np.abs(a), np.abs(b))
        near = np.asarray((np.abs(a - b) <= bound) & (a != b) & np.isfinite(bound))
    if not near.any():
        return one
    try:
        dtype: Any = np.result_type(one, two)
    except np.exceptions.DTypePromotionError:  # bfloat16 and int64, which NumPy compares as these
        dtype = wide
    return np.where(near, np.asarray(two).astype(dtype), np.asarray(one).astype(dtype))


def level(rows: Any, is_by_row: bool, unit: float = 0.0) -> Any:
    """``rows`` of observations (columns, if not ``is_by_row``), each all equal where no more than
    the errors of some operations are between them."""
    if not isinstance(rows, np.ndarray) or not rows.ndim or not rows.size or not _is_rounded(rows):
        return rows
    unit = _LEVEL * max(unit, _eps(rows))
    first = rows[..., :1] if is_by_row or rows.ndim == 1 else rows[:1]
    flat = met(rows, np.broadcast_to(first, rows.shape), unit)
    axis = -1 if is_by_row or rows.ndim == 1 else 0
    return np.where((flat == first).all(axis=axis, keepdims=True), flat, rows)


def cancelled(name: str, one: Any, two: Any, found: Any, unit: float = 0.0) -> Any:
    """``found``, the sum or difference ``name`` of ``one`` and ``two``, with zeros where nothing
    but errors is left."""
    if not _is_rounded(found):
        return found
    other = np.asarray(two).astype(np.asarray(found).dtype)
    other = -other if "add" in name else other
    with np.errstate(all="ignore"):
        none = np.equal(met(one, other, unit), other) & np.isfinite(found)
    if not none.any():
        return found
    if not hasattr(found, "dtype"):
        return type(found)(0)
    made = np.where(none, 0, found).astype(found.dtype)
    return made if isinstance(found, np.ndarray) else made[()]


def steps_cancelled(x: Any, axis: int, found: Any, unit: float = 0.0) -> Any:
    """``found``, np.diff of ``x``, with zeros where nothing but errors is left."""
    if not isinstance(x, np.ndarray):
        return found
    along = np.moveaxis(x, axis, 0)
    made = cancelled("sub", along[1:], along[:-1], np.moveaxis(found, axis, 0), unit)
    return np.moveaxis(made, 0, axis)


def scattered(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], found: Any, source: Any
) -> Any:
    """``found``, what ``function`` sums, with errors of any size and sign, drawn from ``source``,
    where its terms cancel and nothing but errors is left: which of two such sums is the larger one,
    and whether one is positive, is as the order of the terms makes it."""
    if function.__name__ not in _SUMMED or not _is_rounded(found) or kwargs.get("out") is not None:
        return found
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ndarray):
        function = getattr(_magnitudes(owner), function.__name__)
    with np.errstate(all="ignore"):
        sizes = function(*map(_magnitudes, args), **kwargs)
        rest = np.asarray(np.abs(found) <= _UNITS * _eps(found) * sizes)
        rest &= np.asarray((found != 0) & np.isfinite(sizes))
    if not rest.any():
        return found
    errors = source.choice([-1.0, 1.0], rest.shape) * 2.0 ** -source.uniform(0, 12, rest.shape)
    made = np.where(rest, found * errors, found).astype(found.dtype)
    return made if isinstance(found, np.ndarray) else made[()]


def single(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What ``function`` sums in bfloat16, summed in float32 and rounded once, as NumPy does
    float16: term after term, so few digits lose a part of each. So it is of running sums in
    float16. None for other sums."""
    owner = getattr(function, "__self__", None)
    given = [a for a in (owner, *args) if isinstance(a, np.ndarray)]
    is_running = function.__name__ in _RUNNING or function == np.add.accumulate
    if not (is_running or function.__name__ in _SUMMED) or kwargs.keys() - {"axis"} or not given:
        return None
    dtype = given[0].dtype
    is_narrow = dtype == ml_dtypes.bfloat16 or is_running and dtype == np.float16
    if not is_narrow or any(a.dtype != dtype for a in given):
        return None
    if isinstance(owner, np.ndarray):
        function = getattr(owner.astype(np.float32), function.__name__)
    wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(over="ignore"):
        return np.asarray(function(*wide, **kwargs)).astype(dtype)[()]


def _magnitudes(value: Any) -> Any:
    is_rounded = isinstance(value, np.ndarray) and is_inexact(value.dtype)
    return np.asarray(np.abs(value)) if is_rounded else value  # which keeps its methods


def _is_rounded(value: Any) -> bool:
    """Whether ``value`` is a number that is rounded, or an array of such."""
    if isinstance(value, (np.ndarray, np.generic)):
        return is_inexact(value.dtype)
    return type(value) in (float, complex)


def _eps(value: Any) -> float:
    """The relative error of ``value``'s type; none of what is exact."""
    if not _is_rounded(value):
        return 0.0
    return float(limits(value.dtype).eps if hasattr(value, "dtype") else np.finfo(float).eps)
