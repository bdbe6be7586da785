"""What asks which complex number is greater, equal or missing: extremes, medians, sets, NaN."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

from .comparison import check

GROUPS: dict[str, Callable[[Any], Any]] = {
    "clip": lambda a: (
        np.clip(a, -1, 1), a.clip(-1j, 1 + 1j), np.clip(a, None, 0), np.clip(a, a_min=0.5,
        a_max=None),
    ),
    "places of extremes": lambda a: (
        np.argmax(a), np.argmax(a, 0), a.argmin(1), np.argmin(a, axis=1, keepdims=True),
        a.argmax(axis=-1), np.argmax(a, keepdims=True),
    ),
    "extremes": lambda a: (
        np.max(a, initial=2j), np.max(a, axis=0, initial=1, where=a.real > 0),
        np.min(a, 1, where=a.imag > 0, initial=3 + 1j), np.maximum.reduce(a, initial=0),
        np.ptp(a), np.ptp(a, axis=0, keepdims=True), np.max(a[:0], axis=0, initial=1j),
    ),
    "order": lambda a: (
        np.sort(a), np.partition(a[0], 1)[1], a[0][np.argpartition(a[0], 2)][2], np.median(a),
        np.sort(np.partition(a, 2, axis=0)[:2], axis=0), np.median(a, axis=0),
        np.median(a, axis=1, keepdims=True), np.median(a, axis=(0, 1)), np.sort_complex(a),
    ),
    "without NaN": lambda a: (
        np.nansum(a), np.nansum(a, axis=0), np.nanprod(a, axis=1), np.nancumsum(a),
        np.nancumsum(a, axis=1), np.nancumprod(a, axis=0), np.nanmean(a), np.nanmean(a, axis=0),
        np.nanvar(a), np.nanvar(a, axis=1, ddof=1), np.nanstd(a, axis=0, keepdims=True),
        np.nanmax(a), np.nanmin(a, axis=0), np.nanmax(a, axis=1), np.nanvar(a, axis=0, ddof=9),
    ),
    "distinct": lambda a: (
        np.unique(a), *np.unique(a, return_index=True, return_inverse=True, return_counts=True),
        *np.unique_all(a), np.sort(np.unique_values(a)), np.unique(a, equal_nan=False),
    ),
    "sets": lambda a: (
        np.isin(a, a[0]), np.isin(a, [1, 1j], invert=True), np.union1d(a[0], a[1]),
        np.intersect1d(a[0], a[1]), np.setdiff1d(a[0], a[1]), np.setxor1d(a[0], a[1]),
        np.union1d(a[0], a[1].real), np.isin(a.real, a[1]),
        np.setdiff1d(a[0], a[1], assume_unique=True),
        np.intersect1d(a, a[:0], return_indices=True)[2],
    ),
    "sinc": lambda a: (np.sinc(a), np.sinc(a * 0)),
}  # fmt: skip


def ties(dtype: str, *, missing: bool) -> np.ndarray[Any, Any]:
    """Small whole numbers, so that many are equal; some have a NaN part."""
    rng = np.random.default_rng(3)
    array = (rng.integers(-2, 3, (4, 5)) + 1j * rng.integers(-2, 3, (4, 5))).astype(dtype)
    if missing:
        array.flat[1], array.flat[-2] = complex(np.nan, 1), complex(1, np.nan)
    return array


@pytest.mark.parametrize("missing", [False, True], ids=["numbers", "NaN"])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("group", GROUPS)
def test_as_numpy(group: str, dtype: str, missing: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(GROUPS[group], ties(dtype, missing=missing))


def test_numbers_of_no_axes_are_ordered_as_one() -> None:
    check(lambda a: (np.argsort(a, axis=0), np.argsort(a, kind="stable")), np.array(6 - 8j))


def test_room_for_distinct_numbers_is_filled() -> None:
    def function(a: Any) -> Any:
        return mlc.numpy.unique(a, size=4, fill_value=9j), mlc.numpy.unique_counts(a, size=4)

    filled, (values, counts) = mlc.jit(function)(np.array([1j, 0, 1j, 2]))
    np.testing.assert_array_equal(filled, [0, 1j, 2, 9j])
    np.testing.assert_array_equal(values, [0, 1j, 2, 0])
    np.testing.assert_array_equal(counts, [1, 2, 1, 0])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a: np.max(a[:0]), "zero-size array to reduction operation maximum which has no"),
        (lambda a: np.max(a, where=a.real > 0), "'maximum' does not have an identity"),
        (lambda a: np.argmax(a[:0]), "np.argmax of an empty sequence"),
        (lambda a: np.partition(a, 7), "kth=7 is out of bounds for an axis of 3 elements"),
    ],
)
def test_refused(function: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mlc.jit(function)(np.array([1j, 2, 3]))


def many(dtype: str) -> np.ndarray[Any, Any]:
    """A long row of which many real parts are equal, with zeros of both signs, infinities and all
    kinds of NaN."""
    rng = np.random.default_rng(5)
    numbers = [-np.inf, -2.5, -0.0, 0.0, 1.0, 3.5, np.inf]
    row = rng.choice(numbers, 2100) + 0j
    row.imag = rng.choice([*numbers, *rng.standard_normal(50)], 2100)
    row[:3] = complex(np.nan, 1), complex(-2, np.nan), complex(np.nan, np.nan)
    row[1100:1102] = complex(np.nan, -1), complex(-3, np.nan)
    return row.astype(dtype)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_long_rows_are_parted_at_places(dtype: str) -> None:
    row, places = many(dtype), (3, 700, 2097)
    parted, order = mlc.jit(lambda a: (np.partition(a, places), np.argpartition(a, places)))(row)
    assert sorted(order) == list(range(row.size))
    for found in (parted, row[order]):
        bounds = [0, *places, row.size]
        for begin, end in itertools.pairwise(bounds):
            np.testing.assert_array_equal(np.sort(found[begin:end]), np.sort(row)[begin:end])
            np.testing.assert_array_equal(found[begin], np.sort(row)[begin])
    check(np.median, row[5:1000])


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_extremes_of_long_rows_are_the_first(dtype: str) -> None:
    rows = np.stack([many(dtype), many(dtype)[::-1]])
    check(lambda a: (np.argmax(a, axis=1), np.argmin(a), np.nanmax(a, axis=1)), rows)
    check(lambda a: (np.argmin(a, axis=0), np.max(a, axis=(0, 1))), rows.T[4:900])
