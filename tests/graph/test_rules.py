"""Each rule of the graph, and that it keeps NaN, infinities and signed zeros."""

from __future__ import annotations

import numpy as np
import pytest

from mlc import te
from mlc.dtypes import as_dtype
from mlc.graph.graph import Node
from mlc.graph.rules.powers import multiply_out_powers
from mlc.graph.rules.reductions import drop_unit_axes, drop_unused_axes
from mlc.graph.rules.scalars import simplify_bodies
from mlc.ir.expr import apply, const
from mlc.te.evaluate import evaluate
from mlc.te.tensor import Tensor

from .graphs import SPECIAL

VALUES = np.array(SPECIAL)
V = te.placeholder(VALUES.shape, "float64", "v")
M = te.placeholder((VALUES.size, 1), "float64", "m")
N = te.placeholder((4,), "int32", "n")
FEEDS = {V: VALUES, M: VALUES[:, None], N: np.array([-(2**31), -1, 7, 2**31 - 1], np.int32)}


def folded(reducer, shape, value, extent):
    k = te.reduce_axis(extent)
    return te.compute(shape, lambda *i: reducer(value(*i, k), axis=k), "folded")


def power(tensor: Tensor, exponent: float) -> Tensor:
    return te.compute(
        tensor.shape,
        lambda i: apply("pow", tensor[i], const(exponent, tensor.dtype)),
        "power",
    )


def argmax(extent: int) -> Tensor:
    best = te.comm_reducer(
        lambda a, b: (te.select(a[1] >= b[1], a[0], b[0]), te.max(a[1], b[1])),
        (-1, -np.inf),
        ("int64", "float64"),
    )
    k = te.reduce_axis(extent)
    return te.compute((VALUES.size,), lambda i: best((k, M[i, k]), axis=k)[0], "argmax")


CASES = [
    (simplify_bodies, lambda: te.compute(V.shape, lambda i: V[i * 1 + 0] * 1.0 - 0.0, "s")),
    (multiply_out_powers, lambda: power(V, 2.0)),
    (multiply_out_powers, lambda: power(V, 1.0)),
    (multiply_out_powers, lambda: power(N, 3)),
    (drop_unit_axes, lambda: folded(te.sum, V.shape, lambda i, k: M[i, k], 1)),
    (drop_unit_axes, lambda: folded(te.prod, V.shape, lambda i, k: M[i, k], 1)),
    (drop_unit_axes, lambda: folded(te.max, V.shape, lambda i, k: M[i, k], 1)),
    (drop_unit_axes, lambda: argmax(1)),
    (drop_unused_axes, lambda: folded(te.max, V.shape, lambda i, k: V[i], 3)),
    (drop_unused_axes, lambda: folded(te.min, V.shape, lambda i, k: V[i], 3)),
    (drop_unused_axes, lambda: folded(te.any, V.shape, lambda i, k: V[i] > 0.0, 3)),
    (drop_unused_axes, lambda: folded(te.sum, N.shape, lambda i, k: N[i], 5)),
]


@pytest.mark.parametrize(("rule", "make"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_a_rule_keeps_every_bit(rule, make):
    tensor = make()
    (result,) = rule(Node(tensor.op, (tensor,)))
    assert (result.shape, result.dtype) == (tensor.shape, tensor.dtype)
    assert result.op.reduction is None
    (want,), (got,) = evaluate([tensor], FEEDS), evaluate([result], FEEDS)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(
        np.signbit(got)[~np.isnan(got)], np.signbit(want)[~np.isnan(want)]
    )


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        (multiply_out_powers, lambda: power(V, 3.0)),  # rounds twice
        (multiply_out_powers, lambda: power(V, 0.5)),  # -inf ** 0.5 is inf
        (drop_unused_axes, lambda: folded(te.sum, V.shape, lambda i, k: V[i], 3)),  # rounds
        (
            drop_unused_axes,
            lambda: folded(te.max, V.shape, lambda i, k: V[i], 0),
        ),  # nothing to take
        (drop_unit_axes, lambda: folded(te.sum, V.shape, lambda i, k: V[i], 2)),
        (simplify_bodies, lambda: te.compute(V.shape, lambda i: V[i] * 0.0 + 0.0, "s")),
    ],
)
def test_a_rule_leaves_alone_what_would_change(rule, make):
    tensor = make()
    assert rule(Node(tensor.op, (tensor,))) is None


def test_integer_sums_wrap_as_they_did():
    count = 1 << 20
    tensor = folded(te.sum, N.shape, lambda i, k: N[i], count)
    (result,) = drop_unused_axes(Node(tensor.op, (tensor,)))
    with np.errstate(over="ignore"):
        want = FEEDS[N] * np.int32(count)
    np.testing.assert_array_equal(evaluate([result], FEEDS)[0], want)
    assert result.dtype is as_dtype("int32")
