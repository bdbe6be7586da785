"""Distinct complex numbers and sets of them, found by sorting; arrays of the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import DomainError
from ..dispatch import call_function
from ..operators import from_sequence
from ..shapeless import strong
from .calls import as_complex, converted, is_complex, key_of, lifted, parts_of, stands_for
from .ordering import argsort


def _array(value: Any) -> Any:
    """Any value, lists included, as a complex array."""
    return as_complex(lifted(from_sequence(value) if type(value) in (list, tuple) else value))


def _distinct(
    values: Any, keep: Any, equal_nan: bool, size: Any, fill_value: Any
) -> tuple[Any, Any, Any, Any]:
    """Of the 1-d ``values`` that ``keep`` (or None) marks: (the distinct ones in order, where each
    stood first, which one each place has, how often each is there).

    With ``size`` there is room for so many, and what is left has ``fill_value`` or the least one.
    """
    order = argsort(values) if is_complex(values) else np.argsort(values, kind="stable")
    if keep is not None:  # those that count come first, still in order
        order = order[np.argsort(~keep[order], kind="stable")]
    found = values[order]
    differ = found[1:] != found[:-1]
    if equal_nan:
        differ = differ & ~(np.isnan(found[1:]) & np.isnan(found[:-1]))
    begins = np.concatenate([np.ones(min(1, found.shape[0]), bool), differ])
    if keep is not None:
        begins = begins & keep[order]
    places = call_function(np.flatnonzero, (begins,), {"size": size})
    rank = np.cumsum(begins) - 1
    inverse = rank[np.argsort(order)]
    distinct = found[places]
    counts = np.bincount(rank, minlength=distinct.shape[0])[: distinct.shape[0]]
    if fill_value is not None:
        distinct = np.where(np.arange(distinct.shape[0]) < np.sum(begins), distinct, fill_value)
    return distinct, order[places], inverse, counts


def _distinct_along(a: Any, axis: int, size: Any, fill_value: Any) -> tuple[Any, Any, Any, Any]:
    """The same of the parts of ``a`` along ``axis``, ordered by their elements one after the other:
    those with a NaN part last."""
    parts = np.moveaxis(a, axis, 0)
    missing = 2 * np.isnan(parts.real) + np.isnan(parts.imag)
    keys = np.stack([missing.astype(parts.real.dtype), parts.real, parts.imag], axis=-1)
    rows = np.reshape(keys, (parts.shape[0], -1 if keys.size else 0))
    options = {"return_index": True, "return_inverse": True, "return_counts": True, "axis": 0}
    _, first, inverse, counts = call_function(np.unique, (rows,), {**options, "size": size})
    found = parts[first]
    if fill_value is not None:
        is_there = np.reshape(counts > 0, (counts.shape[0], *(1,) * (parts.ndim - 1)))
        found = np.where(is_there, found, fill_value)
    return np.moveaxis(found, 0, axis), first, inverse, counts


@stands_for(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: Any = None, *, equal_nan: bool = True, sorted: bool = True,
    size: Any = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """np.unique."""
    if axis is not None:
        values, first, inverse, counts = _distinct_along(ar, axis, size, fill_value)
        asked = (return_index, return_inverse, return_counts)
        more = [part for part, is_asked in zip((first, inverse, counts), asked) if is_asked]
        return (values, *more) if more else values
    values, first, inverse, counts = _distinct(np.ravel(ar), None, equal_nan, size, fill_value)
    found = [values]
    found += [first] if return_index else []
    found += [np.reshape(inverse, ar.shape)] if return_inverse else []
    found += [counts] if return_counts else []
    return tuple(found) if len(found) > 1 else values


def _of_array_api(name: str, kept: tuple[int, ...]) -> None:
    function = getattr(np, name)

    @stands_for(function)
    def named(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
        found = list(_distinct(np.ravel(x), None, False, size, fill_value))
        found[2] = np.reshape(found[2], x.shape)
        results = [found[n] for n in kept]
        # The type of NumPy's result; to ask for it takes time, since NumPy imports masked arrays.
        return type(function(np.zeros(1)))(*results) if len(results) > 1 else results[0]


_of_array_api("unique_values", (0,))
_of_array_api("unique_counts", (0, 3))
_of_array_api("unique_inverse", (0, 2))
_of_array_api("unique_all", (0, 1, 2, 3))


@stands_for(np.isin, *([np.in1d] if hasattr(np, "in1d") else []))
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
    kind: Any = None,
) -> Any:  # fmt: skip
    """np.isin, by comparing each with each; equality, so that NaN is in nothing."""
    if kind not in (None, "sort"):
        raise DomainError(f"np.isin of complex numbers: kind must be sort or none, got {kind!r}")
    x, tests = _array(element), _array(test_elements)
    found = np.any(x[..., None] == np.ravel(tests), axis=-1)
    return ~found if invert else found


def _both(ar1: Any, ar2: Any, dtype: np.dtype[Any]) -> list[Any]:
    return [converted(np.ravel(_array(value)), dtype) for value in (ar1, ar2)]


def _as_arrays(*values: Any) -> np.dtype[Any]:
    """The dtype of values of which numbers count as the arrays that NumPy makes of them."""
    return np.result_type(*(np.dtype(key_of(value)) for value in values))


@stands_for(np.union1d)
def union1d(ar1: Any, ar2: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    """np.union1d."""
    kinds = [key_of(value) for value in (ar1, ar2)]
    dtype = np.result_type(*(k(0) if isinstance(k, type) else k for k in kinds))
    both = np.concatenate(_both(ar1, ar2, dtype))
    return _distinct(both, None, True, size, fill_value)[0]


@stands_for(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False, *,
                size: Any = None, fill_value: Any = None) -> Any:  # fmt: skip
    """np.intersect1d."""
    left, right = _both(ar1, ar2, _as_arrays(ar1, ar2))
    if return_indices:
        found = _distinct(left, isin(left, right), True, size, fill_value)
        values, first, _, counts = found
        if not right.shape[0]:
            return values, first, np.zeros_like(first)
        alike = values[:, None] == right
        return values, first, np.where(counts > 0, np.argmax(alike, axis=1), 0)
    return _distinct(left, isin(left, right), True, size, fill_value)[0]


@stands_for(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None,
              fill_value: Any = None) -> Any:  # fmt: skip
    """np.setdiff1d: of the dtype of its first argument, which may be real."""
    left = np.ravel(_array(ar1) if is_complex(ar1) else strong(ar1))
    if assume_unique and size is None:  # nothing is sorted
        return left[isin(left, ar2, invert=True)]
    return _distinct(left, isin(left, ar2, invert=True), True, size, fill_value)[0]


@stands_for(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None,
             fill_value: Any = None) -> Any:  # fmt: skip
    """np.setxor1d: each side has but one NaN, and that is no member of the other."""
    sides, kept = _both(ar1, ar2, _as_arrays(ar1, ar2)), []
    for side, other in (sides, sides[::-1]):
        missing = np.isnan(side)
        kept.append(isin(side, other, invert=True) & (~missing | (np.cumsum(missing) == 1)))
    return _distinct(np.concatenate(sides), np.concatenate(kept), False, size, fill_value)[0]


@stands_for(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """np.array_equal."""
    if np.shape(a1) != np.shape(a2):
        return False
    same = np.equal(a1, a2)
    return np.all(same | np.isnan(a1) & np.isnan(a2) if equal_nan else same)


@stands_for(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """np.array_equiv: False at once for shapes that do not broadcast."""
    real, imaginary = zip(parts_of(a1), parts_of(a2), strict=True)
    return np.logical_and(np.array_equiv(*real), np.array_equiv(*imaginary))
