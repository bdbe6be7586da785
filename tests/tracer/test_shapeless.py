"""Arrays of no axes: as indices, and as results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def written_row(x: Any, place: Any) -> Any:
    row = x[place]
    row += 1
    return row


def written_column(x: Any, place: Any) -> Any:
    column = x[:, place]
    np.minimum.accumulate(column, out=column)
    return column


def written_element(x: Any, place: Any) -> Any:
    one = x[0, ..., place]
    one[...] = 7
    return one


@pytest.mark.parametrize("dtype", ["f8", "c16"])
@pytest.mark.parametrize("place", [np.array(1), np.int64(1), 1], ids=["array", "scalar", "int"])
@pytest.mark.parametrize("function", [written_row, written_column, written_element])
def test_what_an_array_of_no_axes_picks_is_a_copy(function: Any, place: Any, dtype: str) -> None:
    if dtype == "c16" and function is written_column:
        pytest.skip("there is no complex minimum")
    x = np.arange(6).reshape(2, 3)[:, ::-1].astype(dtype)
    mine, theirs = x.copy(), x.copy()
    found, want = mlc.jit(function)(mine, place), function(theirs, place)
    assert np.array_equal(found, want)
    assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("tensordot", [np.tensordot, np.linalg.tensordot])
def test_a_product_of_all_axes_is_an_array(tensordot: Any) -> None:
    def function(x: Any) -> Any:
        product = tensordot(x, x, axes=1)
        view = product.reshape(-1).reshape(())
        view += 1
        return product

    for x in (np.array([1.0, 2.0]), np.array([1j, 2.0])):
        found = mlc.jit(function)(x)
        assert isinstance(found, np.ndarray)
        assert found == function(x)
