"""Operators of one's own: declared by a te body, traced, compiled at once, composed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.ops.op import OPS
from mlc.te.evaluate import evaluate
from mlc.te.tensor import Compute

X = np.arange(6.0)


@mlc.op
def window_sum(x: Any, *, width: int = 3) -> Any:
    """out[i] = x[i] + ... + x[i + width - 1]."""
    r = te.reduce_axis(width)
    return te.compute((x.shape[0] - width + 1,), lambda i: te.sum(x[i + r], axis=r))


@mlc.op(name="scaled_pair", vjp="stated here")
def scaled(parts: Any, factor: Any) -> Any:
    """The two arrays of ``parts``, each times ``factor`` (a number or a 0-d array)."""
    first, second = parts
    value = factor[()] if isinstance(factor, te.Tensor) else factor
    twice = te.compute(first.shape, lambda i: first[i] * value)
    return twice, te.compute(second.shape, lambda i: second[i] * value)


def windows(x: np.ndarray, width: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, width).sum(-1)


def test_inside_a_jitted_function() -> None:
    f = mlc.jit(lambda x: np.sqrt(window_sum(x * x, width=2)) + window_sum(x[1:], width=1))
    assert np.allclose(f(X), np.sqrt(windows(X * X, 2)) + X[1:])


def test_on_plain_arrays() -> None:
    assert np.array_equal(window_sum(X), windows(X, 3))
    assert np.array_equal(window_sum(X, width=2), windows(X, 2))
    first, second = scaled([X, X[:2]], 2)
    assert np.array_equal(first, X * 2) and np.array_equal(second, X[:2] * 2)


def test_on_te_tensors_and_in_other_bodies() -> None:
    @mlc.op
    def twice(x: Any) -> Any:
        return window_sum(window_sum(x, width=2), width=2)

    a = te.placeholder((6,), "float64", name="a")
    out = twice(a)
    assert isinstance(out, te.Tensor)
    assert np.array_equal(evaluate([out], {a: X})[0], windows(windows(X, 2), 2))
    assert np.array_equal(mlc.jit(lambda x: twice(x))(X), windows(windows(X, 2), 2))


def test_nodes_carry_name_parameters_and_line() -> None:
    a = te.placeholder((6,), "float64", name="a")
    node = window_sum(a, width=np.int64(2)).op
    assert isinstance(node, Compute)
    assert node.op == "window_sum" and node.params == (("width", 2),)
    assert node.location is not None and node.location.filename == __file__
    assert scaled.name == "scaled_pair" and scaled.overrides == {"vjp": "stated here"}
    assert OPS["window_sum"] is window_sum and window_sum.__doc__.startswith("out[i]")
    assert repr(window_sum) == "<mlc operator window_sum(x: 'Any', *, width: 'int' = 3) -> 'Any'>"


def test_equal_calls_are_one_tensor() -> None:
    tensors = []

    def f(x: Any) -> Any:
        calls = [window_sum(x), window_sum(x, width=3), window_sum(x, width=True), x + 1, x + 1.0]
        calls += [x + 1, np.add(x, X), np.add(x, X), x + np.float64(1), x + np.float64(1)]
        tensors[:] = [call._tensor for call in calls]
        return calls

    mlc.jit(f).lower(X)
    numbers = [tensors.index(tensor) for tensor in tensors]
    assert numbers == [0, 0, 2, 3, 4, 3, 6, 6, 8, 8]


def test_numbers_passed_to_a_jitted_function_promote_weakly_in_bodies() -> None:
    f = mlc.jit(lambda x, s: scaled((x, x), s)[0])
    assert f(X.astype(np.float32), 2.5).dtype == np.float32
    assert f(X.astype(np.int8), 2.5).dtype == np.float64


def test_a_name_of_ours_stays_ours() -> None:
    mlc.jit(lambda x: np.exp(x))(X)  # loads the declarations
    builtin = OPS["exp"]

    @mlc.op
    def exp(x: Any) -> Any:
        return te.compute(x.shape, lambda i: x[i] * 2)

    assert OPS["exp"] is builtin and exp.name == f"{__name__}.exp"
    assert np.array_equal(exp(X), X * 2)


def test_it_may_stand_for_a_numpy_function() -> None:
    times: Any = np.frompyfunc(lambda a, b: a * b, 2, 1)

    @mlc.implements(times)
    def product(x1: Any, x2: Any) -> Any:
        return x1 * x2

    try:
        assert np.array_equal(mlc.jit(lambda x: times(x, x))(np.arange(3)), [0, 1, 4])
    finally:
        from mlc.ops.op import UFUNCS

        del UFUNCS[times]


def test_refused() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.jit(lambda x, n: window_sum(x, width=n))(X, np.int64(3))
    assert str(caught.value).startswith(
        "width= of window_sum must be known while tracing, got the traced value traced int64[] "
        "(argument "
        "n); pass a Python value, or name the argument it came from in static_argnames"
    )
    with pytest.raises(mlc.ArgumentError, match="cannot be called like this: too many positional"):
        window_sum(X, 3)
    with pytest.raises(mlc.ArgumentError, match="takes \\*\\*kwargs; name its static parameters"):
        mlc.op(lambda x, **options: x)

    @mlc.op
    def scalar(x: Any) -> Any:
        return x[0] + 1

    with pytest.raises(
        mlc.ArgumentError, match=r"operator 'scalar' must return a te tensor, as te"
    ):
        scalar(X)
    with pytest.raises(
        mlc.ArgumentError, match="window_sum: expected an array or a number, got str"
    ):
        mlc.jit(lambda x: window_sum("abc"))(X)


def test_what_data_look_up_outside_is_refused() -> None:
    @mlc.op
    def picked(table: Any, rows: Any) -> Any:
        return te.compute(rows.shape, lambda i: table[rows[i]])

    f = mlc.jit(lambda table, rows: picked(np.exp(table), rows) + np.take(table, rows))
    table = np.arange(5.0)
    assert np.allclose(f(table, np.array([4, 0])), np.exp(table)[[4, 0]] + table[[4, 0]])
    for index in (5, -1, 10**14):
        for _ in range(3):
            with pytest.raises(mlc.BoundsError, match=f"index {index} is out of bounds for axis 0"):
                f(table, np.array([4, index]))
    assert mlc.jit(np.take)(table, np.array([4, 4])).tolist() == [4, 4]


def test_derivations_that_there_are_not_are_refused() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.op(vjb=None)
    assert caught.value.message == (
        "mlc.op got vjb=, which is no derivation of an operator; there are "
        "batch=, jvp=, view=, vjp="
    )
