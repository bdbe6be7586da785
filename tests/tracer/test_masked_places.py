"""Places that a traced mask names, the only axis of a number, and what known arrays share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.dtypes import bfloat16
from mlc.testing import check_against_numpy

X = np.array([[1, 5, 2], [3, -4, 9]])


def several(a: Any, b: Any) -> Any:
    np.add.at(a, b > 0, 2)
    np.multiply.at(a[1:], a[1:] < 5, 3)
    np.maximum.at(a, b[:, 0] < 3, b[0])
    np.subtract.at(a, (slice(None), a[0] > 1), 9)
    np.add.at(a, a > 3, b[a > 3])
    return a


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_masked_places_are_changed_once(dtype: str) -> None:
    check_against_numpy(several, X.astype(dtype), (X * 2).astype(dtype))


def single_masks(a: Any) -> Any:
    b = a * 2
    b[0, a[0, 0] > 0] = 7
    b[1, a[0, 0] > 1, 1:] = 8
    b[a[0, 1] > 4] += 1
    b[..., 0, a[1, 1] < 0] -= 5
    return b, a[0, a[0, 0] > 0].sum(), a[1, a[0, 0] > 1].sum(), a[0, a[1, 1] < 0].max()


def test_a_mask_of_no_axes_takes_all_of_the_rest_or_nothing() -> None:
    check_against_numpy(single_masks, X)


def test_a_mask_beside_places_that_may_be_met_twice_is_refused() -> None:
    def twice(a: Any) -> None:
        np.add.at(a, (a[:, 0] > 0, np.array([0, 0])), 1)

    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.jit(twice)(X)
    assert str(caught.value).startswith(
        "np.add.at with a traced mask beside other arrays cannot be traced: places may be met "
        "twice; use np.where or a loop"
    )


def test_the_only_axis_of_a_number() -> None:
    def along(a: Any) -> Any:
        folded = np.fmax.reduce(a, axis=0, keepdims=True), np.hypot.reduce(a, axis=-1)
        return folded, np.take(a, [0, 0], axis=0), np.repeat(a, 3, axis=0), np.take(a, 0, axis=-1)

    check_against_numpy(along, np.array(-3.0))


def test_known_arrays_that_are_not_copied_are_shared() -> None:
    def shared(x: Any) -> Any:
        ones = np.ones(3)
        same, other = ones.astype(float, copy=False), ones.astype(float)
        same[0], other[1] = x[0], 7
        rows = np.arange(3)
        rows.astype(rows.dtype, copy=False)[1] = 9
        return ones, rows

    check_against_numpy(shared, np.array([2.5]))


def test_one_element_of_bfloat16_is_a_number() -> None:
    x = np.array([1.5, -2.0], bfloat16.numpy)
    np.testing.assert_equal(mlc.jit(lambda x: x.item(1) + 0.25)(x), -1.75)


def where_chosen(a: Any) -> Any:
    left = a[a > -1]
    above = np.where(left > 1)[0]
    found = np.zeros(3)
    for i in mlc.range(3):
        part = a[a > i]
        found[i] = len(np.where(part > 4)[0]) + part[np.where(part < 9)[0]].sum()
    return above, left[above], found


def test_places_where_chosen_elements_hold_are_those_among_them() -> None:
    check_against_numpy(where_chosen, X)


def test_extremes_of_what_is_chosen_of_bfloat16() -> None:
    x = np.array([1.5, -2.0, 0.25], bfloat16.numpy)
    for function in (lambda x: (x[x > -1] * 2).max() < 4, lambda x: x[x < 1].min()):
        assert mlc.jit(function)(x) == function(x)
