"""``mlc.build``: functions that fill the caller's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.te.lookups import may_look_outside

A = te.placeholder((3, 4), "float32", name="A")
B = te.placeholder((4, 5), "float32", name="B")
k = te.reduce_axis((0, 4), "k")
Y = te.compute((3, 5), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="Y")
C = te.compute((3, 5), lambda i, j: te.max(Y[i, j], 0), name="C")
a = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
b = np.arange(20, dtype=np.float32).reshape(4, 5)


def test_it_fills_outputs_and_returns_nothing() -> None:
    f = mlc.build([A, B, C])
    c = np.empty((3, 5), np.float32)
    assert f(a, b, c) is None
    assert np.array_equal(c, np.maximum(a @ b, 0))
    assert f.__name__ == "C" and repr(f) == "<mlc.build C(A, B, C)>"


def test_several_outputs_in_any_order() -> None:
    f = mlc.build([Y, A, C, B], name="both")
    y, c = np.empty((3, 5), np.float32), np.empty((3, 5), np.float32)
    f(y, a, c, b)
    assert np.array_equal(y, a @ b) and np.array_equal(c, np.maximum(a @ b, 0))


def test_other_layouts_go_by_way_of_a_copy() -> None:
    f = mlc.build([A, B, C])
    c = np.empty((5, 3), np.float32).T
    f(np.asfortranarray(a), b[:, ::-1], c)
    assert np.array_equal(c, np.maximum(a @ b[:, ::-1], 0))


def test_an_output_may_share_memory_with_an_input() -> None:
    x = te.placeholder((4,), name="x")
    backwards = mlc.build([x, te.compute((4,), lambda i: x[3 - i] + 0, name="y")])
    values = np.arange(4, dtype=np.float32)
    backwards(values, values)
    assert values.tolist() == [3, 2, 1, 0]


def test_numbers_fill_placeholders_without_axes() -> None:
    s = te.placeholder((), "float32", name="s")
    y = te.compute((2,), lambda i: s[()] * 2, name="y")
    out = np.empty(2, np.float32)
    mlc.build([s, y])(1.5, out)
    assert out.tolist() == [3, 3]


def call(*args: Any) -> Any:
    return lambda: mlc.build([A, B, C])(*args)


c = np.empty((3, 5), np.float32)
REFUSED = [
    (call(a, b), mlc.ArgumentError, "C wants 3 arrays (A, B, C), got 2"),
    (call(a, a, c), mlc.ShapeError, "argument 1 (B) of C has shape (3, 4), expected (4, 5)"),
    (
        call(a.astype(float), b, c),
        mlc.DTypeError,
        "argument 0 (A) of C has dtype float64, expected float32",
    ),
    (call("a", b, c), mlc.ArgumentError, "argument 0 (A) of C must be an array, got str"),
    (
        call(a, b, c[:2]),
        mlc.ShapeError,
        "argument 2 (C) of C has shape (2, 5), but the result has shape (3, 5)",
    ),
    (call(a, b, [1]), mlc.ArgumentError, "argument 2 (C) of C must be a NumPy array, got list"),
    (
        lambda: mlc.build([A, C]),
        mlc.ArgumentError,
        "C is computed from the placeholder B, which is not in the list; add it: mlc.build([A, B, "
        "C])",
    ),
    (
        lambda: mlc.build([A, B]),
        mlc.ArgumentError,
        "nothing to compute: the list holds placeholders only; add the tensors to be filled",
    ),
    (
        lambda: mlc.build([A, A, B, C]),
        mlc.ArgumentError,
        "A stands in the list twice; it can be one argument",
    ),
    (
        lambda: mlc.build([A, B, 3]),
        mlc.ArgumentError,
        "mlc.build wants te tensors, but item 2 of the list is int",
    ),
    (
        lambda: mlc.build("ABC"),
        mlc.ArgumentError,
        "mlc.build wants a list of te tensors such as [A, B, C], a tensor program, a schedule or a "
        "module of programs, got str",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=range(len(REFUSED)))
def test_refused(case: Any) -> None:
    attempt, kind, text = case
    with pytest.raises(kind) as caught:
        attempt()
    assert str(caught.value).partition("\n")[0] == text


def test_what_data_look_up_outside_is_refused_without_debug_mode() -> None:
    rows = te.placeholder((4,), "int64", name="rows")
    picked = te.compute((4, 4), lambda i, j: A[rows[i], j] * 2, name="picked")
    f = mlc.build([A, rows, picked])
    out = np.empty((4, 4), np.float32)
    f(a, np.array([2, 0, 1, 2]), out)
    assert np.array_equal(out, a[[2, 0, 1, 2]] * 2)
    for index in (3, -1, 10**14):
        for _ in range(4):  # by Python's way in, and by the native one
            with pytest.raises(
                mlc.BoundsError, match=f"index {index} is out of bounds for axis 0 of A with size 3"
            ):
                f(a, np.array([2, 0, index, 2]), out)
    f(a, np.array([1, 1, 1, 1]), out)
    assert np.array_equal(out, a[[1, 1, 1, 1]] * 2)


def test_places_that_are_known_to_be_inside_are_not_checked() -> None:
    table = te.placeholder((256,), "float32", name="table")
    codes = te.placeholder((5,), "uint8", name="codes")
    inside = te.compute((5,), lambda i: table[te.cast(codes[i], "int64")], name="inside")
    kept = te.compute((5,), lambda i: table[te.minimum(te.cast(codes[i], "int64"), 9)], name="kept")
    assert not any(may_look_outside(tensor.op) for tensor in (inside, kept))
    short = te.placeholder((255,), "float32", name="short")
    outside = te.compute((5,), lambda i: short[te.cast(codes[i], "int64")], name="outside")
    assert may_look_outside(outside.op)
