"""Values of no axes: which are arrays, that are written to, and which are scalars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlc


def seen(x: Any) -> Any:
    t = np.piecewise(x, [x > 0], [1, -1])
    real = np.real(t)
    t.T[...] += real
    return real, t


def selected(x: Any) -> Any:
    t = np.select([x > 0], [x], 2)
    same = t.reshape(1)
    same[0] += 1
    return t


def test_piecewise_and_select_of_a_number_make_arrays_that_views_share() -> None:
    for number in (3, -3):
        assert mlc.jit(seen)(number) == seen(number)
        assert mlc.jit(selected)(number) == selected(number)


def test_the_elements_of_a_scalar_are_not_written_to() -> None:
    def into_sum(x: Any) -> Any:
        total = np.sum(x)
        total.flat[::2] = 200
        return total

    def into_argument(x: Any) -> Any:
        x.flat[...] = 200
        return x * 1

    for dtype in (float, complex):
        with pytest.raises(mlc.MlcError, match="is a scalar"):
            mlc.jit(into_sum)(np.ones(3, dtype))
    x = np.array(3.0)
    assert mlc.jit(into_argument)(x) == 200
    assert x == 200


def test_views_of_scalars_are_not_written_to() -> None:
    def through(x: Any) -> Any:
        total = x.sum()
        total.T[...] += total
        return total

    with pytest.raises(mlc.ArgumentError, match="is a scalar, as NumPy's sums and elements are"):
        mlc.jit(through)(np.arange(4.0))

    def apart(x: Any) -> Any:
        total = x.sum()
        row = total.reshape(1)
        row += 1
        return total, row

    total, row = mlc.jit(apart)(np.arange(4.0))
    assert (total, row[0]) == (6.0, 7.0)


@pytest.mark.parametrize("whole", [math.floor, math.ceil])
def test_whole_parts_of_wide_integers_go_by_floats(whole: Any) -> None:
    for value in (np.int64(2**62 + 1), np.int64(-(2**62) + 1), np.uint64(2**53 + 1)):
        assert mlc.jit(lambda x: whole(x))(value) == whole(value) != int(value)
        assert mlc.jit(lambda x: whole(x.sum()))(np.array([value])) == whole(value)
    assert mlc.jit(lambda x: whole(x))(2**62 + 1) == 2**62 + 1


def test_truths_are_not_rounded() -> None:
    with pytest.raises(TypeError, match="bool doesn't define __round__"):
        mlc.jit(lambda x: round(x))(np.True_)
    assert mlc.jit(lambda x: round(x))(True) == 1
