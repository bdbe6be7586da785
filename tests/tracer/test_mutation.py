"""Functions that change arrays: what they return and leave behind, as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.testing

X = np.arange(24.0).reshape(4, 6) - 5
I = np.array([0, -1, 0])
V = np.arange(6.0)


def assign_everywhere(x: Any, i: Any, v: Any) -> Any:
    x[0], x[1] = x[1], x[0]  # rows are views: both end up equal
    x[1, ::2] += v[:3]
    x.T[2] = x[:, 3] = -1
    x[i[0] + 1, 2:] *= 2
    return x[..., 1].copy()


def index_arrays(x: Any, i: Any, v: Any) -> None:
    x[i] = v
    x[i, [1, 2, 3]] = v[:3]
    x[:, [0, 5]] += 1
    x[[1, 1]] += 1
    x[np.ix_([2, 3], [4, 0])] = v[0]
    x[1:, None, i] = v[:3]
    x[0, i % 4] = v[:3]


def views_of_views(x: Any, i: Any, v: Any) -> Any:
    inner = x[1:, ::-1][::2].T
    inner[1] = v[:2]
    x.reshape(-1)[7] = 70
    x.ravel()[8] = 80
    x.T.ravel()[9] = 90  # a copy
    np.squeeze(x[None, :, None])[0] += v
    x.swapaxes(0, 1)[2, 1] = 5
    return inner


def where_masks_hold(x: Any, i: Any, v: Any) -> Any:
    mask = x > 2
    x[mask] = np.sqrt(x[mask]) * 2
    x[~mask] -= x[~mask] ** 2
    x[:, v > 3] = 0
    x[1, v < 2] += 10
    x[v[:4] > 1] = v
    chosen = x[x > 0]
    chosen += 1
    return chosen.sum(), x[mask].max(), x[mask].mean(), (x[mask] > 1).all()


def by_functions(x: Any, i: Any, v: Any) -> Any:
    np.copyto(x[0], v)
    np.copyto(x.T, 3, where=x.T > 9)
    np.putmask(x, x < 2, [1, 2, 3])
    np.place(x, x > 7, v[1:4])
    np.put(x, i, v[:2])
    np.put_along_axis(x, np.argmax(x, axis=1)[:, None], -7, axis=1)
    np.fill_diagonal(x, v[2])
    x.flat[::5] += 1
    x[2].fill(4)
    return list(x.flat)[3]


def in_turn(x: Any, i: Any, v: Any) -> Any:
    x.flat[::3] = v[:2]  # the first again where they end, and no more than there is place for
    x.flat[i] = np.stack([v, v + 1])
    x.flat[:4] = v[:0]
    x.flat[[1, -1]] = [5, 6, 7]
    x.T.flat[6:] = v[None, 1:3]
    x.flat[1::2] = x  # each is read after those before it are written
    x[1:].flat[::-1] = x[0]
    x.T.flat[[1, 5, 2]] = x[:2].T
    z = x + 1j * x
    z.flat[1:] = z
    return x + 0, z


def accumulating(x: Any, i: Any, v: Any) -> None:
    np.add.at(x, i, v)
    np.subtract.at(x, (i, [1, 1, 2]), 1)
    np.maximum.at(x, (slice(None), i), v[:3])
    np.add.at(x, [0, 0, 1], 2)
    np.negative.at(x, [1, 3])


def into_out(x: Any, i: Any, v: Any) -> Any:
    np.multiply(x, x, x)
    np.add(x, 1, out=x, where=x > 10)
    x.sum(axis=0, out=v)
    np.maximum(v, v[::-1], out=v[::-1])
    quotient, rest = np.divmod(v, 3, out=(v, np.zeros(6)))
    v -= rest
    return quotient is v


def made_inside(x: Any, i: Any, v: Any) -> Any:
    out = np.empty((4, 6), dtype=np.float32)
    row, count = out[1], np.zeros(4, dtype=int)
    for k in range(4):
        out[k] = x[3 - k]
        count[k] = k + 1
    row[2] = 9
    triangle = np.eye(3)
    triangle[1:] *= x[0, 0]
    pair = np.array([x[0, 0], 1.0])
    ndarray = np.ndarray((2,), float)
    ndarray[:] = pair
    assert isinstance(x, np.ndarray) and count[3] == 4 and range(count[2])
    return out, count, triangle, pair, ndarray, count[1:].sum()


def results_keep_the_order_of_axes(x: Any, i: Any, v: Any) -> Any:
    double, largest, reverse = x.T * 2, np.maximum(x.T, 3.0), x[:, ::-1] + 1
    double.ravel()[1] = 99  # a copy
    largest.T.reshape(-1)[1] = 50  # a view
    reverse.reshape(-1)[0] = 7
    return double, largest, reverse


PROGRAMS = [
    results_keep_the_order_of_axes,
    assign_everywhere, index_arrays, views_of_views, where_masks_hold, by_functions, in_turn,
    accumulating,
    into_out, made_inside,
]  # fmt: skip


@pytest.mark.parametrize("target", ["cpu", "numpy"])
@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_as_numpy(function: Callable[..., Any], target: str) -> None:
    mine, theirs = (X.copy(), I.copy(), V.copy()), (X.copy(), I.copy(), V.copy())
    jitted = mlc.jit(function, target=target)
    for _ in range(2):
        got, want = jitted(*mine), function(*theirs)
        parts = zip(got, want) if isinstance(want, tuple) else [(got, want)]
        for g, w in [*parts, *zip(mine, theirs)]:
            if w is None:
                assert g is None
            else:
                assert np.asarray(g).dtype == np.asarray(w).dtype
                np.testing.assert_allclose(g, w, rtol=1e-14)


def test_the_last_of_equal_places_wins() -> None:
    @mlc.jit
    def put(x: Any, i: Any, v: Any) -> None:
        x[i] = v

    x = np.zeros(3)
    put(x, np.array([1, 1, -2]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(x, [0, 3, 0])


def test_places_outside_are_refused_and_nothing_is_written() -> None:
    @mlc.jit
    def put(x: Any, i: Any) -> None:
        x[0] = 7
        x[i] = 1

    x = np.zeros(3)
    with pytest.raises(IndexError):
        put(x, np.array([0, 3]))
    np.testing.assert_array_equal(x, [0, 0, 0])


REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda x: x.astype(int).__iadd__(0.5), TypeError, "Cannot cast np.add output from"),
    (lambda x: x.__setitem__(9, 1), IndexError, "index 9 is out of bounds for axis 0"),
    (lambda x: x.__setitem__(0, np.ones(5)), ValueError, "assignment: shapes (5,) and (6,) do not"),
    (lambda x: np.add(x, x, out=x[0]), ValueError, "non-broadcastable output operand"),
    (lambda x: np.diagonal(x).__setitem__(0, 1), ValueError, "destination is read-only"),
    (lambda x: np.broadcast_to(x, (2, 4, 6)).fill(0), ValueError, "destination is read-only"),
    (lambda x: x.sum().__setitem__((), 1), TypeError, "is a scalar"),
    (lambda x: x[x > 0] + x[x > 1], ValueError, "add: shapes (18,) and (17,) do not broadcast"),
    (lambda x: x[x > 0] + np.ones(7), ValueError, "add: shapes (18,) and (7,) do not broadcast"),
    (lambda x: x.__setitem__(x > 9, np.ones(7)), ValueError, "cannot assign 7 input values to the"),
    (lambda x: np.add.at(X, 0, x), TypeError, "was not made in the function"),
    (lambda x: np.negative.at(x > 0, [1, 1]), TypeError, "negative"),
    (lambda x: np.hypot.at(x, [0], 1.0), TypeError, "np.hypot.at cannot be traced"),
    (lambda x: np.place(x, x > 0, x.ravel()[:2]), TypeError, "written the ones before"),
    (lambda x: np.place(x[1:], x[1:] > 0, x[:-1]), TypeError, "written the ones before"),
]


@pytest.mark.parametrize("case", REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(case: Any) -> None:
    function, kind, text = case
    before = X.copy()
    with pytest.raises(kind) as caught:
        mlc.jit(lambda x: function(x))(before)
    assert text in str(caught.value)
    np.testing.assert_array_equal(before, X)


def test_views_that_take_all_of_an_array_are_returned_as_they_lie() -> None:
    """What is written is an argument as it was; the view is not the argument that it is of."""

    def itself(x: Any) -> Any:
        turned = x[::-1]
        np.copyto(turned, x)
        return turned

    def other(x: Any, y: Any) -> Any:
        turned = x[::-1]
        np.copyto(turned, y)
        y[:] = 0
        return turned, y

    x = np.arange(5.0)
    mlc.testing.check_against_numpy(itself, x)
    mlc.testing.check_against_numpy(other, x, x + 10)


def test_values_that_place_copies_or_does_not_write_to_may_be_of_the_same_array() -> None:
    """NumPy copies columns, and what is converted; other rows stay what they are."""

    def places(x: Any) -> Any:
        np.place(x[0], x[0] < 0, x[2])
        np.place(x[1], x[1] > 3, x[1, ::2])
        np.place(x[3], x[3] > 3, x[3].astype(np.float32))
        np.place(x, x > 9, x[2, 3:4])
        return x

    mlc.testing.check_against_numpy(places, X.copy())


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2,), (0,)])
@pytest.mark.parametrize("dtype", [bool, float])
def test_an_element_that_is_a_bool_takes_the_truth_of_one_element(dtype: Any, shape: Any) -> None:
    def put(x: Any, v: Any) -> Any:
        x[1] = v
        return x

    x, v = np.zeros(3, dtype), np.full(shape, 2.5)
    if dtype is bool and v.size == 1:
        mlc.testing.check_against_numpy(put, x, v)
        return
    for function in (put, mlc.jit(put)):
        with pytest.raises(ValueError, match="setting an array element with a sequence"):
            function(x.copy(), v)


@pytest.mark.parametrize("value", [[0], [], (0,), (), [0, 0], [[]], [False]], ids=str)
def test_an_element_that_is_a_bool_takes_the_truth_of_a_list(value: Any) -> None:
    def put(x: Any, i: Any) -> Any:
        x[0] = x[i] = value
        return x

    for dtype in (bool, np.int8, float):
        mlc.testing.check_against_numpy(put, np.arange(3).astype(dtype), 2)


def test_an_element_that_is_a_bool_takes_the_truth_of_a_list_of_traced_numbers() -> None:
    def put(x: Any, y: Any) -> Any:
        x[0, 1], x[1, 0] = [y[0]], (y[1] > 2, y[0])
        return x

    mlc.testing.check_against_numpy(put, np.zeros((2, 2), bool), np.zeros(2))
