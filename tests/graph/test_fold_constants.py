"""Constants that become numbers keep their bits, and large ones are no part of the code."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.graph.fold_constants import fold_constants
from mlc.graph.graph import graph_of
from mlc.te.key import SMALL_CONSTANT
from mlc.te.tensor import Constant, Tensor


def constant(values: np.ndarray) -> Tensor:
    values.flags.writeable = False
    return Tensor("c", values.shape, mlc.dtypes.as_dtype(values.dtype), Constant(values))


@pytest.mark.parametrize(
    ("values", "is_number"),
    [([2.0, 2.0], True), ([0.0, -0.0], False), ([-0.0, -0.0], True), ([np.nan] * 2, False),
     ([1.0, 2.0], False)],
)  # fmt: skip
def test_an_array_of_one_value_is_a_number(values: list[float], is_number: bool) -> None:
    x = te.placeholder((2,), "float64", "x")
    c = constant(np.array(values))
    product = te.compute((2,), lambda i: x[i] * c[i], name="product")
    (node,) = fold_constants(graph_of([x], [product])).nodes
    assert (c not in node.compute.inputs) == is_number


def test_elements_of_large_arrays_are_no_part_of_the_code() -> None:
    """The key under which code is kept does not count them."""
    n = SMALL_CONSTANT // 8 + 64
    x = te.placeholder((n,), "float64", "x")
    large, small = constant(np.full(n, 2.0)), constant(np.array([3.0]))
    both = te.compute((n,), lambda i: x[i] * large[i] + small[0], name="both")
    (node,) = fold_constants(graph_of([x], [both])).nodes
    assert large in node.compute.inputs
    assert small not in node.compute.inputs
    k = te.reduce_axis(n, "k")
    total = te.compute((1,), lambda i: te.sum(large[k] * small[i], axis=k), name="total")
    (node,) = fold_constants(graph_of([x], [total])).nodes
    assert large in node.compute.inputs
