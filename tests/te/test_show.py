"""Graphs and tensors as text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlc import te
from mlc.te.evaluate import evaluate
from mlc.te.show import graph_text, tensor_text
from tests.ir.samples import argmax_tensors, mm_relu_tensors


def shown(*tensors: te.Tensor) -> str:
    return "\n".join(map(tensor_text, tensors))


def test_graph() -> None:
    *_, Y, C = mm_relu_tensors(4, 6, 5)
    params = ("by", 2), ("dtype", None), ("name", ""), ("table", tuple(range(30)))
    scaled = te.compute((4, 6), lambda i, j: C[i, j] * two[()], "S", "scale", params)
    assert two.inputs == ()
    lines = [line.partition("  #")[0].rstrip() for line in graph_text([scaled, Y]).splitlines()]
    assert lines == [
        "%0: float32[4, 5] = input('A')",
        "%1: float32[5, 6] = input('B')",
        "%2: float32[4, 6] = compute(%0, %1)",
        "%3: float32[4, 6] = compute(%2)",
        "%4: float32[] = constant(2.0)",
        "%5: float32[4, 6] = scale(%3, %4, by=2)",
        "return %5, %2",
    ]
    assert "# samples.py:" in graph_text([C]) and "# test_show.py:" in graph_text([scaled])


two = te.constant(np.float32(2).reshape(()), "two")


def test_several_outputs() -> None:
    x = te.placeholder((3, 7), "float32", name="x")
    text = graph_text(argmax_tensors(x))
    assert "%1: int64[3], %2: float32[3] = compute(%0)" in text
    assert text.endswith("return %1, %2")


def test_tensors(golden: Callable[[str, str], None]) -> None:
    A, B, Y, C = mm_relu_tensors(4, 6, 5)
    x = te.placeholder((3, 7), "float32", name="x", strides=(1, 3))
    pad = te.compute((9,), lambda i: te.select(i < 7, x[0, i], -np.inf), name="pad")
    golden("tensors", shown(A, B, Y, C, x, *argmax_tensors(x)[:1], pad))


def test_the_text_runs_as_the_same_tensor() -> None:
    x = te.placeholder((3, 7), "float32", name="x")

    def body(i: object, j: object) -> object:
        p = x[i, j] * 3 - x[i, 0] / 7  # type: ignore[index]
        return te.cast(p * p // 2 - p, "float16") + te.cast(j, "float16")  # type: ignore[arg-type]

    y = te.compute((3, 7), body, name="y")
    space = {"te": te, "np": np, "x": x}
    exec(tensor_text(y), space)
    exec(tensor_text(argmax_tensors(x)[0]), space)
    values = np.random.default_rng(3).normal(size=(3, 7)).astype("float32")
    want = evaluate([y, *argmax_tensors(x)], {x: values})
    got = evaluate([space["y"], space["best_0"], space["best_1"]], {x: values})
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
