"""What operators refuse, and that the sentence says shapes, axes and what to do instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.config import config
from mlc.errors import (
    ArgumentError,
    BoundsError,
    DomainError,
    DTypeError,
    ShapeError,
    UnsupportedError,
)
from mlc.ops import convolve, elementwise, nn, update

from .harness import run

A = np.zeros((3, 4), np.float32)
B = np.zeros((3, 5), np.float32)
N = np.zeros(4, np.int32)
E = np.zeros((0, 4), np.float32)

REFUSED: list[tuple[Any, tuple[Any, ...], type[Exception], str]] = [
    (
        np.add,
        (A, B),
        ShapeError,
        "add: shapes (3, 4) and (3, 5) do not broadcast: axis -1 has size 4 in one and 5 in the "
        "other; sizes must be equal or 1",
    ),
    (
        np.vecdot,
        (A, A[:, :1]),
        ShapeError,
        "vecdot: shapes (3, 4) and (3, 1) have 4 and 1 elements along axis -1, which is not "
        "broadcast",
    ),
    (np.subtract, (N > 0, N > 0), DTypeError, "np.subtract has no loop for (bool, bool)"),
    (np.bitwise_and, (A, A), DTypeError, "np.bitwise_and has no loop for (float32, float32)"),
    (lambda x: x + 300, (N.astype("uint8"),), OverflowError, "300 out of bounds for uint8"),
    (lambda x: x**-1, (N,), ValueError, "Integers to negative integer powers are not allowed."),
    (
        lambda x: elementwise.astype(x, dtype="complex64"),
        (A,),
        DTypeError,
        "dtype 'complex64' is not supported; supported are bool, int8",
    ),
    (lambda x: x[[3]], (A,), BoundsError, "index 3 is out of bounds for axis 0 of shape (3, 4)"),
    (
        lambda x: x[:, [0, -5]],
        (A,),
        BoundsError,
        "index -5 is out of bounds for axis 1 of shape (3, 4)",
    ),
    (
        lambda x, w: np.average(x, axis=0, weights=w),
        (A, N),
        ShapeError,
        "np.average: weights of shape (4,) do not fit an array of shape (3, 4) over axis 0; give "
        "weights of the same shape, or 1-d ones along one axis",
    ),
    (
        lambda x, e: np.histogram(x, e),
        (A, B),
        ShapeError,
        "np.histogram: edges must be 1-d and at least two, got shape (3, 5)",
    ),
    (
        lambda x, e: np.histogram(x, e),
        (A, N[:1]),
        ShapeError,
        "np.histogram: edges must be 1-d and at least two, got shape (1,)",
    ),
    (
        lambda x: np.roll(x, (1, 2, 3), axis=(0, 1)),
        (A,),
        ShapeError,
        "roll: shift (1, 2, 3) and axis (0, 1) are not equally many",
    ),
    (
        np.poly,
        (A,),
        ShapeError,
        "np.poly: needs 1-d roots or a square matrix, got shape (3, 4)",
    ),
    (
        lambda x: np.linalg.vector_norm(x, ord="fro"),
        (A,),
        ArgumentError,
        "np.linalg.vector_norm: ord is a number, got 'fro'",
    ),
    (
        nn.scaled_dot_product_attention,
        (A, B[:, :4], np.zeros((2, 4), np.float32)),
        ShapeError,
        "attention: query (..., l, d), key (..., s, d) and value (..., s, v) expected, got shapes "
        "(3, 4), (3, 4), (2, 4)",
    ),
    (nn.scaled_dot_product_attention, (A, B, B), ShapeError, "got shapes (3, 4), (3, 5), (3, 5)"),
    (lambda x: np.where(x), (A,), UnsupportedError, "use np.where(condition, x, y)"),
    (
        lambda x: np.max(x, axis=0),
        (E,),
        ShapeError,
        "np.max of zero elements: axis 0 of shape (0, 4) is empty, and the operation has no "
        "identity",
    ),
    (lambda x: np.argmax(x, axis=0), (E,), ShapeError, "np.argmax of an empty sequence"),
    (
        lambda x: np.sum(x, axis=2),
        (A,),
        ShapeError,
        "np.sum: axis 2 is out of range for an array of 2 dimensions",
    ),
    (lambda x: np.sum(x, axis=(0, -2)), (A,), ShapeError, "names the same axis twice"),
    (
        lambda x: np.sum(x, out=np.zeros(())),
        (A,),
        UnsupportedError,
        "np.sum with out= cannot be traced",
    ),
    (
        lambda x, y: x @ y,
        (A, B),
        ShapeError,
        "matmul: shapes (3, 4) and (3, 5) do not fit: axis 1 of the first has size 4 and axis 0 "
        "of the second has size 3; they must be equal",
    ),
    (lambda x: np.matmul(x, 2.0), (A,), ShapeError, "operands need at least one axis"),
    (
        lambda x, y: np.einsum("ij,ij", x, y),
        (A, B),
        ShapeError,
        "einsum: shapes (3, 4) and (3, 5) do not fit: axis 1 of (3, 5) has size 5",
    ),
    (lambda x: np.einsum("ijk->i", x), (A,), ShapeError, "names 3 axes, the operand has 2"),
    (lambda x: np.einsum("ij,jk", x), (A,), ArgumentError, "names 2 operands, got 1"),
    (lambda x: np.einsum("ij->ik", x), (A,), DomainError, "must name labels of the operands"),
    (lambda x: np.quantile(x, 2), (A,), DomainError, "q must be in the range"),
    (lambda x: np.meshgrid(x, indexing="zz"), (A,), DomainError, "indexing must be 'xy' or 'ij'"),
    (
        lambda x: np.reshape(x, (5, -1)),
        (A,),
        ShapeError,
        "has 12 elements, which (5, -1) does not divide",
    ),
    (
        lambda x: np.reshape(x, (5, 2)),
        (A,),
        ShapeError,
        "has 12 elements, and shape (5, 2) wants 10",
    ),
    (lambda x: np.transpose(x, (0, 0)), (A,), ShapeError, "must name each of the 2 axes once"),
    (
        lambda x: np.squeeze(x, 0),
        (A,),
        ShapeError,
        "axis 0 of shape (3, 4) has size 3; only size 1 can go",
    ),
    (lambda x: np.broadcast_to(x, (4, 3)), (A,), ShapeError, "broadcast_to"),
    (
        lambda x, y: np.concatenate([x, y]),
        (A, B),
        ShapeError,
        "shapes (3, 4) and (3, 5) (array 1) differ in axis 1: 4 and 5; only axis 0 may differ",
    ),
    (
        lambda x, y: np.stack([x, y]),
        (A, B),
        ShapeError,
        "array 0 has shape (3, 4) and array 1 has (3, 5)",
    ),
    (lambda x: np.split(x, 2), (A,), ShapeError, "use np.array_split"),
    (lambda x: np.pad(x, 1, mode="middle"), (A,), ValueError, "mode 'middle' is not supported"),
    (lambda x: np.pad(x, 1, np.copyto), (A,), UnsupportedError, "pad with mode='empty', and write"),
    (lambda x: x[3], (A,), BoundsError, "index 3 is out of bounds for axis 0 of shape (3, 4)"),
    (lambda x: x[[0, 4]], (A,), BoundsError, "index 4 is out of bounds for axis 0 of shape (3, 4)"),
    (lambda x: x[0, 0, 0], (A,), BoundsError, "too many indices: 3 for an array of shape (3, 4)"),
    (lambda x: x[[0, 1], [0, 1, 2]], (A,), BoundsError, "shapes (2,) and (3,) do not broadcast"),
    (lambda x: x[..., ...], (A,), BoundsError, "an index can have only one ellipsis (...)"),
    (lambda x: x[::0], (A,), DomainError, "a slice step cannot be zero"),
    (lambda x: x[x > 0], (A,), UnsupportedError, "use np.where(mask, x, fill)"),
    (lambda x, n: x[: n[0]], (A, N), ArgumentError, "use x[start + np.arange(size)]"),
    (lambda x: x[x], (A,), BoundsError, "use .astype(int)"),
    (lambda x: x[1.5], (A,), BoundsError, "an index must be an integer"),
    (lambda x, y: update.setitem(x, 0, y), (A, B), ShapeError, "does not fit the assigned part"),
    (
        lambda x, w: convolve.conv2d(x, w),
        (np.zeros((1, 3, 5, 5)), np.zeros((2, 4, 3, 3))),
        ShapeError,
        "conv2d: x has 3 channels (axis 1) and weight wants 4 x 1 groups = 4",
    ),
    (
        lambda x, w: convolve.conv2d(x, w),
        (np.zeros((1, 3, 2, 5)), np.zeros((2, 3, 3, 3))),
        ShapeError,
        "a window of 3 x 3 does not fit into 2 x 5",
    ),
    (lambda x: nn.one_hot(x, 3), (A,), ArgumentError, "indices must be integers, got float32"),
]


@pytest.mark.parametrize(("function", "arrays", "error", "text"), REFUSED)
def test_refused(function: Any, arrays: tuple[Any, ...], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        run(function, arrays)
    assert text in str(caught.value)


def test_an_index_out_of_range_is_clamped_unless_debugging() -> None:
    x, n = np.arange(5.0), np.array([7, -9, -1])
    take = lambda x, n: x[n]
    np.testing.assert_array_equal(run(take, (x, n)), [4, 0, 4])
    with config.override(debug=True), pytest.raises(BoundsError):
        run(take, (x, n))


def test_a_view_of_everything_is_the_tensor_itself() -> None:
    x = te.placeholder((3, 4), "float32", name="x")
    from mlc.ops import index, shape

    assert index.getitem(x, ...) is x
    assert shape.reshape(x, (3, -1)) is x
    assert shape.transpose(shape.transpose(x, (0, 1))) is not x
    assert elementwise.astype(x, dtype="float32") is x


def test_a_whole_number_times_bfloat16_in_a_product_is_refused() -> None:
    import ml_dtypes

    x = np.ones(3, ml_dtypes.bfloat16)
    with pytest.raises(DTypeError, match="dtypes int64, bfloat16 have no common dtype"):
        run(np.dot, (np.int64(3), x))


def test_bfloat16_stays_beside_python_floats_and_in_products() -> None:
    import ml_dtypes

    x = np.array([[1.0, 2.0], [3.0, 4.0]], ml_dtypes.bfloat16)
    for function in (lambda x: x * 0.5, lambda x: x @ x, lambda x: np.mean(x), lambda x: x / 3):
        assert run(function, (x,)).dtype == x.dtype
    bounded = mlc.jit(lambda x: np.clip(x, x.max() > 9, 0.5))(x - 2)  # beside a truth value, too
    assert bounded.dtype == x.dtype
    np.testing.assert_array_equal(bounded.astype(float), [[0, 0], [0.5, 0.5]])
    np.testing.assert_array_equal(run(lambda x: x @ x, (x,)).astype(float), [[7, 10], [15, 22]])


def test_float16_sums_are_kept_in_float32() -> None:
    x = np.full(4096, 1.0, np.float16)
    assert run(np.sum, (x,)) == 4096  # in float16, 2048 + 1 is 2048
    assert run(lambda x: x @ x, (x,)) == 4096
    assert run(np.mean, (x * 32,)) == 32


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: np.einsum(x, [0, 1], [0, 3]), "the output of [0, 1] -> [0, 3] must name labels"),
        (
            lambda x: np.einsum(x, [0, 1, 2], x, [..., 3]),
            "einsum: [0, 1, 2] in [0, 1, 2], [..., 3] names 3 axes, the operand has 2",
        ),
        (lambda x: np.einsum(x, [..., 1], [1]), "has none; write [..., 1] or sum them first"),
    ],
)
def test_axes_that_were_given_by_number_are_told_so(function: Any, text: str) -> None:
    with pytest.raises(mlc.MlcError) as caught:
        mlc.jit(function)(A)
    assert text in str(caught.value)
