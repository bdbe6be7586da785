"""What shares a kernel, what is computed once, and what it costs to find out."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.graph.cost import count_nodes
from mlc.graph.kernel import Module
from mlc.graph.pipeline import build_module
from mlc.ops import arithmetic, contract, join, logic, nn, reduce, shape, statistics, transcendental
from mlc.ops.elementwise import select_where
from mlc.te.classify import Kind, classify

from .graphs import check_module

X = te.placeholder((64, 96), "float32", "x")
W = te.placeholder((96, 32), "float32", "w")
B = te.placeholder((32,), "float32", "b")


def built(*outputs: te.Tensor) -> Module:
    module = build_module([X, W, B], outputs)
    check_module(module)
    return module


def contractions(module: Module) -> int:
    stages = [stage for kernel in module.kernels for stage in kernel.stages]
    return sum(classify(stage.tensors[0]) is Kind.CONTRACTION for stage in stages)


@pytest.mark.parametrize(
    "function",
    [
        nn.softmax,
        nn.log_softmax,
        nn.layer_norm,
        nn.rms_norm,
        lambda x: nn.logsumexp(x, axis=-1),
        lambda x: statistics.var(x, axis=-1),
        lambda x: statistics.std(x, axis=1, keepdims=True),
        lambda x: nn.softmax(nn.layer_norm(x)),
    ],
    ids=["softmax", "log_softmax", "layer_norm", "rms_norm", "logsumexp", "var", "std", "two"],
)
def test_rows_are_one_kernel(function):
    (kernel,) = built(function(X)).kernels
    assert kernel.shared == 1
    assert kernel.inputs == (X,)
    assert len(kernel.outputs) == 1


def test_names_of_long_chains_say_how_much_more_there_is():
    y = X
    for _ in range(6):
        y = transcendental.tanh(transcendental.exp(y))
    (kernel,) = built(y).kernels
    assert kernel.name == "fused_exp_tanh_exp_tanh_exp_tanh_exp_and_5_more"


def test_rows_of_more_dimensions_share_all_axes_but_the_last():
    x = te.placeholder((2, 3, 5, 7), "float32", "x")
    (kernel,) = build_module([x], [nn.softmax(x)]).kernels
    assert kernel.shared == 3


def test_the_exponential_of_softmax_is_computed_once():
    (kernel,) = built(nn.softmax(X)).kernels
    exponentials = [s for s in kernel.stages if "exp_less(" in repr(s.compute.body[0])]
    assert len(exponentials) == 1
    assert exponentials[0].tensors[0] in kernel.locals


def test_an_epilogue_joins_its_matmul():
    (kernel,) = built(nn.relu(arithmetic.add(contract.matmul(X, W), B))).kernels
    assert kernel.name == "fused_matmul_add_maximum"
    assert kernel.shared == 2 and len(kernel.stages) == 2
    assert kernel.inputs == (X, W, B)


def test_a_matmul_used_twice_is_computed_once():
    y = contract.matmul(X, W)
    module = built(transcendental.exp(y), reduce.sum(y, axis=0), shape.transpose(y), nn.softmax(y))
    assert contractions(module) == 1


def test_a_matmul_takes_no_row_reduction_into_its_kernel():
    module = built(nn.softmax(contract.matmul(X, W)))
    assert [len(kernel.stages) for kernel in module.kernels] == [1, 5]


def test_what_feeds_a_matmul_is_stored_unless_it_is_a_view():
    square = te.placeholder((96, 96), "float32", "s")
    through_views = contract.matmul(X, shape.transpose(square))
    assert len(build_module([X, square], [through_views]).kernels) == 1
    module = build_module([X, square], [contract.matmul(X, arithmetic.add(square, 1.0))])
    assert [kernel.name for kernel in module.kernels] == ["add", "matmul"]


def test_a_half_precision_operand_is_widened_in_place():
    half = te.placeholder((96, 32), "float16", "h")
    module = build_module([X, half], [contract.matmul(X, half)])
    assert len(module.kernels) == 1


@pytest.mark.parametrize(
    ("function", "want"),
    [
        (lambda y: nn.relu(shape.reshape(y, (8, 8, 32))), (8, 8, 32)),
        (lambda y: shape.transpose(nn.relu(y)), (32, 64)),
        (lambda y: shape.transpose(shape.reshape(nn.relu(y), (8, 8, 32)), (1, 0, 2)), (8, 8, 32)),
    ],
    ids=["reshape", "transpose", "both"],
)
def test_a_matmul_takes_the_shape_of_its_only_epilogue(function, want):
    (kernel,) = built(function(contract.matmul(X, W))).kernels
    assert [stage.shape for stage in kernel.stages] == [want, want]
    assert kernel.shared == len(want)


def test_a_matmul_keeps_its_shape_when_strides_cannot_express_the_other():
    module = built(nn.relu(shape.reshape(contract.matmul(X, W), (16, 128))))
    assert [kernel.stages[0].shape for kernel in module.kernels] == [(64, 32), (16, 128)]


def test_rows_are_reshaped_but_never_transposed():
    x = te.placeholder((4, 6, 8), "float32", "x")
    total = reduce.sum(x, axis=-1)
    (kernel,) = build_module([x], [arithmetic.add(shape.reshape(total, (24,)), 1.0)]).kernels
    assert [stage.shape for stage in kernel.stages] == [(24,), (24,)]
    module = build_module([x], [arithmetic.add(shape.transpose(total), 1.0)])
    assert [kernel.stages[0].shape for kernel in module.kernels] == [(4, 6), (6, 4)]


def test_full_reductions_take_scalar_epilogues():
    mean = reduce.sum(X)
    (kernel,) = built(transcendental.exp(arithmetic.divide(mean, 7.0))).kernels
    assert len(kernel.stages) == 2 and kernel.shared == 0


def test_reductions_over_leading_axes_take_elementwise_epilogues():
    (kernel,) = built(arithmetic.divide(reduce.sum(X, axis=0), 7.0)).kernels
    assert len(kernel.stages) == 2 and kernel.shared == 1


def test_cheap_producers_are_repeated_and_dear_ones_stored():
    cheap = arithmetic.add(X, 1.0)
    module = built(reduce.sum(cheap, axis=0), reduce.max(cheap, axis=1))
    assert [len(k.stages) for k in module.kernels] == [1, 1]
    dear = transcendental.tanh(X)
    module = built(reduce.sum(dear, axis=0), reduce.max(dear, axis=1))
    stages = [s for k in module.kernels for s in k.stages]
    assert sum("tanh(" in repr(s.compute.body[0]) for s in stages) == 1


def test_siblings_over_the_same_elements_share_a_kernel():
    (kernel,) = built(transcendental.sin(X), transcendental.cos(X)).kernels
    assert len(kernel.outputs) == 2


def test_a_kernel_never_waits_for_itself():
    # a -> b -> c with a -> c: b cannot share rows with a, so c must not join a either
    a = transcendental.exp(X)
    b = reduce.sum(a, axis=0)
    c = arithmetic.multiply(a, transcendental.log(b))
    module = built(a, c, reduce.sum(c, axis=1))
    assert len(module.kernels) >= 2


def test_a_kernel_never_waits_for_itself_by_way_of_two_others():
    # a -> b -> c -> e, and a -> d -> e, where d shares a kernel with a: e joins c instead
    a = transcendental.exp(X)
    y = te.placeholder((64, 96), "float32", "y")
    b = reduce.sum(a, axis=0)
    c = arithmetic.multiply(y, transcendental.log(b))
    d = transcendental.tanh(a)
    e = arithmetic.add(c, d)
    module = build_module([X, y], [a, c, d, e])
    check_module(module)
    assert [len(kernel.stages) for kernel in module.kernels] == [2, 2, 2]


def test_a_mask_that_reads_nothing_is_made_where_it_is_used():
    mask = te.compute((64, 96), lambda i, j: j <= i, name="mask")
    module = built(nn.softmax(select_where(mask, X, -np.inf)))
    assert len(module.kernels) == 1


def chain(length: int) -> te.Tensor:
    x = te.placeholder((1000,), "float32", "x")
    y = x
    for n in range(length):
        y = arithmetic.multiply(y, transcendental.sin(y)) if n % 3 else arithmetic.add(y, 1.5)
    return y


@pytest.mark.parametrize("length", [50, 100, 200, 1000])
def test_chains_grow_in_proportion(length):
    y = chain(length)
    x = y
    while x.inputs:
        x = x.inputs[0]
    module = build_module([x], [y])
    nodes = sum(count_nodes(s.compute) for k in module.kernels for s in k.stages)
    assert length <= nodes <= 2 * length
    assert len(module.kernels) <= 1 + length // 100


def test_stencils_do_not_explode():
    x = te.placeholder((64,), "float32", "x")
    y = x
    for _ in range(60):
        y = arithmetic.add(transcendental.tanh(y), join.roll(y, 1))
    module = build_module([x], [y])
    nodes = sum(count_nodes(s.compute) for k in module.kernels for s in k.stages)
    assert nodes < 60 * 40


def test_big_concatenations_are_stored_before_they_are_reduced():
    parts = [te.placeholder((8, 4), "float32", f"p{n}") for n in range(10)]
    whole = join.concatenate(parts)
    module = build_module(parts, [reduce.sum(whole, axis=0), reduce.max(whole, axis=1)])
    check_module(module)
    assert [len(k.inputs) for k in module.kernels] == [10, 1]


def test_long_rows_run_stage_by_stage():
    x = te.placeholder((2, 1 << 18), "float32", "x")
    module = build_module([x], [nn.softmax(x)])
    check_module(module)
    assert len(module.kernels) > 1


def test_logical_results_keep_their_dtype():
    module = built(logic.less(X, 0.0))
    assert module.outputs[0].dtype.name == "bool"


def test_one_element_that_data_name_is_read_as_it_stands():
    def counted(a, b):
        return np.count_nonzero(np.any(a[:, None] == b, axis=-1)[np.argsort(a)])

    a, b = np.ones(1), np.arange(4.0)
    assert mlc.jit(counted)(a, b) == counted(a, b) == 1


@pytest.mark.parametrize(
    ("shape", "dtype", "kernels"),
    [
        ((128, 6000, 96), "float32", 2),
        ((128, 6000, 96), "float64", 2),
        ((128, 4096, 96), "float32", 1),
        ((12, 6000, 96), "float32", 1),  # few rows read each column once or twice
        ((128, 6000, 12), "float32", 1),
        ((128, 6000, 96), "int32", 1),
    ],
)
def test_large_products_of_long_sums_are_kernels_of_their_own(shape, dtype, kernels):
    m, k, n = shape
    x, w, b = (te.placeholder(s, dtype, "xwb"[i]) for i, s in enumerate([(m, k), (k, n), (n,)]))
    y = arithmetic.add(contract.matmul(x, w), b)
    assert len(build_module([x, w, b], [y]).kernels) == kernels
    assert len(build_module([x, w, b], [y], row_blocks=False).kernels) == 1, "on cards"


def test_what_follows_a_product_of_a_long_sum_is_right():
    rng = np.random.default_rng(0)
    x, w, b = (rng.integers(-3, 4, s).astype("float32") for s in ((70, 5000), (5000, 80), (80,)))
    layer = mlc.jit(lambda x, w, b: np.maximum(x @ w + b, 0))
    np.testing.assert_array_equal(layer(x, w, b), np.maximum(x @ w + b, 0))
