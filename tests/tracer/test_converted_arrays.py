"""np.array and its like: copies, orders, axes in front; and corners of functions of sets."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.array([[1.5, -2.0, 0.5], [3.0, 0.0, -1.0]])


def changed_copy(x: Any) -> Any:
    y = np.asarray(x, copy=True)
    z = np.asanyarray(x, copy=True)
    y[0] = 7
    z[1] += y[1]
    return y, z


def changed_places(x: Any) -> Any:
    np.put(x, [True, False], [7, 8])
    np.putmask(x, np.arange(6) > 3, [9, 10, 11])
    np.place(x, np.zeros(6), [])


@pytest.mark.parametrize(
    "function",
    [
        changed_copy,
        changed_places,
        lambda x: np.array(x, ndmin=3),
        lambda x: np.array(x[0], ndmin=3, dtype=np.float32),
        lambda x: np.array([x[0], x[1]], ndmin=4),
        lambda x: np.array(x * 1j, ndmin=3),
        lambda x: np.array(x, copy=False, ndmin=1),
        lambda x: np.polyval(x[0, :0], x[1] / 0),
        lambda x: np.histogram2d(x[0].astype(np.float32), x[1].astype(np.float16), 3),
        lambda x: np.histogram2d(x[0].astype(np.float16), x[1].astype(np.float16), 2)[1:],
        lambda x: np.histogram2d(x[0].astype(np.float16), x[1] > 0, 2)[1:],
        lambda x: np.nanquantile(x[:0], [0.5, 0.1], axis=0),
        lambda x: np.nanpercentile(x[:0].astype(np.float32), [50], axis=0, keepdims=True),
        lambda x: np.average(x / x, axis=1, returned=True),
        lambda x: np.average(x + 1j, axis=1, weights=[1, 2, 3], returned=True),
        lambda x: np.histogram(x[:0].astype(np.float32), 3),
        lambda x: np.histogram2d(*x.astype(np.float32), 2, range=[[0, 1], [0, 2]]),
        lambda x: np.atleast_2d(x[0], [[1], [2]], (3, 4)),
        lambda x: np.setdiff1d(x, [0.5, 3.0], assume_unique=True),
        lambda x: np.linspace([1, 2, 3], x, 4),
        lambda x: np.logspace(x[0], [[1], [2]], 3, axis=-1),
        lambda x: np.isclose(x, 1, rtol=[0.1, 1, 2]),
        lambda x: np.allclose(x, x + 0.01, atol=abs(x).max()),
        lambda x: np.take_along_axis(x, np.array([[-1], [2]]), axis=1),
        lambda x: x[..., None, [True, False, True]],
        lambda x: np.ix_(x[0], []),
        lambda x: np.ravel_multi_index((x[0] > 0, [1, 0, 2]), (2, 3)),
        lambda x: np.meshgrid(x[0], x[1], sparse=True, copy=False),
    ],
)
def test_taken(function: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_against_numpy(function, X)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: np.array(x, np.float32, copy=False), ValueError),
        (lambda x: np.asarray(x, order="X"), ValueError),
        (lambda x: np.isin(x, [1], kind="table"), ValueError),
        (lambda x: np.isin(x, [1], kind="bad"), ValueError),
        (lambda x: np.geomspace(x, 0), ValueError),
        (lambda x: np.geomspace(x - x[0, 0], 2), ValueError),
        (lambda x: np.gradient(x > 0, axis=0), TypeError),
        (lambda x: np.delete(x, x[0]), IndexError),
        (lambda x: np.cov(x, fweights=[1, -1, 2]), ValueError),
        (lambda x: np.take_along_axis(x, np.array([[9], [0]]), axis=1), IndexError),
        (lambda x: np.clip(x, 0, 1, min=2), ValueError),
        (lambda x: np.round(x > 0, 1), TypeError),
        (lambda x: np.argsort(x, kind="stable", stable=True), ValueError),
        (lambda x: np.quantile(x[:0], 0.5, axis=0), IndexError),
        (lambda x: x[:, [True, False]], IndexError),
        (lambda x: x[[True, False, True]], IndexError),
        (lambda x: x.__setitem__([True, False, True], 1), IndexError),
        (lambda x: np.add.at(x, (0, np.array([True, False])), 1), IndexError),
        (lambda x: np.putmask(x, x > 0, x + 0j), TypeError),
        (lambda x: np.place(x, x > 0, np.arange(3)[1:] * 1j), TypeError),
        (lambda x: np.putmask(np.zeros((2, 3), np.int8), x > 0, x), TypeError),
        (lambda x: x.fill(x[0]), ValueError),
        (lambda x: np.put_along_axis(x, np.array([[0]]), 1, 2), np.exceptions.AxisError),
        (lambda x: np.sum(x, axis=2), np.exceptions.AxisError),
        (lambda x: np.sort(x, axis=-3), IndexError),
        (lambda x: np.unravel_index(x, (2, 3)), TypeError),
        (lambda x: bool(x), ValueError),
        (lambda x: np.trim_zeros(x[0], "x"), ValueError),
        (lambda x: np.trim_zeros(x[0], axis=1), np.exceptions.AxisError),
        (lambda x: np.sort(x * 1j, kind="bad"), ValueError),
        (lambda x: np.putmask(x, [True, False], 1), ValueError),
        (lambda x: np.place(x, x > 0, []), ValueError),
        (lambda x: np.put(x, [0], 1, mode="bad"), ValueError),
        (lambda x: np.put(x[:0], [0], 1), IndexError),
        (lambda x: np.fill_diagonal(x[0], 1), ValueError),
        (lambda x: np.bincount(x[0].astype(int) + 3, minlength=-1), ValueError),
        (lambda x: np.sort(x, kind="stable", stable=True), ValueError),
        (lambda x: np.argpartition(x, 0, kind="bad"), ValueError),
        (lambda x: np.select([x], [x]), TypeError),
        (lambda x: np.einsum("ij->j", x, dtype=int), TypeError),
        (lambda x: np.einsum("ij->j", x * 1j, dtype=int), TypeError),
        (lambda x: np.matmul(x, x.T, dtype=int), TypeError),
        (lambda x: np.round(x, 1.0), TypeError),
        (lambda x: np.resize(x, (-1, 2)), ValueError),
        (lambda x: np.isin(x + 1j, [1], kind="table"), ValueError),
    ],
)
def test_refused(function: Callable[..., Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        function(X.copy())
    with pytest.raises(kind):
        mlc.jit(function)(X.copy())
