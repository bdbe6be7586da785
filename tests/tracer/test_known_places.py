"""Arrays made in a traced function, read and written at places that are traced."""

import numpy as np
import pytest

import mlc


def element(x, i):
    w = np.arange(12.0)
    w[i] = 1
    return w * x


def element_of_two_axes(x, i):
    w = np.arange(12.0).reshape(3, 4)
    w[i, 2] = 1
    return w * x


def through_the_base(x, i):
    w = np.arange(12.0)
    view = w.reshape(3, 4)
    w[i] = 1
    return view * x


def row_and_dots(x, i):
    w = np.zeros((4, 3))
    w[1] = 7
    row = w[i]
    row[1] = 5.0
    same = w[i, ...]
    same[2] = 9
    return w * x


def added_to(x, i):
    w = np.arange(12.0).reshape(3, 4)
    w[i, 2] += 1
    return w[i] * x


def no_axes(x, i):
    w = np.arange(4.0)
    place = w[i, ...]
    place[...] = 50
    return w * x


def only_read(x, i):
    w = np.arange(50.0)
    return w[i] * x + w[-i]


FUNCTIONS = [
    element, element_of_two_axes, through_the_base, row_and_dots, added_to, no_axes, only_read,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_as_numpy(function):
    got = mlc.jit(function)(2.0, np.int64(2))
    np.testing.assert_array_equal(got, function(2.0, 2))
