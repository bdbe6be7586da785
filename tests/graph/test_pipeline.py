"""A module computes what its graph does, whatever was fused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc import te
from mlc.graph.pipeline import build_module
from mlc.ops import arithmetic, contract, shape
from mlc.te.evaluate import evaluate

from .graphs import check_module, feeds_for, graphs


@given(graphs(), st.integers(0, 100))
def test_fused_graphs_compute_the_same(graph, seed):
    inputs, outputs = graph
    module = build_module(inputs, outputs)
    check_module(module)
    feeds = feeds_for(inputs, seed)
    want, got = evaluate(outputs, feeds), evaluate(module.outputs, feeds)
    for a, b in zip(want, got, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        # NumPy adds the same elements in another order where their layout differs
        size = np.finfo(np.float64).eps * 64
        np.testing.assert_allclose(
            b, a, rtol=size, atol=size * max(1.0, float(np.max(np.abs(a), initial=0)))
        )


@given(graphs(most=8), st.integers(0, 100))
def test_nan_infinity_and_signed_zeros_survive(graph, seed):
    inputs, outputs = graph
    module = build_module(inputs, outputs)
    feeds = feeds_for(inputs, seed, special=True)
    for a, b in zip(evaluate(outputs, feeds), evaluate(module.outputs, feeds), strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_array_equal(np.isinf(a), np.isinf(b))
        zero = (a == 0) & (b == 0)
        np.testing.assert_array_equal(np.signbit(a)[zero], np.signbit(b)[zero])


def test_inputs_constants_and_repeated_outputs_are_copied():
    x = te.placeholder((2, 3), "float32", "x")
    c = te.constant(np.ones((2, 3), np.float32) * np.arange(3, dtype=np.float32))
    y = arithmetic.add(x, c)
    module = build_module([x], [x, c, y, y, shape.transpose(x)])
    check_module(module)
    assert [module.slots[t].position for t in module.outputs] == [0, 1, 2, 3, 4]
    assert {module.slots[t].kind for t in module.outputs} == {"output"}
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    got = evaluate(module.outputs, {x: value})
    for a, b in zip(got, evaluate([x, c, y, y, shape.transpose(x)], {x: value}), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dead_code_and_common_subexpressions():
    x = te.placeholder((8, 8), "float32", "x")
    contract.matmul(x, x)  # nobody asks for it
    first = contract.matmul(x, shape.transpose(x))
    again = contract.matmul(x, shape.transpose(x))
    module = build_module([x], [arithmetic.add(first, again)])
    reductions = [s for k in module.kernels for s in k.stages if s.compute.reduction is not None]
    assert len(reductions) == 1
    assert len(module.kernels) == 1


def test_unused_results_of_a_reduction_are_left_out():
    x = te.placeholder((5,), "float32", "x")
    k = te.reduce_axis(5)
    both = te.comm_reducer(
        lambda a, b: (a[0] + b[0], te.max(a[1], b[1])), (0.0, -np.inf), ("float32", "float32")
    )
    total, _ = te.compute((), lambda: both((x[k], x[k]), axis=k), name="both")
    module = build_module([x], [total])
    (stage,) = module.kernels[0].stages
    assert len(stage.tensors) == len(stage.compute.body) == 1


def test_constants_are_folded_when_they_are_small():
    small = te.constant(np.arange(4.0))
    large = te.constant(np.arange(20000.0))
    x = te.placeholder((20000,), "float64", "x")
    y = te.placeholder((4,), "float64", "y")
    twice = arithmetic.multiply(arithmetic.add(small, small), y)
    module = build_module([x, y], [twice, arithmetic.add(arithmetic.multiply(large, 2.0), x)])
    folded, kept = module.constants
    np.testing.assert_array_equal(folded.op.array, [0.0, 2.0, 4.0, 6.0])
    assert kept is large


@pytest.mark.parametrize("value", [1.5, -0.0, 7.0])
def test_a_constant_with_one_value_is_a_number(value):
    x = te.placeholder((3, 4), "float32", "x")
    full = te.constant(np.full((3, 4), value, np.float32))
    module = build_module([x], [arithmetic.multiply(x, full)])
    assert module.constants == ()
    (kernel,) = module.kernels
    assert kernel.inputs == (x,)
    got = evaluate(module.outputs, {x: np.ones((3, 4), np.float32)})[0]
    assert np.array_equal(got, np.full((3, 4), value)) and np.all(
        np.signbit(got) == np.signbit(value)
    )


@pytest.mark.parametrize("extent", [0, 1])
def test_empty_and_single_extents(extent):
    x = te.placeholder((extent, 4), "float32", "x")
    k = te.reduce_axis(extent)
    total = te.compute((4,), lambda j: te.sum(x[k, j], axis=k), "total")
    module = build_module([x], [arithmetic.add(total, 1.0), arithmetic.square(x)])
    check_module(module)
    value = np.ones((extent, 4), np.float32)
    assert evaluate(module.outputs, {x: value})[0].tolist() == [1.0 + extent] * 4
