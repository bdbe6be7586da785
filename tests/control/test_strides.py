"""Strides of traced arrays, and the views that np.lib.stride_tricks.as_strided makes of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import mlc
from mlc.errors import ShapeError, UnsupportedError


def windows(x: Any, width: int, step: int) -> Any:
    count = (x.shape[-1] - width) // step + 1
    strides = (*x.strides[:-1], step * x.strides[-1], x.strides[-1])
    parts = as_strided(x, shape=(*x.shape[:-1], count, width), strides=strides)
    return parts * np.arange(1, width + 1, dtype=x.dtype)


def patches(image: Any, size: int) -> Any:
    h, w = image.shape
    shape = (h - size + 1, w - size + 1, size, size)
    return np.lib.stride_tricks.as_strided(image, shape, image.strides * 2, writeable=False).max(
        (2, 3)
    )


def neighbours(x: Any) -> Any:
    """Without anything else in it that could become native."""
    return np.lib.stride_tricks.as_strided(x, (39, 2), (8, 8)) * 2


def diagonal_filled(x: Any) -> Any:
    made = x.copy()
    diagonal = as_strided(made, (len(made),), (sum(made.strides),))
    diagonal[...] = 7
    diagonal += x[0]
    return made


def rows_joined(x: Any) -> Any:
    return as_strided(x, (5, 3), (3 * x.itemsize, 2 * x.itemsize))


def all_strides(x: Any) -> Any:
    parts = x.T, x + 1, x[::2, 1:], x.T.copy(), x.reshape(-1), x[:, ::-1], x[0], x.sum(0)
    return [part.strides for part in parts]


NUMBERS = np.random.default_rng(3).normal(size=(6, 40))
CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (windows, (NUMBERS[0], 5, 2)),
    (windows, (NUMBERS.astype("f"), 5, 1)),
    (windows, (NUMBERS[:, ::2], 5, 3)),
    (windows, (NUMBERS[:, ::-1], 4, 1)),
    (windows, (NUMBERS[0] + 1j * NUMBERS[1], 3, 1)),
    (neighbours, (NUMBERS[0],)),
    (patches, (NUMBERS, 3)),
    (patches, (np.asfortranarray(NUMBERS), 2)),
    (patches, (NUMBERS.T, 2)),
    (diagonal_filled, (NUMBERS[:, :6],)),
    (rows_joined, (np.arange(20).reshape(4, 5),)),
    (all_strides, (NUMBERS,)),
    (all_strides, (np.asfortranarray(NUMBERS).astype("i2"),)),
    (all_strides, (NUMBERS[::2, ::3],)),
]


@pytest.mark.parametrize(("function", "args"), CASES)
def test_they_are_those_of_numpy(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    wanted, found = function(*args), mlc.jit(function)(*args)
    if function is all_strides:
        assert found == wanted
        return
    np.testing.assert_allclose(found, wanted)
    assert found.dtype == wanted.dtype


def test_what_leaves_the_array_is_refused() -> None:
    @mlc.jit
    def function(x: Any) -> Any:
        return as_strided(x, (6, 3), x.strides * 2)

    with pytest.raises(ShapeError) as found:
        function(np.ones(6))
    assert str(found.value).splitlines()[0] == (
        "np.lib.stride_tricks.as_strided: shape (6, 3) with strides (8, 8) cannot be shown to stay "
        "within an array of shape (6,) with strides (8,), and NumPy would read whatever memory is "
        "there; make the array larger before, with np.pad"
    )


def test_elements_that_are_there_twice_are_not_written_to() -> None:
    @mlc.jit
    def function(x: Any) -> Any:
        made = x + 1
        parts = as_strided(made, (4, 3), made.strides * 2)
        parts[0, 0] = 3
        return made

    with pytest.raises(UnsupportedError, match="has elements more than once, so it cannot be"):
        function(np.ones(6))


def test_a_view_to_read_cannot_be_written_to() -> None:
    def function(x: Any) -> Any:
        as_strided(x, (3,), (16,), writeable=False)[0] = 3
        return x

    with pytest.raises(ValueError, match="assignment destination is read-only"):
        function(np.ones(6))
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        mlc.jit(function)(np.ones(6))


def test_functions_of_nothing_but_attributes() -> None:
    function = lambda x: np.lib.stride_tricks.as_strided(x, x.shape, x.strides)
    assert np.array_equal(mlc.jit(function)(NUMBERS), NUMBERS)
