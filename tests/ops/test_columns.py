"""Folds of columns that lie side by side: one row after the other, in blocks of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te

BOTH = [np.argmax, np.argmin]
SHAPES = [((1, 20), 0), ((300, 17), 0), ((2, 3, 17), 0), ((7, 40, 33), 1), ((1030, 512), 0)]


def _mixed(shape: tuple[int, ...], dtype: str, kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    if kind == "ties" or np.dtype(dtype).kind in "iu":
        return rng.integers(0, 5, shape).astype(dtype)
    x = (rng.standard_normal(shape) * 9).astype(dtype)
    if kind == "infinite":  # nothing is beyond the identity of either search in most columns
        x[:] = rng.choice([-np.inf, np.inf], shape[-1])
    x[rng.random(shape) < 0.01] = np.nan
    return x


@pytest.mark.parametrize("function", BOTH)
@pytest.mark.parametrize("kind", ["ties", "nan", "infinite"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8"])
def test_the_first_extreme_of_columns(function: Any, kind: str, dtype: str) -> None:
    for shape, axis in SHAPES:
        x = _mixed(shape, dtype, kind)
        got = mlc.jit(lambda a, axis=axis: function(a, axis=axis))(x)
        want = function(x, axis=axis)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want, err_msg=f"{shape} {axis}")


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_large_columns_in_blocks_of_rows(dtype: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(-99, 99, (1_037, 1_111)).astype(dtype)  # no multiple of blocks or of lanes
    y = x[:, 3:-5]  # rows with something between them
    for function in (np.max, np.min, np.any, np.sum, np.argmax):
        run = mlc.jit(lambda a, function=function: function(a, axis=0))
        for given in (x, y):
            np.testing.assert_array_equal(run(given), function(given, axis=0))
    both = mlc.jit(lambda a: a.max(0) + 2 * a.min(0))
    np.testing.assert_array_equal(both(x), x.max(0) + 2 * x.min(0))


def test_nan_in_one_block_of_rows() -> None:
    x = np.random.default_rng(5).standard_normal((2_000, 400)).astype(np.float32)
    x[700, 5] = x[1_999, 399] = np.nan
    np.testing.assert_array_equal(mlc.jit(lambda a: a.max(0))(x), x.max(0))


def test_the_bits_do_not_depend_on_threads() -> None:
    x = np.random.default_rng(5).standard_normal((4_096, 300)).astype(np.float32)
    found = []
    for threads in (1, 2, 3):
        mlc.set_num_threads(threads)
        try:
            found.append(mlc.jit(lambda a: (a.sum(0), a.prod(0), a.var(0)))(x))
        finally:
            mlc.set_num_threads(None)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_fold_of_pairs_over_one_element() -> None:
    """Each result of a fold keeps its own value when the fold turns out to be none."""
    both = te.comm_reducer(
        lambda a, b: (a[0] + b[0], te.max(a[1], b[1])), (0.0, -np.inf), ("float32", "float32")
    )

    @mlc.op
    def sum_and_max(x: Any) -> Any:
        k = te.reduce_axis(x.shape[0], "k")
        return te.compute((x.shape[1],), lambda i: both((x[k, i], x[k, i] * 3), axis=k))

    x = np.arange(5, dtype=np.float32)[None]
    total, most = mlc.jit(lambda a: tuple(v + 1 for v in sum_and_max(a)))(x)
    np.testing.assert_array_equal(total, x[0] + 1)
    np.testing.assert_array_equal(most, 3 * x[0] + 1)


def test_user_made_folds_keep_the_order_of_rows() -> None:
    """A fold whose order matters: rows are cut into blocks that are put together in order."""
    last = te.comm_reducer(
        lambda a, b: (te.select(b[1] > 0, b[0], a[0]), te.max(a[1], b[1])),
        (0.0, 0),
        ("float32", "int32"),
        commutative=False,
    )

    @mlc.op
    def last_positive(x: Any) -> Any:
        k = te.reduce_axis(x.shape[0], "k")
        value = lambda i: (x[k, i], te.select(x[k, i] > 0, 1, 0))
        return te.compute((x.shape[1],), lambda i: last(value(i), axis=k))

    x = np.random.default_rng(5).standard_normal((1_200, 520)).astype(np.float32)
    x[600:, ::3] = -1
    got, _ = mlc.jit(lambda a: last_positive(a))(x)
    place = x.shape[0] - 1 - (x[::-1] > 0).argmax(0)
    np.testing.assert_array_equal(got, x[place, np.arange(x.shape[1])])


@pytest.mark.parametrize("function", BOTH)
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_truth_in_columns(function, share):
    x = np.random.default_rng(2).random((9, 5, 70)) < share
    for axis in (0, 1, -1):
        assert (mlc.jit(lambda x, axis=axis: function(x, axis=axis))(x) == function(x, axis)).all()
