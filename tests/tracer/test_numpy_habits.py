"""What NumPy users write that NumPy does not hand over, or that shapes known early rule out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import UnsupportedError

TABLE = np.arange(10.0) * 2
X = np.linspace(0.1, 1, 5)
PLACES = np.array([4, 6, 9])


def same(f: Any, *args: Any) -> None:
    got, want = mlc.jit(f)(*args), f(*args)
    parts = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
    for part, wanted in parts:
        assert part.dtype == wanted.dtype
        np.testing.assert_array_equal(part, wanted)


def refused(f: Any, *args: Any) -> str:
    with pytest.raises(UnsupportedError) as caught:
        mlc.jit(f)(*args)
    return caught.value.message


def escape(v: float) -> float:
    t = 0.0
    while t < v:
        t += 0.3
    return t


def step(v: float) -> float:
    if v > 0.5:
        return v * 2
    return math.floor(v) - 1.0


@np.vectorize
def square(v: float) -> float:
    return v * v


def outlines(x: Any) -> Any:
    return np.vectorize(escape)(x.reshape(5, 1)), square(x), np.vectorize(step)(x)


def squares(x: Any) -> Any:
    return square(x)


def pairs(x: Any, y: Any) -> Any:
    return np.vectorize(lambda a, b: (a + b, a > b), otypes=[np.float32, bool])(x[:, None], y)


def counted(n: Any) -> Any:
    return np.vectorize(lambda v: v // 2 - 3)(n)


def test_vectorize_is_a_loop_over_elements() -> None:
    same(outlines, X)
    same(squares, X.astype(np.float32))
    same(pairs, X, X[::-1].copy())
    same(counted, PLACES)
    same(counted, PLACES.astype(np.int16))
    assert square(3) == 9


def whole_or_half(v: float) -> float:
    if v > 0:
        return 1
    return 0.5


def as_first(x: Any) -> Any:
    return np.vectorize(whole_or_half)(x)


def bool_or_int(x: Any) -> Any:
    return np.vectorize(lambda v: v if v else v * 2)(x)


def in_a_loop(x: Any) -> Any:
    total = 0.0
    for i in range(1000):
        total += np.vectorize(whole_or_half)(x - i).sum()
    return total


def test_vectorize_takes_the_dtype_of_the_first_result() -> None:
    for x in (np.array([1.0, -1.0, 2.0]), np.array([-1.0, 1.0])):
        same(as_first, x)
        same(bool_or_int, x > 0)
    assert "Python float or a Python int, and the dtype of the result" in refused(in_a_loop, X)


def by_signature(x: Any) -> Any:
    return np.vectorize(np.sum, signature="(n)->()")(x)


def poly(coefficients: Any, x: Any, scale: Any = 1.0) -> Any:
    total = 0.0
    for c in coefficients:
        total = total * x + c
    return total * scale if total > 0.5 else total


def by_name_and_apart(x: Any) -> Any:
    apart = np.vectorize(poly, excluded=[0])(x[:3], x)
    named = np.vectorize(poly, excluded=["coefficients"])(coefficients=[1.0, 2.0], x=x, scale=3.0)
    return apart, named, np.vectorize(lambda v, k=2: v * k)(x, k=x[::-1])


def test_vectorize_of_arguments_by_name_and_those_left_whole() -> None:
    same(by_name_and_apart, X)


def of_objects(x: Any) -> Any:
    return np.frompyfunc(square, 1, 1)(x).astype(float)


def sum_of_objects(x: Any) -> Any:
    return np.frompyfunc(lambda a, b: a * 0.5 + b, 2, 1).reduce(x)


def test_frompyfunc_is_refused() -> None:
    for function in (of_objects, sum_of_objects):
        assert "np.vectorize, with otypes=, makes arrays of numbers" in refused(function, X)


def masked(x: Any) -> Any:
    return np.ma.masked_where(x > 0.5, x).mean()


def fields(x: Any) -> Any:
    records = np.zeros(len(x), [("place", float), ("kind", int)])
    records["place"] = x
    return records["place"]


def series(x: Any) -> Any:
    return np.polynomial.Polynomial(x)(2.0)


@pytest.mark.parametrize(("function", "instead"), [
    (masked, "hold the mask beside the array"), (fields, "hold each field in an array of its own"),
    (series, "of traced coefficients use np.polyval(c[::-1], x)"),
])  # fmt: skip
def test_classes_of_numpy_with_arrays_of_their_own_are_refused(function: Any, instead: str) -> None:
    assert instead in refused(function, X)


def test_vectorize_with_more_is_refused() -> None:
    assert refused(by_signature, X).startswith("np.vectorize with signature= cannot be traced")
    assert refused(squares, X[:0]).startswith("np.vectorize over arrays of shape (0,) cannot")


def taken(i: Any) -> Any:
    return np.take(TABLE, i), np.array(TABLE)[i]


def taken_by_lambda_of(table: Any) -> Any:
    return lambda i: np.take(table, i, axis=0)


def test_arrays_from_elsewhere_are_indexed() -> None:
    same(taken, PLACES)
    same(taken_by_lambda_of(TABLE.reshape(5, 2)), PLACES // 2)
    table = TABLE.copy()
    f = mlc.jit(taken_by_lambda_of(table))
    np.testing.assert_array_equal(f(PLACES), table[PLACES])
    table[6] = -1
    np.testing.assert_array_equal(f(PLACES), table[PLACES])


def subscript(i: Any) -> Any:
    return TABLE[i]


def part_written(i: Any) -> Any:
    TABLE[i, ...][...] = 0
    return i


def test_subscripts_of_arrays_from_elsewhere() -> None:
    for i in (PLACES, np.int64(3), np.arange(10) > 4):
        same(subscript, i)
    same(lambda i: (TABLE * 1j)[i], PLACES)
    text = refused(part_written, np.int64(1))
    assert text.startswith("a part of a NumPy array that was not made in the function would be")


def reshaped(x: Any) -> Any:
    x = x * 1j if x.dtype == np.float64 else x + 1
    x.shape = (5, 1)
    return x


def test_shapes_are_assigned() -> None:
    for x in (X, X.astype(np.float32)):
        want = reshaped(x)
        got = mlc.jit(reshaped)(x)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def shrinking(z: Any) -> Any:
    for k in range(3):
        z = z[z > 0.2 * k] * 2
    return z


def test_arrays_that_shrink() -> None:
    same(shrinking, X)
    with pytest.raises(mlc.BoundsError, match=r"a mask of shape \(5,\) does not fit an array"):
        mlc.jit(lambda x: mlc.fori_loop(0, 9, lambda i, z: z + x[z > 0][z > 1].sum(), x))(X)
    once = lambda x: x + sum(x[x > i][x[x > i] > 1].sum() for i in range(3))
    looped = lambda x: mlc.fori_loop(0, 3, lambda i, z: z + x[x > i][x[x > i] > 1].sum(), x)
    np.testing.assert_allclose(mlc.jit(looped)(X), once(X), rtol=1e-14)
    message = refused(lambda x: mlc.fori_loop(0, 9, lambda i, z: x[z > 0] + x[z > 1], x), X)
    assert "use one mask" in message


def test_brackets_that_join() -> None:
    def joined(x: Any, y: Any) -> Any:
        return (
            np.r_[x, 0, y], np.r_[1:3, x[::-1]], np.r_[0:1:3j, x], np.c_[x, y], np.c_[x, x * 1j],
            np.r_[1, 2], np.c_[x[:, None] * y, y], np.r_[np.zeros(2), 1], np.r_[x[0], x],
        )  # fmt: skip

    same(joined, X, X * 2)
    same(joined, X.astype(np.float32), np.arange(5))

    def moved(turn: Any, x: Any) -> Any:
        return (
            np.r_[np.c_[turn, x], [[0, 0, 0, 1]]], np.c_[np.zeros((2, 2)), [x[0], x[2]]],
            np.r_[[[x[1], 0.0, 2]], turn], np.r_[(x[0], 1), x],
        )  # fmt: skip

    same(moved, X.reshape(-1)[:1] * np.eye(3), np.arange(3.0))
    same(moved, np.eye(3, dtype=np.float32), np.arange(3, dtype=np.float32))
    assert refused(lambda x: np.r_["0,2", x, x], X).startswith("np.r_ with '0,2' cannot be traced")
    assert "different dimensions, (5,), (5, 1)" in refused(lambda x: np.r_[x, x[:, None]], X)


def test_ufuncs_join_lists_of_arrays() -> None:
    def joined(x: Any, y: Any) -> Any:
        both = [x, y]
        return (
            np.logical_and.reduce((x > 0, y > 1)), np.maximum.reduce(both),
            np.add.reduce([x, y, x * y]), np.multiply.accumulate((x, y)),
        )  # fmt: skip

    def at_once(x: Any, y: Any) -> Any:
        return np.minimum.reduce((x, y))

    same(joined, X, X * 2)
    assert np.array_equal(mlc.jit(at_once)(X, -X), np.minimum(X, -X))


def test_walks_over_elements() -> None:
    def weighted(x: Any) -> Any:
        total = 0.0
        for (i, j), v in np.ndenumerate(x):
            total += (i - j) * v
        return np.asarray(total), np.asarray(np.isscalar(x[0, 0])), np.asarray(np.isscalar(x[0]))

    same(weighted, X[:4].reshape(2, 2))


def test_arrays_made_of_traced_numbers() -> None:
    def made(x: Any) -> Any:
        out = np.full((2, 3), x[1])
        out[0] = 5
        return (
            out, np.full(5, x), np.full(2, x[0], dtype=int),
            np.fromiter((v * 2 for v in x), np.float32), np.fromiter(x, float, 3),
            np.fromiter(range(3), int),
        )  # fmt: skip

    same(made, X)
    same(made, X.astype(np.float32))


def test_sorted_in_place() -> None:
    def ordered(x: Any, m: Any) -> Any:
        x[1:].sort()
        m.sort(axis=0)
        y = x.copy()
        y.partition(2)
        k = np.array([3, 1, 2])
        k.sort()
        return np.sort(y[:2]), y[2] + k, (x > 0.5).astype(int).choose([x, -x])

    x, m = X[::-1].copy(), np.array([[3, 1], [2, 5]])
    same(ordered, x.copy(), m.copy())
    mlc.jit(ordered)(x, m)
    np.testing.assert_array_equal(x, [1, *X[:4]])
    np.testing.assert_array_equal(m, [[2, 1], [3, 5]])


def test_broadcast_arrays_of_the_shape_already_can_be_written_to() -> None:
    def first_row(x, y):
        a, b = np.broadcast_arrays(x, y)
        a[0] = 7
        return a.sum(), b * 2

    want, got = np.ones((2, 3)), np.ones((2, 3))
    for one, two in zip(first_row(want, np.arange(3.0)), mlc.jit(first_row)(got, np.arange(3.0))):
        np.testing.assert_array_equal(two, one)
    np.testing.assert_array_equal(got, want)
