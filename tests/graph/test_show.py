"""Modules as text: the goldens of fusion."""

from __future__ import annotations

import pytest

from mlc import te
from mlc.graph.pipeline import build_module
from mlc.graph.show import kernel_text, module_dot, module_mermaid
from mlc.ops import arithmetic, contract, nn, reduce, shape, statistics


def softmax():
    x = te.placeholder((16, 32), "float32", "x")
    return [x], [nn.softmax(x)]


def mm_relu():
    x = te.placeholder((16, 32), "float32", "x")
    w = te.placeholder((8, 32), "float32", "w")
    b = te.placeholder((8,), "float32", "b")
    return [x, w, b], [nn.relu(arithmetic.add(contract.matmul(x, shape.transpose(w)), b))]


def variance():
    x = te.placeholder((16, 32), "float32", "x")
    return [x], [statistics.var(x, axis=0), statistics.var(x, axis=1)]


def attention():
    q, k, v = (te.placeholder((2, 16, 8), "float32", n) for n in "qkv")
    return [q, k, v], [nn.scaled_dot_product_attention(q, k, v)]


def argmax():
    x = te.placeholder((16, 32), "float32", "x")
    return [x], [reduce.argmax(x, axis=1), x]


@pytest.mark.parametrize("make", [softmax, mm_relu, variance, attention, argmax])
def test_module_text(make, golden):
    module = build_module(*make(), name=make.__name__)
    golden(f"graph_{make.__name__}", repr(module))


def test_drawings(golden):
    module = build_module(*attention(), name="attention")
    golden("graph_drawings", f"{module_mermaid(module)}\n\n{module_dot(module)}")


def test_a_kernel_alone_has_no_slots():
    (kernel,) = build_module(*softmax()).kernels
    text = kernel_text(kernel)
    assert text.startswith("kernel fused_max_exp_sum_inverse_divide, 1 shared:")
    assert "output" not in text and "local" in text
