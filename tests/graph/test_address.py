"""Addresses of loads, and whether a view covers its tensor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc import te
from mlc.ir.affine import as_sum
from mlc.ir.expr import const
from mlc.ir.simplify import simplify
from mlc.ops import index, join, shape
from mlc.te.address import address_of, covers
from mlc.te.evaluate import evaluate

X = te.placeholder((6, 8), "float32", "x")
CUBE = te.placeholder((4, 3, 5), "float32", "cube")


def view(tensor):
    return tensor.op.body[0], tensor.op.axes


def test_quotients_and_remainders_of_a_reshape_come_together():
    load, (i,) = view(shape.reshape(CUBE, (60,)))
    (term,) = address_of(load).terms
    assert term[0] is i and term[1] == 1


def test_strides_of_a_placeholder_count():
    strided = te.placeholder((6, 8), "float32", "s", strides=(-16, 2))
    load, (i, j) = view(shape.transpose(strided))
    address = address_of(load)
    assert (address.coefficient(i), address.coefficient(j)) == (2, -16)


@pytest.mark.parametrize(
    ("tensor", "any_order", "in_order"),
    [
        (shape.reshape(X, (48,)), True, True),
        (shape.reshape(X, (2, 3, 8)), True, True),
        (shape.expand_dims(X, 1), True, True),
        (shape.transpose(X), True, False),
        (shape.transpose(CUBE, (1, 0, 2)), True, False),
        (join.flip(X), False, False),
        (index.getitem(X, slice(1, None)), False, False),
        (shape.broadcast_to(X, (2, 6, 8)), False, False),
    ],
)
def test_which_views_cover_their_tensor(tensor, any_order, in_order):
    load, axes = view(tensor)
    assert covers(load, axes, in_order=False) is any_order
    assert covers(load, axes, in_order=True) is in_order


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 3),
    st.lists(st.integers(0, 1), min_size=4, max_size=4),
)
def test_merged_remainders_keep_their_value(sizes, scale, kept):
    """Digits of a number, some left out: the simplified sum has the same value everywhere."""
    total = math.prod(sizes)

    def digits(i):
        out, step = const(0), total
        for size, keep in zip(sizes, kept):
            whole, step = i % step, step // size
            out = out + whole // step * (step * scale * keep)
        return out

    plain = te.compute((total,), digits, "plain")
    better = te.compute((total,), lambda i: simplify(digits(i)), "better")
    a, b = evaluate([plain, better], {})
    np.testing.assert_array_equal(a, b)
    if all(kept[: len(sizes)]):
        assert len(as_sum(better.op.body[0]).terms) == (total > 1)
