"""Kinds of computes, by structure."""

from __future__ import annotations

import pytest

from mlc import te
from mlc.ops import arithmetic, contract, index, join, reduce, shape
from mlc.ops.elementwise import astype
from mlc.te.classify import Kind, classify, is_affine_view
from mlc.te.folds import contraction_of, folds_rows

X = te.placeholder((6, 8), "float32", "x")
W = te.placeholder((8, 5), "float32", "w")
V = te.placeholder((8,), "float32", "v")
H = te.placeholder((8, 5), "float16", "h")
I = te.placeholder((3,), "int64", "i")


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (X, None),
        (shape.transpose(X), Kind.VIEW),
        (shape.reshape(X, (48,)), Kind.VIEW),
        (join.flip(X), Kind.VIEW),
        (index.take(X, I, axis=0), Kind.INJECTIVE),
        (join.concatenate([X, X]), Kind.INJECTIVE),
        (arithmetic.add(X, 1.0), Kind.INJECTIVE),
        (reduce.sum(X, axis=0), Kind.REDUCTION),
        (reduce.max(X), Kind.REDUCTION),
        (contract.matmul(X, V), Kind.REDUCTION),  # each element of x is read once
        (contract.matmul(V, V), Kind.REDUCTION),
        (contract.matmul(X, W), Kind.CONTRACTION),
        (contract.matmul(X, shape.transpose(X)), Kind.CONTRACTION),
    ],
)
def test_kinds(tensor, kind):
    assert classify(tensor) is kind


def test_views_that_strides_can_express():
    assert is_affine_view(shape.transpose(X).op)
    assert is_affine_view(join.flip(X).op)
    assert is_affine_view(shape.reshape(X, (48,)).op)  # X is contiguous
    strided = te.placeholder((6, 8), "float32", "strided", strides=(16, 1))
    assert not is_affine_view(shape.reshape(strided, (48,)).op)


def test_roles_of_a_batched_matmul():
    a = te.placeholder((2, 6, 8), "float32", "a")
    b = te.placeholder((2, 8, 5), "float32", "b")
    out = contract.matmul(a, b)
    found = contraction_of(out.op)
    batch, m, n = out.op.axes
    assert (found.batch, found.m, found.n) == ((batch,), (m,), (n,))
    assert found.lhs.source is a and found.rhs.source is b
    assert found.k == out.op.reduction.axes


def test_roles_of_a_convolution():
    image = te.placeholder((1, 3, 9, 9), "float32", "image")
    weight = te.placeholder((4, 3, 3, 3), "float32", "weight")
    c, dy, dx = te.reduce_axis(3, "c"), te.reduce_axis(3, "dy"), te.reduce_axis(3, "dx")
    out = te.compute(
        (1, 4, 7, 7),
        lambda b, o, y, x: te.sum(
            image[b, c, y + dy, x + dx] * weight[o, c, dy, dx], axis=(c, dy, dx)
        ),
        "conv",
    )
    found = contraction_of(out.op)
    assert [a.name for a in found.m] == ["b", "y", "x"]
    assert [a.name for a in found.n] == ["o"]


def test_operands_may_be_under_casts():
    k = te.reduce_axis(8)
    out = te.compute(
        (6, 5), lambda i, j: te.sum(X[i, k] * te.cast(H[k, j], "float32"), axis=k), "mixed"
    )
    assert classify(out) is Kind.CONTRACTION
    assert classify(astype(X, dtype="float64")) is Kind.INJECTIVE


@pytest.mark.parametrize(
    ("tensor", "rows"),
    [
        (reduce.sum(X, axis=1), True),
        (reduce.sum(X), True),
        (reduce.sum(X, axis=0), False),
        (contract.matmul(X, V), True),
        (contract.matmul(V, W), False),
    ],
)
def test_reductions_along_rows_and_columns(tensor, rows):
    assert folds_rows(tensor.op.reduction) is rows


@pytest.mark.parametrize(
    ("step", "length", "rows"),
    [
        (100, 100, True),  # pieces, one behind the other
        (128, 100, True),
        (64, 100, False),  # windows that overlap
        (2, 2, False),  # pooling: too short for a row
    ],
)
def test_pieces_of_a_row_are_rows(step, length, rows):
    x = te.placeholder((1, 6400), "float32", "x")
    k = te.reduce_axis(length)
    out = te.compute((50,), lambda j: te.sum(x[0, j * step + k], axis=k), "pieces")
    assert folds_rows(out.op.reduction) is rows
