"""What may be passed to a jitted function and what comes back: as without mlc.jit."""

from __future__ import annotations

import functools
import inspect
import pickle
import threading
import time
from collections import namedtuple
from typing import Any

import numpy as np
import optree
import pytest

import mlc

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.array([1.0, -2.0, 3.0, 0.5], np.float32)


def same(got: Any, want: Any) -> None:
    """Equal values, types, dtypes and shapes, in equal structures."""
    assert type(got) is type(want)
    if isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for g, w in zip(got, want):
            same(g, w)
    elif isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            same(got[key], want[key])
    elif isinstance(want, (np.ndarray, np.generic)):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got, want)
    else:
        assert got == want


def pair(x: Any, y: Any) -> Any:
    return x + y, x * 2


def nested(tree: Any, scale: Any) -> Any:
    return {"b": [tree["w"] * scale, None], "a": tree["layers"][0][1] - tree["layers"][1][0]}


def variadic(x: Any, *rest: Any, first: Any = None, **more: Any) -> Any:
    total = x
    for item in rest:
        total = total + item
    if first is not None:
        total = total * first
    for name in more:
        total = total - more[name]
    return total


TREE = {"w": X, "layers": [(V, V * 2), (V + 1, None)]}
CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (pair, (X, V), {}),
    (pair, (X,), {"y": V}),
    (pair, (), {"y": V, "x": X}),
    (pair, (X, 2), {}),
    (pair, (X, 2.5), {}),
    (pair, (X, True), {}),
    (pair, (X, np.float64(2)), {}),
    (pair, (np.float32(3), np.int8(2)), {}),
    (pair, (3, 2), {}),
    (pair, (X.astype(np.int8), 2), {}),
    (pair, (X.astype(np.int8), 2.0), {}),
    (nested, (TREE, 2.0), {}),
    (nested, (TREE,), {"scale": X}),
    (variadic, (X,), {}),
    (variadic, (X, V, V), {"first": 2.0}),
    (variadic, (X,), {"c": V, "a": X, "first": 3}),
    (lambda x: x, (X,), {}),
    (lambda x: (x, x, 1, "text", None, [X]), (V,), {}),
    (lambda x: None, (V,), {}),
    (lambda x: x.sum(), (V,), {}),
    (lambda x: (x.sum(), x.max()), (V,), {}),
    (lambda n, x: (n * 2 + 1, n / 2, x * (n / 2)), (3, V), {}),
    (lambda n: -n, (3,), {}),
    (lambda: np.ones(3), (), {}),
    (lambda x: np.float32(2) * x, (V,), {}),
    (lambda x: V + x, (X,), {}),
    (lambda x: [1, 2, 3, 4] * x, (X,), {}),
    (lambda x: x == None, (X[0, 0],), {}),  # noqa: E711
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_results_are_those_of_the_plain_function(call: Any) -> None:
    function, args, kwargs = call
    jitted = mlc.jit(function)
    for _ in range(2):
        same(jitted(*args, **kwargs), function(*args, **kwargs))
    assert len(jitted.cache_info()) == 1


@pytest.mark.parametrize(
    "array",
    [
        X[::-1], X[:, ::2], X.T, np.broadcast_to(V, (3, 4)), X[:0], X[1:2, 1:2], X[0, 0],
        np.array(5.0), X.astype(">f4").astype("=f4"), np.asfortranarray(X), X[..., None, ::-2],
        np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 4),
        np.zeros(3, [("a", np.int8), ("b", np.float32)])["b"],
    ],
    ids=range(13),
)  # fmt: skip
def test_every_layout_is_taken(array: Any) -> None:
    array = np.asarray(array)
    same(mlc.jit(lambda x: x * 2 + 1)(array), array * 2 + 1)


def test_named_tuples_and_registered_classes() -> None:
    Point = namedtuple("Point", "x y")
    jitted = mlc.jit(lambda p: Point(p.y, p.x + 1))
    got = jitted(Point(X, V))
    assert type(got) is Point
    same(tuple(got), (V, X + 1))

    @optree.dataclasses.dataclass(namespace="mlc")
    class Weights:
        w: Any
        b: Any

    moved = mlc.jit(lambda k: Weights(k.w @ k.b, k.b))(Weights(X, V))
    same(moved.w, X @ V)


def test_defaults_are_python_values() -> None:
    @mlc.jit
    def total(x: Any, axis: Any = 1, *, how: str = "sum") -> Any:
        return getattr(np, how)(x, axis=axis)

    same(total(X), X.sum(axis=1))


def test_static_arguments_by_name_and_by_place() -> None:
    def total(x: Any, axis: Any, how: str = "sum") -> Any:
        return getattr(np, how)(x, axis=axis)

    for jitted in (
        mlc.jit(static_argnames=("axis", "how"))(total),
        mlc.jit(total, static_argnums=(1, -1)),
    ):
        same(jitted(X, 0), X.sum(axis=0))
        same(jitted(X, axis=0), X.sum(axis=0))
        same(jitted(X, 1, "max"), X.max(axis=1))
        same(jitted(X, how="max", axis=(0, 1)), X.max())
        assert len(jitted.cache_info()) == 3


def test_static_values_of_different_types_are_told_apart() -> None:
    kind = mlc.jit(lambda x, s: x + (type(s) is bool) + 10 * (type(s) is float), static_argnums=1)
    assert [kind(0.0, s) for s in (1, True, 1.0)] == [0.0, 1.0, 10.0]


def test_a_python_int_is_static_where_its_value_is_wanted() -> None:
    def windows(x: Any, size: int, steps: int) -> Any:
        for _ in range(steps):
            x = x + 1
        return x[:, :size], np.zeros(size + 1), np.histogram(x, bins=size)[0]

    jitted = mlc.jit(windows)
    for size, steps in ((2, 3), (3, 3), (3, 5), (2, 3)):
        same(jitted(X, size, steps), windows(X, size, steps))
    rows = jitted.cache_info().rows
    assert [row.signature for row in rows] == [
        f"x: float32[3, 4], size={size}, steps: int" for size in (2, 3)
    ]
    assert rows[0].reason == "first call; compiled for each value of size"

    named = mlc.jit(lambda x, n, steps: np.ones(n) * steps)  # what is not wanted stays traced
    for n, steps in ((2, 3), (2, 4), (5, 4)):
        same(named(X, n, steps), np.ones(n) * steps)
    assert [row.signature for row in named.cache_info().rows] == [
        f"x: float32[3, 4], n={n}, steps: int" for n in (2, 5)
    ]
    with pytest.raises(mlc.ShapeError, match=r"shapes \(3, 4\) and \(5,\) do not broadcast"):
        mlc.jit(lambda x, n: x + np.ones(n))(X, 5)


def test_python_numbers_promote_as_numpy_has_it() -> None:
    u8, f4 = np.array([4, 8], np.uint8), np.array([1, 2], np.float32)
    rows: list[tuple[Any, Any, Any]] = [
        (lambda x, n: x / n, u8, -1),
        (lambda x, n: np.logaddexp(x, n), u8, -1),
        (lambda x, n: x < n, u8, -3),
        (lambda x, n: x * np.sum(n), f4, 2),
        (lambda x, n: x * np.nan_to_num(n), f4, 2),
        (lambda x, n: x * abs(n), f4, 2),
        (lambda x, n: np.choose(x > 4, [n, x]), u8, 2),
        (lambda x, n: np.quantile(x, n), f4, 0.25),
        (lambda x, n: np.dot(x, n), f4, 2.5),
    ]
    for function, x, n in rows:
        want, got = function(x, n), mlc.jit(function)(x, n)
        assert want.dtype == got.dtype
        np.testing.assert_array_max_ulp(np.float64(got), np.float64(want))


def test_out_is_written() -> None:
    jitted = mlc.jit(pair)
    first, second = np.empty((3, 4), np.float32), np.empty((3, 4), np.float32)
    assert jitted(X, V, out=(first, second))[0] is first
    same((first, second), pair(X, V))
    total, out = mlc.jit(lambda x: x + 1), np.empty((4, 3), np.float32)
    assert total(X, out=out.T) is not None
    same(np.array(out.T), X + 1)
    value = X.copy()
    total(value, out=value)
    same(value, X + 1)
    shifted = X.copy()
    mlc.jit(lambda x: x[::-1] + 0)(shifted, out=shifted)
    same(shifted, X[::-1] + 0)
    thing = mlc.jit(lambda x, out: x + out)
    same(thing(X, out=V), X + V)


def test_methods_and_attributes_they_read() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = V.copy()

        @mlc.jit
        def __call__(self, x: Any) -> Any:
            return self.head(x) + 1

        def head(self, x: Any) -> Any:
            return x * self.w

        @staticmethod
        @mlc.jit
        def double(x: Any) -> Any:
            return x * 2

        @mlc.jit
        @classmethod
        def named(cls, x: Any) -> Any:
            return x + len(cls.__name__)

    one, two = Model(), Model()
    two.w = V * 3
    same(one(X), X * V + 1)
    same(two(X), X * V * 3 + 1)
    one.w[0] = 9
    same(one(X), X * one.w + 1)
    same(Model.double(X), X * 2)
    same(one.named(X), X + 5)


def test_decorators_above_and_below() -> None:
    def below(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args) + 1

        return wrapper

    @below
    @mlc.jit
    @below
    def double(x: Any) -> Any:
        """Twice x."""
        return x * 2

    same(double(X), X * 2 + 2)
    inner = double.__wrapped__
    assert inner.__name__ == "double" and inner.__doc__ == "Twice x."
    assert (
        str(inspect.signature(mlc.jit(pair, target="interpret"))) == "(x: 'Any', y: 'Any') -> 'Any'"
    )


def test_a_jitted_function_inside_another_is_inlined() -> None:
    inner = mlc.jit(pair)
    outer = mlc.jit(lambda x: inner(x, x)[0] * inner(1, 2)[0])
    same(outer(X), (X + X) * 3)
    assert len(inner.cache_info()) == 0


def test_in_place_operators_change_the_array_itself() -> None:
    @mlc.jit
    def total(x: Any) -> Any:
        y = x
        y += 1
        y *= x
        return y

    mine, theirs = X.copy(), X.copy()
    assert total(mine) is mine
    total._function(theirs)
    same(mine, theirs)


def test_python_protocols() -> None:
    @mlc.jit
    def rows(x: Any) -> Any:
        first, *rest = x
        assert len(x) == 3 and x.ndim == 2 and x.size == 12 and x.dtype == np.float32
        q, r = divmod(first, 2)
        return (
            first @ rest[0],
            abs(-first),
            q,
            r,
            np.round(first / 3, 2),
            x.T[1],
            x[..., -1],
            2**first,
        )

    first, second, _ = X
    q, r = divmod(first, 2)
    want = (first @ second, abs(-first), q, r, np.round(first / 3, 2), X.T[1], X[..., -1], 2**first)
    same(rows(X), want)


def test_one_trace_for_many_threads() -> None:
    @mlc.jit
    def slow(x: Any) -> Any:
        time.sleep(0.02)
        return x + 1

    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(slow(X))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and len(slow.cache_info()) == 1
    for result in results:
        same(result, X + 1)


def test_pickled_by_reference() -> None:
    again = pickle.loads(pickle.dumps(mlc.jit(np.hypot)))
    same(again(X, X), np.hypot(X, X))


def test_objects_that_are_arrays() -> None:
    class Shell:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return X

    class Capsule:
        def __dlpack__(self, **options: Any) -> Any:
            return X.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return X.__dlpack_device__()

    for value in (Shell(), Capsule()):
        same(mlc.jit(pair)(value, V), pair(X, V))
