"""``out=`` and ``where=``, ``keepdims=`` and ``axis=``: what NumPy takes and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

ROWS = np.array([[1.0, np.nan, -0.0, 3.5], [np.nan, np.nan, 2.5, -1.0]])
MASK = np.array([[True, True, False, True], [True, False, True, True]])
WHOLE = np.array([[3, 1, 4, 1], [5, 9, 2, 6]], np.int32)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, m: np.nansum(x, axis=0, where=m, initial=2),
        lambda x, m: np.nanprod(x, axis=1, where=m, initial=2),
        lambda x, m: np.nanmax(x, axis=0, where=m, initial=-7),
        lambda x, m: np.nanmin(x, axis=1, where=m, initial=np.nan),
        lambda x, m: np.nanmin(x, initial=-9),
        lambda x, m: np.nanmean(x, axis=1, where=m),
        lambda x, m: np.nanvar(x, axis=1, where=m, correction=1),
        lambda x, m: np.nanstd(x, axis=1, mean=np.nanmean(x, axis=1, keepdims=True)),
        lambda x, m: np.sum(x, where=[1, 0, 1, 0]),
        lambda x, m: np.clip(x, 0, 2, where=m, out=x),
        lambda x, m: np.exp(x, order="C", subok=False),
        lambda x, m: np.prod(x, initial=None),
        lambda x, m: np.sum(x, 0, float, np.zeros(4), False, 2),
        lambda x, m: np.add(x, 1, where=[True, False, True, True], out=x),
        lambda x, m: np.take(x, [True, False], axis=1),
        lambda x, m: np.take(x, m),
    ],
)
def test_taken(function: Callable[..., Any]) -> None:
    check_against_numpy(function, ROWS, MASK)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, o: np.mean(x, 0, np.int32, o),
        lambda x, o: np.mean(x, axis=0, out=o),
        lambda x, o: np.mean(x, axis=0, out=o, where=x > 2),
        lambda x, o: np.nancumprod(-x * [0, 1, 1, 1], axis=0, out=np.zeros((2, 4), np.float32)),
    ],
)
def test_results_are_computed_as_out_asks(function: Callable[..., Any]) -> None:
    check_against_numpy(function, WHOLE, np.zeros(4, np.float32))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, o: np.sum(x, axis=0, out=o),
        lambda x, o: np.cumsum(x[0], out=o),
        lambda x, o: np.multiply.accumulate(x[1], out=o),
        lambda x, o: np.min(x, axis=0, out=o),
        lambda x, o: np.maximum.reduce(x, out=o),
        lambda x, o: np.minimum.accumulate(x[0].astype(np.uint64) + 2**63, out=o),
        lambda x, o: np.nansum(x, axis=0, out=o),
        lambda x, o: np.maximum.reduce(x, dtype=np.float32),
        lambda x, o: np.subtract.reduce(x, axis=1, initial=2.5),
        lambda x, o: np.hypot.reduce(x, initial=3),
        lambda x, o: np.logaddexp.reduce(x[:0], initial=1),
        lambda x, o: np.logical_and.reduce(x, initial=0),
        lambda x, o: np.bitwise_or.reduce(o, initial=4),
        lambda x, o: x.reshape(-1, copy=True),
    ],
)
def test_sums_are_kept_in_what_they_and_their_place_have_in_common(
    function: Callable[..., Any],
) -> None:
    x = np.array([[0.5, 0.7, -0.9, 2.6], [2.0, -3.5, 1.0, 0.0]])
    check_against_numpy(function, x, np.zeros(4, np.int64))


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (lambda x: np.sum(x, keepdims=None), TypeError, "keepdims must be True or False, got None"),
        (lambda x: np.max(x, axis=[0]), TypeError, "np.max: axis must be an integer or a tuple"),
        (lambda x: np.sum(x, axis=True), TypeError, "np.sum: axis must be an integer or a tuple"),
        (lambda x: np.sum(x[:, :0], initial=None), ValueError, "np.sum of zero elements"),
        (lambda x: np.any(x, where=x), TypeError, "np.any: where= must be an array of bools"),
        (lambda x: np.add(x, 1, where=x, out=x), TypeError, "np.add: where= must be an array of"),
        (lambda x: np.copyto(x, 1, where=x), TypeError, "np.copyto: where= must be an array of"),
        (lambda x: np.sum(x[:1], where=x > 1), ValueError, "np.sum: where= has shape"),
        (lambda x: np.max(x, axis=0, out=np.zeros((2, 4))), ValueError, "np.max: out has shape"),
        (lambda x: np.cumsum(x, out=np.zeros((2, 8))), ValueError, "np.cumsum: out has shape"),
        (lambda x: np.add.reduce(x, out=x), ValueError, "np.add.reduce: out has shape"),
        (lambda x: np.sum(x, out=(x[0, 0:1],)), TypeError, "np.sum: out must be an array"),
        (lambda x: np.argmax(x, axis=0, out=np.zeros(4)), TypeError, "np.argmax: out must be an"),
        (lambda x: np.dot(x, x.T, out=np.zeros((2, 2))), ValueError, "np.dot: out must be an"),
        (lambda x: np.var(x, ddof=1, correction=2), ValueError, "np.var: ddof= and correction="),
        (lambda x: np.nanmean(x / 2, dtype=int), TypeError, "of float64 a dtype of floats"),
        (lambda x: np.copyto(x, 2.5), TypeError, "Cannot cast np.copyto output"),
        (lambda x: np.rot90(x, axes=(1, 1)), ValueError, "np.rot90: the axes"),
        (lambda x: np.vsplit(x[0], [1]), ValueError, "np.vsplit: needs two axes"),
        (lambda x: np.diff(x, n=-1), ValueError, "np.diff: n must not be negative"),
        (lambda x: np.vander(x[0], N=-1), ValueError, "np.vander: N must not be negative"),
    ],
)
def test_refused(function: Callable[..., Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind):
        function(WHOLE.copy())
    with pytest.raises(kind) as caught:
        mlc.jit(function)(WHOLE.copy())
    assert isinstance(caught.value, mlc.MlcError) and str(caught.value).startswith(text)


def test_complex_numbers_too() -> None:
    x = ROWS[:, [0, 2, 3]] * (1 + 2j)
    o, m = np.ones_like(x), MASK[:, :3]
    check_against_numpy(lambda x, o, m: np.clip(x, 0, 2, where=m, out=o), x, o, m)
    check_against_numpy(lambda x, o, m: np.std(x[:, 2].real, dtype=np.complex64), x, o, m)
    check_against_numpy(lambda x, o, m: np.nanvar(x, dtype=complex), x, o, m)
    check_against_numpy(lambda x: np.linalg.solve(x[:, 1:] + np.eye(2), [1, 2]), x[:, [0, 0, 2]])
    with pytest.raises(mlc.MlcError, match=r"np.var of complex numbers with dtype=float64"):
        mlc.jit(lambda x: np.var(x, dtype=float))(x)
    check_against_numpy(lambda x: np.mean(x, axis=0, out=np.zeros(3, np.complex64)), x)
    with pytest.raises(mlc.MlcError, match=r"np.sum: where= must be an array of bools"):
        mlc.jit(lambda x: np.sum(x, where=x))(x)
    made = mlc.jit(lambda x: np.intersect1d(x, x[::-1], return_indices=True))(x)
    for got, expected in zip(made, np.intersect1d(x, x[::-1], return_indices=True), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("decimals", [0, 2, 25, -2, -5])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int16", "uint8"])
def test_what_is_rounded_into_an_array_is_scaled_there(kind: str, decimals: int) -> None:
    values = np.array([1.2345, 2777.125, 0.1239, 150, 250, -0.0, -8.5, 99.5])
    x = values.astype(np.int64).astype(kind) if "int" in kind else values.astype(kind)
    with np.errstate(all="ignore"):
        for place in ("float16", "float32", "float64", "int64"):

            def rounded(x, place=place):
                y = np.ones(x.shape, place)
                return x.round(decimals, y), np.round(x, decimals)

            try:
                expected = rounded(x)
            except TypeError:
                with pytest.raises(TypeError, match="Cannot cast"):
                    mlc.jit(rounded, target="interpret")(x)
                continue
            for a, b in zip(mlc.jit(rounded, target="interpret")(x), expected):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


def test_products_in_place_are_by_matrices() -> None:
    def multiplied(a, b):
        a @= b
        return a

    square = np.arange(9.0).reshape(3, 3)
    check_against_numpy(multiplied, np.arange(3.0), square)
    check_against_numpy(multiplied, square, square + 1)
    for a in (np.arange(3.0), square, np.ones((2, 3, 3))):
        with pytest.raises(ValueError, match="inplace matrix multiplication requires the first"):
            multiplied(a.copy(), np.arange(3.0))
        with pytest.raises(mlc.ShapeError, match="inplace matrix multiplication requires the f"):
            mlc.jit(multiplied)(a, np.arange(3.0))


@pytest.mark.parametrize("dtype", [float, complex, np.int8])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.concatenate([x[1:], x[:1]], out=x),
        lambda x: np.concatenate([x[:, 1:], x[:, :1]], -1, x),
        lambda x: np.concatenate([x[1:], x[:1]], axis=None, out=x.ravel()),
        lambda x: np.concatenate([x[2:], [[1, 2, 3, 4]], x[:1]], out=x),
        lambda x: np.stack([x[1], x[0], x[2]], out=x),
        lambda x: np.stack([x[:, 2], x[:, 1], x[:, 0], x[:, 3]], axis=-1, out=x),
    ],
)
def test_parts_that_lie_where_they_are_joined_are_copied_one_by_one(
    function: Callable[..., Any], dtype: Any
) -> None:
    x = np.arange(12).reshape(3, 4).astype(dtype)
    ours = x.copy()
    np.testing.assert_array_equal(mlc.jit(function)(ours), function(x))
    np.testing.assert_array_equal(ours, x)


def test_parts_that_are_other_arguments_are_joined_at_once() -> None:
    x, out = np.arange(4.0), np.zeros((2, 4))
    assert mlc.jit(lambda x, out: np.stack([x, x * 2], out=out))(x, out) is out
    np.testing.assert_array_equal(out, [x, x * 2])


def test_joining_casts_as_it_is_told_to() -> None:
    def joined(x: Any) -> Any:
        out = np.zeros((4, 4), np.int16)
        return np.concatenate([x * 1.5, x], out=out, casting="unsafe")

    check_against_numpy(joined, np.arange(8.0).reshape(2, 4))


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_methods_of_arrays_from_outside_end_in_traced_ones(name: str) -> None:
    known = np.array([1.0, 4.0])

    def by_method(x: Any) -> Any:
        out = x[:1].reshape(()).copy()
        getattr(known, name)(axis=-1, out=out)
        return out

    def by_function(x: Any) -> Any:
        out = x[:1].reshape(()).copy()
        getattr(np, name)(known, axis=-1, out=out)
        return out

    check_against_numpy(by_method, np.ones(3))
    check_against_numpy(by_function, np.ones(3))


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_numpys_own_methods_do_not_end_in_traced_arrays(name: str) -> None:
    """Their last step would not come in where the code is not seen: ``np.mean`` and its kin take
    such arrays."""
    space: dict[str, Any] = {}
    known = np.array([1.0, 4.0])
    exec(f"def of_source(x, known):\n    known.{name}(axis=-1, out=x)", space)

    def unseen(x: Any) -> Any:
        space["of_source"](x, known)
        return x

    with pytest.raises(mlc.errors.UnsupportedError, match=rf"write np\.{name}\(x, out="):
        mlc.jit(unseen)(np.ones(()))
