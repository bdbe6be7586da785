"""The evaluator: the meaning of te, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc import te
from mlc.errors import ArgumentError, BoundsError, DTypeError, ShapeError
from mlc.te import evaluate as module
from mlc.te.evaluate import evaluate, pieces
from tests.ir.samples import argmax_tensors, mm_relu_tensors


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_matmul_and_relu_share_the_product() -> None:
    A, B, Y, C = mm_relu_tensors(8, 9, 16)
    a, b = normal(8, 16), normal(16, 9)
    c, y = evaluate([C, Y], {A: a, B: b})
    bound = 16 * 2.0**-24 * (abs(a) @ abs(b))
    assert (abs(y - a.astype("float64") @ b) <= bound).all()
    np.testing.assert_array_equal(c, np.maximum(y, 0))


@pytest.mark.parametrize("piece", [1, 7, 50, 10**6])
def test_pieces_change_nothing_but_rounding(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", piece)
    A, B, _, C = mm_relu_tensors(3, 4, 5)
    a, b = np.arange(15.0, dtype="float32").reshape(3, 5), np.eye(5, 4, dtype="float32")
    (c,) = evaluate([C], {A: a, B: b})
    np.testing.assert_array_equal(c, a @ b)
    x = te.placeholder((3, 11), "float32", name="x")
    at, best = evaluate(argmax_tensors(x), {x: normal(3, 11)})
    np.testing.assert_array_equal(at, normal(3, 11).argmax(1))
    np.testing.assert_array_equal(best, normal(3, 11).max(1))


@given(st.lists(st.integers(1, 5), max_size=4), st.integers(1, 40))
def test_pieces_cover_every_point_once(extents: list[int], limit: int) -> None:
    seen = np.zeros(extents, int)
    for box in pieces(extents, limit):
        assert np.prod([s.stop - s.start for s in box]) <= limit
        seen[box] += 1
    assert (seen == 1).all()


def test_long_general_reductions_fold_as_a_tree() -> None:
    x = te.placeholder((2, 5000), "float32", name="x")
    at, _ = evaluate(argmax_tensors(x), {x: normal(2, 5000)})
    np.testing.assert_array_equal(at, normal(2, 5000).argmax(1))


def test_reductions_keep_their_dtype() -> None:
    for dtype, want in (("int8", 300 % 256), ("float32", 300), ("bool", True), ("bfloat16", 256)):
        x = te.placeholder((300,), dtype, name="x")
        k = te.reduce_axis(300)
        total = te.compute((), lambda: te.sum(x[k], axis=k))
        (out,) = evaluate([total], {x: np.ones(300, x.dtype.numpy)})
        assert out.dtype == x.dtype.numpy and out.shape == ()
        if dtype != "bfloat16":  # where 256 + 1 is 256; how far a sum gets depends on the order
            assert out[()] == want


def test_empty_shapes_and_empty_reductions() -> None:
    x = te.placeholder((0, 3), "float32", name="x")
    k = te.reduce_axis(0)
    same = te.compute((0, 3), lambda i, j: x[i, j] + 1)
    low = te.compute((3,), lambda j: te.max(x[k, j], axis=k))
    a, b = evaluate([same, low], {x: np.zeros((0, 3), "float32")})
    assert a.shape == (0, 3)
    np.testing.assert_array_equal(b, np.full(3, -np.inf))


def test_shifted_strided_and_reversed_reads() -> None:
    x = te.placeholder((10,), "float32", name="x")
    values = np.arange(10, dtype="float32")
    for body, want in (
        (lambda i: x[i * 2 + 1], values[1::2]),
        (lambda i: x[9 - i], values[:4:-1]),
        (lambda i: x[i // 2], values.repeat(2)[:5]),
        (lambda i: x[3], np.full(5, 3)),
    ):
        np.testing.assert_array_equal(evaluate([te.compute((5,), body)], {x: values})[0], want)


def test_transposes_and_broadcasts() -> None:
    x = te.placeholder((2, 3), "float32", name="x")
    y = te.compute((3, 4, 2), lambda i, j, l: x[l, i] * 10 + j)
    values = np.arange(6, dtype="float32").reshape(2, 3)
    want = values.T[:, None, :] * 10 + np.arange(4)[:, None]
    np.testing.assert_array_equal(evaluate([y], {x: values})[0], want)


def test_a_select_guards_its_sides() -> None:
    x = te.placeholder((3,), "float32", name="x")
    y = te.compute(
        (7,),
        lambda i: te.select(i < 2, 0.0, te.select(i < 5, x[i - 2] + 1, x[i - 4] - x[i - 4])),
    )
    out = evaluate([y], {x: np.array([1, 2, 3], "float32")})[0]
    np.testing.assert_array_equal(out, [0, 0, 2, 3, 4, 0, 0])


def test_an_unguarded_index_is_reported() -> None:
    x = te.placeholder((3,), "float32", name="x")
    n = te.placeholder((2, 2), "int64", name="n")
    y = te.compute((2, 2), lambda i, j: te.select(n[i, j] > 0, x[n[i, j]], 0.0), name="y")
    evaluate([y], {x: np.zeros(3, "float32"), n: np.array([[0, -5], [2, 1]])})
    with pytest.raises(BoundsError) as caught:
        evaluate([y], {x: np.zeros(3, "float32"), n: np.array([[0, -5], [3, 1]])})
    assert caught.value.message == (
        "index 3 is out of bounds for axis 0 of x with size 3: n[i, j] in 'y' at i=1, j=0"
    )
    assert caught.value.location is not None and caught.value.location.filename == __file__


def test_feeds_are_checked() -> None:
    x = te.placeholder((3,), "float32", name="x")
    y = te.compute((3,), lambda i: x[i])
    with pytest.raises(ArgumentError, match="no value was given for the input x"):
        evaluate([y], {})
    with pytest.raises(ShapeError, match=r"expected shape \(3,\) for x, got \(4,\)"):
        evaluate([y], {x: np.zeros(4, "float32")})
    with pytest.raises(DTypeError, match="expected float32 for x, got float64"):
        evaluate([y], {x: np.zeros(3)})


def test_integers_wrap_and_powers_are_total() -> None:
    x = te.placeholder((5,), "int8", name="x")
    y = te.compute((5,), lambda i: x[i] ** x[4 - i])
    values = np.array([-1, 100, 0, -2, -3], "int8")
    # (-1) ** -3, 100 ** -2, 0 ** 0, (-2) ** 100 modulo 256, (-3) ** -1
    assert evaluate([y], {x: values})[0].tolist() == [-1, 0, 1, 0, 0]
